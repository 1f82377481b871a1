"""Tests of whether methods differ, for results that are paired, often tied and of several tasks.

References:
    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945.
    Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", JASA 54, 1959.
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6, 1979.
    Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006,
    https://jmlr.org/papers/v7/demsar06a.html.
    Conover, Practical Nonparametric Statistics, 3rd edition, 1999, section 5.8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optiproxy.report.statistics import HIT

# The level of every test and of the critical difference.
ALPHA = 0.05


def midranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks along the last axis, 1 for the least; values that differ by rounding share their mean.

    Differences of metrics need that: 73.5 - 73.4 and 91.2 - 91.1 are equal and their floats not.

    Args:
        values: (..., k); infinite ones are allowed, and equal to each other.
    """
    from scipy import stats

    data = np.asarray(values, dtype=np.float64)
    order = np.argsort(data, axis=-1)
    ordered = np.take_along_axis(data, order, axis=-1)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is no step: a tie.
        steps = np.diff(ordered, axis=-1, prepend=ordered[..., :1]) > HIT
    levels = np.empty(data.shape)
    np.put_along_axis(levels, order, np.cumsum(steps, axis=-1), axis=-1)
    return np.asarray(stats.rankdata(levels, axis=-1), dtype=np.float64)


def signed_rank(strata: Sequence[ArrayLike]) -> tuple[float, float]:
    """Wilcoxon's signed-rank test of paired differences, exact, in one stratum or several.

    1. In each stratum (a task), the absolute differences are ranked. Zeros are ranked too and then
       left out (Pratt 1959); ties share their mean rank.
    2. The statistic is the sum of the ranks of positive differences minus that of negative ones,
       over all strata. Ranking within a task means that tasks of different units can be added.
    3. If the methods are alike, each difference might as well have had the other sign. All those
       signs are counted, by adding one rank after another to the distribution of the sum: the
       p-value is exact also with zeros and ties, where the usual tables and approximations fail.

    Args:
        strata: Differences, each (n,); infinite ones are allowed. With one stratum this is the
            usual test.

    Returns:
        The statistic, positive when the differences tend to be, and the two-sided p-value; 0 and
        1 when all differences are zero.
    """
    doubled: list[int] = []  # Mean ranks are whole or half numbers: twice them are whole.
    positive = 0
    for stratum in strata:
        differences = np.asarray(stratum, dtype=np.float64)
        ranks = np.rint(2 * midranks(np.abs(differences))).astype(np.int64)
        doubled += ranks[np.abs(differences) > HIT].tolist()
        positive += int(ranks[differences > HIT].sum())
    total = sum(doubled)
    chance = np.zeros(total + 1)  # Of each sum of the positive doubled ranks.
    chance[0] = 1.0
    for rank in doubled:
        chance /= 2
        chance[rank:] += chance[:-rank].copy()
    tail = min(chance[: positive + 1].sum(), chance[positive:].sum())
    return (2 * positive - total) / 2, min(1.0, 2 * float(tail))


def p_text(p: float) -> str:
    """``= 0.013``, or ``< 1e-4`` below that: smaller ones differ by nothing that matters."""
    return "< 1e-4" if p < 1e-4 else f"= {p:.2g}"


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of one family, adjusted by Holm's step-down procedure (1979).

    A comparison whose adjusted value is below α is significant, and the chance that any is so by
    accident is at most α.
    """
    count = len(p_values)
    adjusted = [math.nan] * count
    largest = 0.0
    for step, i in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (count - step) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def friedman(ranks: NDArray[np.float64]) -> float:
    """The p-value of Friedman's test that no method tends to other ranks than the rest.

    Args:
        ranks: Of the methods in each block, (N, k), k at least 2, ties at their mean.
    """
    from scipy import stats

    count, k = ranks.shape
    middle = (k + 1) / 2
    spread = float(((ranks - middle) ** 2).sum())
    if spread == 0:  # All methods are tied in every block.
        return 1.0
    between = float(((ranks.sum(axis=0) - count * middle) ** 2).sum())
    chi_square = (k - 1) * between / spread  # Conover 1999: the form that holds with ties.
    return float(stats.chi2.sf(chi_square, k - 1))


def critical_difference(methods: int, blocks: int) -> float:
    """How far two mean ranks must lie apart by Nemenyi's test at the level α (Demšar 2006, p. 11).

    Args:
        methods: k, at least 2.
        blocks: N.
    """
    from scipy import stats

    # The quantile for infinitely many degrees of freedom, divided by √2: Demšar's table 5.
    q = stats.studentized_range.ppf(1 - ALPHA, methods, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * blocks)))


def cliques(mean_ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """The largest groups of neighbours that a critical difference does not separate.

    Args:
        mean_ranks: Ascending.
        difference: The critical one; mean ranks that lie less apart are not separated.

    Returns:
        The first and the last of each group of two or more; none lies within another.
    """
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(i for i, other in enumerate(mean_ranks) if other - rank < difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
