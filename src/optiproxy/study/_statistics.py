"""Statistics over seeds, plain numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Parts of the budget at which a comparison is summed up.
PARTS = (0.25, 0.5, 1.0)

# A search has found the optimum when its regret is no more than rounding.
HIT = 1e-9

# Resamples of a bootstrap interval: its ends move by less than 1 % of its width from seed to seed.
RESAMPLES = 10_000


def budgets(budget: int) -> list[int]:
    """A quarter, a half and all of `budget`, rounded up, each once."""
    return sorted({math.ceil(budget * part) for part in PARTS})


def best_so_far(
    values: Sequence[float], feasible: Sequence[bool], sign: float
) -> NDArray[np.float64]:
    """The running best of feasible values, (T,); NaN before there is one.

    Args:
        values: The objective, (T,); NaN where the query failed.
        feasible: Whether the constraints hold, (T,).
        sign: +1 where greater is better, -1 where smaller is.
    """
    data = np.asarray(values, dtype=np.float64)
    usable = np.asarray(feasible, dtype=bool) & ~np.isnan(data)
    best = np.maximum.accumulate(np.where(usable, sign * data, -np.inf))
    return np.where(np.isneginf(best), np.nan, sign * best)


def bootstrap_interval(
    values: NDArray[np.float64], *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of `values`, (S,). NaN where one of them is."""
    if not len(values) or np.isnan(values).any():
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(values), size=(RESAMPLES, len(values)))
    means = values[picked].mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def mean_std(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and sample standard deviation over seeds, (S,); the latter of one seed is NaN.

    NaN where one of them is: a mean over the seeds that have a value would favour the lucky ones.
    """
    mean = float(values.mean()) if len(values) else math.nan
    return mean, float(values.std(ddof=1)) if len(values) > 1 else math.nan
