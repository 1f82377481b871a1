"""Values as normal scores of their ranks, for models that should fit all values equally well."""

from __future__ import annotations

import torch
from scipy.stats import rankdata
from torch import Tensor


def normal_scores(y: Tensor) -> Tensor:
    """Ranks within each column (ties share theirs) as quantiles of the normal distribution.

    Args:
        y: (T, M), NaN-free.

    Returns:
        (T, M).
    """
    ranks = torch.from_numpy(rankdata(y.numpy(), axis=0)).to(y.dtype)
    scores: Tensor = torch.special.ndtri((ranks - 0.5) / len(y))
    return scores
