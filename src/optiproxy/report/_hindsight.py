"""Whether values can be predicted at all, or differ by noise alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Two architectures that differ in a sixth of their choices have a correlation of 1/e.
SHARPNESS = 6.0
# The variance of the noise, as a part of that of the values.
RIDGE = 0.3
# Earlier queries are left out, so that it takes a fraction of a second.
MOST = 400


def hindsight(queries: Sequence[Mapping[str, Any]], metric: str, last: int) -> float:
    """How well the last values are predicted from all others, as a rank correlation.

    Kernel ridge regression on the ranks of the values; each is predicted without itself, in closed
    form (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.12). Noise
    can't be predicted, so that the correlation is about 0 if the values differ by noise alone.

    Args:
        queries: As for `diagnose`, those that have the metric.
        metric: Its name.
        last: How many of them are predicted.

    Returns:
        The correlation (Spearman); NaN if all values or all predictions are equal.
    """
    from scipy import stats

    queries = queries[-MOST:]
    values = np.array([float(query["metrics"][metric]) for query in queries])
    if np.ptp(values) == 0:
        return math.nan
    y = stats.zscore(stats.rankdata(values))
    covariance = np.exp(-SHARPNESS * _distances([query["architecture"] for query in queries]))
    # A constant mean, whatever its value; and the noise.
    inverse = np.linalg.inv(covariance + 1.0 + RIDGE * np.eye(len(y)))
    predicted = y - inverse @ y / np.diag(inverse)
    shown = slice(-last, None)
    if np.ptp(predicted[shown]) == 0 or np.ptp(values[shown]) == 0:
        return math.nan
    return float(stats.spearmanr(predicted[shown], values[shown]).statistic)


def _distances(archs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """The mean distance of the choices, 0 to 1, (T, T).

    Numbers differ by their ranks, so that their scale does not matter; other options, and a number
    from an inactive choice, by 0 or 1.
    """
    total = np.zeros((len(archs), len(archs)))
    for name in archs[0]:
        options = [arch.get(name) for arch in archs]
        if all(isinstance(option, int | float | None) for option in options):
            active = np.array([option is not None for option in options])
            numbers = np.array([option or 0 for option in options], dtype=np.float64)
            _, ranks = np.unique(numbers, return_inverse=True)
            apart = np.abs(ranks[:, None] - ranks) / max(1, ranks.max())
            total += np.where(active[:, None] & active, apart, active[:, None] != active)
        else:
            texts = np.array([repr(option) for option in options])
            total += texts[:, None] != texts
    return total / len(archs[0])
