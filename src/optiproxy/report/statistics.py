"""Statistics over seeds in numpy: means, intervals and medians.

Seeds are rows. A value is NaN where a seed has none (no feasible query yet), and a statistic over
seeds is NaN where any of them is: a mean over those that happened to have a value would favour the
lucky ones.

References:
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Two values of a metric are the same, and an optimum is found, within rounding: this part of the
# metric's own size.
HIT = 1e-9

# "Near the optimum": within 0.1 % of its value.
NEAR = 1e-3

# Resamples of a bootstrap interval: its ends move by less than 1 % of its width from one seed of
# the generator to another. The seed is fixed, so that a table always has the same intervals.
RESAMPLES = 10_000
_BOOTSTRAP_SEED = 0

# Curves are resampled this many points at a time: 20 MB of means, however long they are.
_POINTS = 256


def best_so_far(values: ArrayLike, feasible: ArrayLike, sign: float) -> NDArray[np.float64]:
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


def mean_std(values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and sample standard deviation over seeds.

    Args:
        values: (S, ...), one row a seed, at least one.

    Returns:
        Both (...). The deviation of one seed is NaN.
    """
    first, rest = _shifted(values)
    mean = first + rest.mean(axis=0)
    return mean, rest.std(axis=0, ddof=1) if len(rest) > 1 else np.full_like(mean, np.nan)


def bootstrap_interval(
    values: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The percentile bootstrap interval of the mean over seeds (Efron and Tibshirani 1993).

    Args:
        values: (S, ...), one row a seed, at least one.
        confidence: The interval's coverage, between 0 and 1.

    Returns:
        Its lower and its upper end, both (...). Those of one seed are NaN.
    """
    first, rest = _shifted(values)
    low, high = np.full((2, *first.shape), np.nan)
    if len(rest) > 1:
        columns = rest.reshape(len(rest), -1)
        tail = (1 - confidence) / 2
        ends = [
            np.quantile(columns[:, at : at + _POINTS].T @ _weights(len(rest)), [tail, 1 - tail], 1)
            for at in range(0, columns.shape[1], _POINTS)
        ]
        low, high = first + np.concatenate(ends, axis=1).reshape(2, *first.shape)
    return low, high


def median_queries(reached: ArrayLike, queries: ArrayLike) -> float:
    """The number of queries after which half of the seeds have reached a goal.

    This is the median of survival analysis, where some are never seen to reach it: the lower of
    the two middle seeds when their number is even, and infinite when more than half miss it.

    Args:
        reached: Whether a seed has reached the goal at a query, (S, T).
        queries: The numbers of the queries, (T,), ascending.
    """
    there = np.asarray(reached, dtype=bool)
    numbers = np.append(np.asarray(queries, dtype=np.float64), math.inf)
    first = np.where(there.any(axis=1), there.argmax(axis=1), len(numbers) - 1)
    return float(np.sort(numbers[first])[(len(first) - 1) // 2])


def _shifted(values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first seed's values, and the differences of all seeds from them.

    So the mean of equal values is exactly that value, and their deviation exactly 0.
    """
    data = np.asarray(values, dtype=np.float64)
    return data[0], data - data[0]


@functools.lru_cache(maxsize=4)
def _weights(seeds: int) -> NDArray[np.float64]:
    """The weight of each seed in the mean of a resample, (S, RESAMPLES)."""
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    drawn = rng.integers(0, seeds, size=(RESAMPLES, seeds))
    slots = drawn + seeds * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(slots.ravel(), minlength=RESAMPLES * seeds)
    return np.ascontiguousarray(counts.reshape(RESAMPLES, seeds).T / seeds)
