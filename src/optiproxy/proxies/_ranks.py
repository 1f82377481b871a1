"""Values as normal scores of their ranks: what a model sees that must not look at the top alone."""

from __future__ import annotations

import torch
from torch import Tensor


def normal_scores(y: Tensor) -> Tensor:
    """Ranks within each column (ties share theirs) as quantiles of the normal distribution.

    Args:
        y: (T, M), NaN-free.

    Returns:
        (T, M).
    """
    below = (y[:, None] > y[None]).to(y.dtype).sum(1)
    ties = (y[:, None] == y[None]).to(y.dtype).sum(1)
    scores: Tensor = torch.special.ndtri((below + 0.5 * ties) / len(y))
    return scores
