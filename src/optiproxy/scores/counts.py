"""Size and work of a network, as scores: the larger one is taken for the better one.

White et al., A Deeper Look at Zero-Cost Proxies for Lightweight NAS, ICLR Blog Track 2022, and Ning
et al., Evaluating Efficient Performance Estimators of Neural Architectures, NeurIPS 2021,
https://arxiv.org/abs/2008.03064, find few scores that predict accuracy better than these two.
"""

from __future__ import annotations

from torch import nn

from optiproxy.hardware import count_flops, count_parameters
from optiproxy.scores.base import Batch, one_example, score


@score
def parameters(model: nn.Module, batch: Batch) -> float:
    """The number of parameters; see `hardware.count_parameters`."""
    return count_parameters(model)


@score
def flops(model: nn.Module, batch: Batch) -> float:
    """Floating-point operations for one example; see `hardware.count_flops`.

    A network on the ``meta`` device is counted without being computed. That pays for large networks
    alone: torch takes longer for the shapes of a small one than for its numbers.
    """
    return count_flops(model, one_example(batch))
