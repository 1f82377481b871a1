"""Failures that can be foreseen: networks too large for the memory, trainings that diverge.

Whether a query fails is learnt as a limited metric is: one output of the proxy more, 0 for success
and 1 for failure, with a bound of a half. Gelbart et al., https://arxiv.org/abs/1403.5607, weight
expected improvement by the probability of success likewise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.proxies.gp import GaussianProcess
from optiproxy.spaces import Space

# Fewer failures, or successes, teach nothing.
FEWEST = 2
# The share of the variance of success and failure that cross-validation must explain: independent
# failures, whose share is about zero, are nobody's fault.
EXPLAINED = 0.3


def foreseeable(space: Space, p: Tensor, failed: Tensor) -> bool:
    """Whether architectures say which queries fail.

    Args:
        space: The search space.
        p: (T, C, O), the queries.
        failed: (T,).
    """
    if min(int(failed.sum()), int((~failed).sum())) < FEWEST:
        return False
    y = standardised(failed)[:, None]
    predicted = GaussianProcess(space).left_out(p, y, torch.arange(len(p)))
    return float(((predicted - y) ** 2).mean()) < 1 - EXPLAINED


def standardised(failed: Tensor) -> Tensor:
    """Failures (T,) as targets of zero mean and unit deviation."""
    y = failed.double()
    return (y - y.mean()) / _deviation(y)


def bound(failed: Tensor) -> float:
    """The target between success and failure."""
    y = failed.double()
    return float((0.5 - y.mean()) / _deviation(y))


def _deviation(y: Tensor) -> Tensor:
    return y.std(correction=0).clamp(min=1e-6)
