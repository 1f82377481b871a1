"""Means, intervals and medians against numpy, scipy, simulation and counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from optiproxy.report import bootstrap_interval
from optiproxy.report.statistics import best_so_far, mean_std, median_queries

NAN = math.nan


def test_best_so_far_takes_feasible_queries_alone() -> None:
    best = best_so_far([NAN, 3.0, 5.0, 4.0, 9.0, NAN], [False, True, False, True, True, True], 1.0)
    np.testing.assert_array_equal(best, [NAN, 3, 3, 4, 9, 9])
    np.testing.assert_array_equal(best_so_far([3.0, 1.0, 2.0], [True] * 3, -1.0), [3, 1, 1])


def test_mean_and_deviation_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).normal(73, 2, size=(7, 5))
    mean, std = mean_std(values)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose(std, values.std(axis=0, ddof=1))


def test_equal_values_have_no_spread_at_all() -> None:
    """Three times 0.1 has the mean 0.10000000000000002 when it is summed as it stands."""
    assert np.mean([0.1] * 3) != 0.1
    assert mean_std([0.1] * 3) == (0.1, 0)
    assert bootstrap_interval([0.1] * 3) == (0.1, 0.1)


def test_interval_agrees_with_scipys_bootstrap() -> None:
    """10,000 resamples on either side: the ends agree within 3 % of the width."""
    values = np.random.default_rng(1).exponential(size=20)
    low, high = bootstrap_interval(values)
    other = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert [low, high] == pytest.approx(list(other), abs=0.03 * (high - low))
    wide = bootstrap_interval(values, confidence=0.99)
    assert wide[0] < low < values.mean() < high < wide[1]


def test_interval_covers_the_mean_nearly_as_often_as_it_says() -> None:
    """Of a normal mean of 30 the percentile interval covers 93.6 %, 1.927 standard errors.

    1,000 repetitions: the standard error is 0.8 %; the bound is 3 of them.
    """
    values = np.random.default_rng(3).normal(size=(30, 1000))
    low, high = bootstrap_interval(values)
    assert ((low < 0) & (high > 0)).mean() == pytest.approx(0.936, abs=0.024)


def test_interval_of_a_curve_is_that_of_its_points() -> None:
    """600 points are more than are resampled at once."""
    curve = np.random.default_rng(4).normal(size=(5, 600))
    low, high = bootstrap_interval(curve)
    assert low.shape == high.shape == (600,)
    for point in (0, 255, 256, 599):
        assert bootstrap_interval(curve[:, point]) == pytest.approx((low[point], high[point]))


def test_one_seed_has_no_interval_and_a_missing_value_no_mean() -> None:
    mean, std = mean_std([[1.0, 2.0]])
    assert mean.tolist() == [1.0, 2.0]
    assert np.isnan([std, *bootstrap_interval([[1.0, 2.0]])]).all()
    values = [[1.0, NAN], [3.0, 2.0]]
    (mean, std), (low, high) = mean_std(values), bootstrap_interval(values)
    assert mean[0] == 2.0
    assert not np.isnan([std[0], low[0], high[0]]).any()
    assert np.isnan([mean[1], std[1], low[1], high[1]]).all()


@pytest.mark.parametrize(
    ("reached", "median"),
    [
        ([10], 10),
        ([10, 30], 10),  # The lower of the middle two: by then half have it.
        ([30, 10, 20], 20),
        ([10, None, 20], 20),
        ([10, 20, None, None], 20),  # Exactly half miss it.
        ([10, None, None], math.inf),
        ([None], math.inf),
    ],
)
def test_median_counts_those_that_miss(reached: list[int | None], median: float) -> None:
    queries = np.array([10, 20, 30])
    there = np.array([queries >= (math.inf if at is None else at) for at in reached])
    assert median_queries(there, queries) == median
