"""Scores of an untrained network. A score is one function; `base.score` is its frame.

``score(model, batch, *, seed=0) -> float``, higher is better, the model is left as it was.
`NetworkScores` computes them for many architectures.
"""

from typing import TYPE_CHECKING

from optiproxy._lazy import lazy
from optiproxy.scores.registry import AUTO, SCORES

if TYPE_CHECKING:
    from optiproxy.scores.activations import naswot
    from optiproxy.scores.base import Score, score
    from optiproxy.scores.counts import flops, parameters
    from optiproxy.scores.evaluate import NetworkScores, ScoreTable
    from optiproxy.scores.gradients import grad_norm, grasp, snip
    from optiproxy.scores.jacobian import jacob_cov
    from optiproxy.scores.small import SmallNetwork, small_network
    from optiproxy.scores.synaptic_flow import logsynflow, synflow

__all__ = [
    "AUTO", "SCORES", "NetworkScores", "Score", "ScoreTable", "SmallNetwork", "flops",
    "grad_norm", "grasp", "jacob_cov", "logsynflow", "naswot", "parameters", "score",
    "small_network", "snip", "synflow",
]  # fmt: skip

# The names of scores are listed without torch.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "optiproxy.scores.activations": ("naswot",),
        "optiproxy.scores.base": ("Score", "score"),
        "optiproxy.scores.counts": ("flops", "parameters"),
        "optiproxy.scores.evaluate": ("NetworkScores", "ScoreTable"),
        "optiproxy.scores.gradients": ("grad_norm", "grasp", "snip"),
        "optiproxy.scores.jacobian": ("jacob_cov",),
        "optiproxy.scores.small": ("SmallNetwork", "small_network"),
        "optiproxy.scores.synaptic_flow": ("logsynflow", "synflow"),
    },
)
