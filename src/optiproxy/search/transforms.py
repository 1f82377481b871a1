"""Metrics as the proxy sees them: greater is better, standardised on the queried data alone.

The reference normalises with the mean and deviation of the whole table, which no search knows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The gap to the best that counts as small, as a share of the gap between the best and the median.
TOP_RESOLUTION = 0.2


def fill(y: Array) -> Array:
    """Failed queries (not finite) take the worst value seen, so that the search turns away."""
    finite = np.isfinite(y)
    return np.where(finite, y, y[finite].min() if finite.any() else 0.0)


def sharpen(y: Array) -> Array:
    """``-log(best - y + eps)``, standardised: spreads out the best, which a search must order.

    Accuracies crowd below their ceiling with a long tail of failures; on a linear scale the tail
    takes all of a model's attention (METHOD §5).
    """
    if len(y) == 0:
        return y
    best = y.max()
    gap = best - np.median(y)
    if gap <= 0:
        gap = float(y.max() - y.min()) or 1.0
    return standardise(-np.log(best - y + TOP_RESOLUTION * gap))


def standardise(y: Array) -> Array:
    """Zero mean and unit deviation; a constant metric becomes zeros."""
    if len(y) == 0:
        return y
    deviation = y.std()
    if deviation <= 1e-12 * np.abs(y).max():
        return np.zeros_like(y)
    return np.asarray((y - y.mean()) / deviation)
