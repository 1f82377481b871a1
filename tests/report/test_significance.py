"""Tests between methods against scipy, against counting all signs, and against published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from optiproxy.report.significance import (
    cliques,
    critical_difference,
    friedman,
    holm,
    midranks,
    signed_rank,
)


def _counted(strata: list[NDArray[np.float64]]) -> float:
    """The two-sided p-value by trying every combination of signs."""
    ranks: list[float] = []
    positive = 0.0
    for differences in strata:
        own = stats.rankdata(np.abs(differences))
        ranks += own[differences != 0].tolist()
        positive += own[differences > 0].sum()
    signs = itertools.product([0, 1], repeat=len(ranks))
    sums = np.array([np.dot(sign, ranks) for sign in signs])
    return float(min(1, 2 * min((sums <= positive).mean(), (sums >= positive).mean())))


@pytest.mark.parametrize("n", [1, 2, 5, 20, 45])
def test_signed_rank_is_scipys_exact_test(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, size=n)
    statistic, p = signed_rank([differences])
    exact = stats.wilcoxon(differences, method="exact")
    assert p == pytest.approx(exact.pvalue, rel=1e-9)
    # scipy gives the smaller of the two rank sums; together they are n (n + 1) / 2.
    assert abs(statistic) == pytest.approx(n * (n + 1) / 2 - 2 * exact.statistic)
    assert signed_rank([-differences]) == (-statistic, pytest.approx(p))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_signed_rank_with_zeros_and_ties_counts_all_signs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    differences = np.append(rng.integers(-3, 6, size=9), [0, 0]).astype(float)
    assert len(np.unique(np.abs(differences))) < 8
    _, p = signed_rank([differences])
    assert p == pytest.approx(_counted([differences]))
    scipys = stats.wilcoxon(
        differences, zero_method="pratt", method=stats.PermutationMethod(n_resamples=1 << 12)
    )
    assert p == pytest.approx(scipys.pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_strata_are_ranked_each_by_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata = [rng.integers(-2, 5, size=5).astype(float), rng.normal(1, 1, size=6)]
    result = signed_rank(strata)
    assert result[1] == pytest.approx(_counted(strata))
    # Another unit in one of them changes nothing.
    assert signed_rank([strata[0], 1000 * strata[1]]) == pytest.approx(result)


def test_signed_rank_at_its_limits() -> None:
    assert signed_rank([np.zeros(20)]) == (0, 1)
    assert signed_rank([[]]) == (0, 1)
    # All five for one side: 2 of the 32 combinations of signs.
    assert signed_rank([[1, 2, 3, 4, 5]]) == (15, pytest.approx(2 / 32))
    # A seed on which one method has nothing is the greatest difference, not an error.
    assert signed_rank([[math.inf, 1, -2]]) == signed_rank([[3, 1, -2]])


@pytest.mark.slow
def test_signed_rank_rejects_as_often_as_it_says() -> None:
    """Equal methods whose differences are often zero or tied: never more than 5 % of 4,000 runs.

    The exact test is conservative; the standard error of 5 % is 0.34 %.
    """
    rng = np.random.default_rng(0)
    rejected = [signed_rank([rng.integers(-3, 4, size=20)])[1] <= 0.05 for _ in range(4000)]
    assert 0.03 < np.mean(rejected) < 0.055


def test_rounding_makes_no_rank_and_no_difference() -> None:
    a, b = 73.5 - 73.4, 91.2 - 91.1
    assert a != b
    np.testing.assert_array_equal(midranks([[a, b, 0.0], [2, 1, 3]]), [[2.5, 2.5, 1], [2, 1, 3]])
    assert signed_rank([[1e-13, 0.0, -1e-13]]) == (0, 1)
    np.testing.assert_array_equal(midranks([math.inf, 0, math.inf]), [2.5, 1, 2.5])


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 lifted to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9, 0.02]) == pytest.approx([1, 1, 0.06])
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_friedman_is_scipys_also_with_ties() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=(12, 4)), rng.integers(0, 3, size=(12, 4))):
        expected = stats.friedmanchisquare(*np.asarray(values).T).pvalue
        assert friedman(midranks(values)) == pytest.approx(expected)
    assert friedman(midranks(np.ones((5, 3)))) == 1


def test_friedman_of_two_methods() -> None:
    """9 of 10 blocks for one: the statistic is (9 - 1)² / 10 = 6.4 with one degree of freedom."""
    ranks = np.array([[1.0, 2.0]] * 9 + [[2.0, 1.0]])
    assert friedman(ranks) == pytest.approx(stats.chi2.sf(6.4, 1))


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)
def test_critical_difference_is_that_of_demsars_table_5(methods: int, q: float) -> None:
    expected = q * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert critical_difference(methods, 14) == pytest.approx(expected, abs=5e-4)


def test_cliques_by_hand() -> None:
    assert cliques([1.0, 2.0, 3.0, 5.0], 1.5) == [(0, 1), (1, 2)]
    assert cliques([1.0, 2.0, 3.0, 5.0], 2.5) == [(0, 2), (2, 3)]
    assert cliques([1.0, 2.0, 3.0, 5.0], 9.0) == [(0, 3)]
    assert cliques([1.0, 2.0, 3.0], 0.5) == []
    assert cliques([1.0, 2.0], 1.0) == []  # As far apart as the critical difference: separated.
    assert cliques([1.5, 1.5], 0.5) == [(0, 1)]
