"""Means over seeds, with what is known of their error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mean_interval(
    values: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean over seeds and the half width of its Student-t interval.

    Args:
        values: (S, ...), one row a seed.
        confidence: The interval's coverage, between 0 and 1.

    Returns:
        Mean and half width, both (...). NaN where any seed is NaN: a mean over the seeds that
        happened to have a value would favour the lucky ones. The half width of one seed is NaN.
    """
    from scipy import stats

    data = np.asarray(values, dtype=np.float64)
    mean = data.mean(axis=0)
    if len(data) < 2:
        return mean, np.full_like(mean, np.nan)
    error = data.std(axis=0, ddof=1) / np.sqrt(len(data))
    return mean, float(stats.t.ppf((1 + confidence) / 2, len(data) - 1)) * error
