"""Whether a metric is a smooth function of lists of numbers: what the queries say.

Widths of a network are a list of numbers, and so are the settings of a simulator. A slope that a
model may climb joins the latter; of the former each has effects of its own (docs/log.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.proxies.gp import GaussianProcess
from optiproxy.spaces import Space

# Shorter lists are options like others.
LISTED = 10
# By so much the log likelihood must be greater: most metrics of networks are not smooth.
GREATER = 0.5


def seems_smooth(space: Space, p: Tensor, y: Tensor) -> bool:
    """Whether the queries are more likely with the priors of a smooth function.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 5.2: models are
    compared by their marginal likelihoods.

    Args:
        space: The search space, with an ordered list of `LISTED` options or more.
        p: (T, C, O), the queries.
        y: (T,), the targets of the objective; NaN where a query failed.
    """
    known = torch.isfinite(y)
    if known.sum() < 2:
        return False
    evidence = [_evidence(one, p[known], y[known]) for one in (space, space.smoothed)]
    return evidence[1] - evidence[0] > GREATER


def _evidence(space: Space, p: Tensor, y: Tensor) -> float:
    process = GaussianProcess(space)
    process.fit(p, y[:, None])
    return float(process.evidence[0])
