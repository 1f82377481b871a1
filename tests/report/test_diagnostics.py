"""Diagnostics on histories whose trouble is known, and on healthy ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.report.diagnostics import WINDOW, diagnose, rank_correlation, variety

NAMES = ["a", "b", "c", "d", "e", "f"]


def history(rows: Any, values: Any = None, predicted: Any = None, cost: Any = None) -> list[Any]:
    values = np.arange(len(rows)) if values is None else values
    predicted = [None] * len(rows) if predicted is None else predicted
    cost = [0.0] * len(rows) if cost is None else cost
    return [
        {
            "query": i + 1,
            "architecture": dict(zip(NAMES, map(int, row), strict=True)),
            "metrics": {"val": float(value), "cost": float(price)},
            "feasible": True,
            "predicted": None if guess is None else float(guess),
        }
        for i, (row, value, guess, price) in enumerate(
            zip(rows, values, predicted, cost, strict=True)
        )
    ]


def varied(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 5, size=(count, len(NAMES)))


def diagnosed(queries: list[Any], initial: int = 10, **options: Any) -> list[str]:
    return [d.kind for d in diagnose(queries, objective="val", initial=initial, **options)]


def test_a_healthy_search_gets_none() -> None:
    values = np.random.default_rng(1).normal(size=100)
    noisy = values + np.random.default_rng(2).normal(size=100)
    queries = history(varied(100), values, noisy, cost=np.arange(100) % 3)
    assert diagnosed(queries, constraints=["cost <= 1"]) == []
    assert diagnosed([]) == []


def test_a_search_that_stays_at_one_place_has_collapsed() -> None:
    # After ten random ones, two of six choices change: 25 different architectures.
    stuck = [[0, 0, 0, 0, a, b] for a, b in itertools.product(range(5), repeat=2)]
    [found] = diagnose(history([*varied(10), *stuck]), objective="val", initial=10)
    assert found.kind == "mode collapse"
    assert found.finding.startswith("queries 1")
    assert "95 % of them differ" in found.finding
    assert "n_init" in found.remedy
    assert str(found) == f"mode collapse: {found.finding}; {found.remedy}"
    # Late in a search it is what a search should do: settle.
    assert diagnosed(history([*varied(60), *stuck])) == []
    # The neighbours of one architecture are no collapse: every choice is tried.
    near = np.zeros((24, len(NAMES)), dtype=int)
    near[np.arange(24), np.arange(24) % 6] = 1 + np.arange(24) // 6
    assert diagnosed(history([*varied(10), *near])) == []


def test_what_is_trained_again_in_full_is_no_collapse() -> None:
    near = list(itertools.product([0], [0], [0], range(5), range(3), range(3)))
    order = np.random.default_rng(1).permutation(len(near))
    short = [dict(q, epochs=2) for q in history([*varied(10), *(near[i] for i in order[:40])])]
    best = [dict(q, epochs=None) for q in short[10:] if q["architecture"]["d"] < 2]
    assert variety([*short, *best])[:26].min() > 1.15 > variety([*short, *best]).min()
    assert diagnosed([*short, *best]) == []
    # Where the short ones themselves stay at one place, it is said of which queries.
    rows = [[0, 0, 0, 0, a, b] for a, b in itertools.product(range(5), repeat=2)]
    stuck = [dict(query, epochs=2) for query in history([*varied(10), *rows])]
    full = [dict(query, epochs=None) for query in history(varied(4))]
    [found] = diagnose([*full, *stuck], objective="val", initial=14)
    assert found.finding.startswith("queries 15 to 34 ")


def test_a_space_of_few_architectures_can_not_collapse() -> None:
    """Thirty of 300 names: each differs from every other in a single choice."""
    rng = np.random.default_rng(0)
    one = np.pad(rng.permutation(300)[:40, None], ((0, 0), (0, 5)))
    assert diagnosed(history(one)) == []
    two = np.pad(rng.integers(0, (5, 6), size=(40, 2)), ((0, 0), (0, 4)))
    assert diagnosed(history(two)) == []


def test_variety_is_that_of_uniform_options_and_zero_for_one_architecture() -> None:
    even = [[i % 5] * len(NAMES) for i in range(2 * WINDOW)]
    assert variety(history(even)) == pytest.approx(6 * math.log(5) / math.log(WINDOW))
    course = variety(history([*even, *[[0] * len(NAMES)] * WINDOW]))
    assert len(course) == 2 * WINDOW + 1
    assert course[-1] == 0
    assert len(variety(history(even[: WINDOW - 1]))) == 0
    # As alike as different ones can be: one choice has an option for each.
    alike = [[i, 0, 0, 0, 0, 0] for i in range(WINDOW)]
    assert variety(history(alike)) == pytest.approx(1)


@pytest.mark.parametrize(("sign", "kinds"), [(1, []), (-1, ["proxy-reality gap"])])
def test_a_proxy_that_is_wrong_about_the_last_rounds(sign: int, kinds: list[str]) -> None:
    values = varied(70).sum(axis=1)
    # Right in the first ones, whatever follows: only the last rounds count.
    predicted = np.where(np.arange(70) < 30, values, sign * values)
    assert diagnosed(history(varied(70), values, predicted)) == kinds


def test_a_gap_needs_enough_predictions() -> None:
    values = np.random.default_rng(1).normal(size=45)
    assert diagnosed(history(varied(45), values, -values)) == []
    assert diagnosed(history(varied(90), np.ones(90), np.arange(90))) == []  # Nothing to rank.


def test_correlation_leaves_out_what_failed_or_was_not_predicted() -> None:
    queries = history(varied(6), [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, None, 0])
    queries[5]["metrics"] = None
    correlation, count = rank_correlation(queries, "val")
    assert (correlation, count) == (pytest.approx(1), 4)
    assert np.isnan(rank_correlation(queries[:2], "val")[0])


def test_correlation_is_that_within_a_fidelity() -> None:
    """Short trainings are worse, and expected to be: among themselves nothing is foreseen."""
    noise = np.random.default_rng(2).normal(size=(2, 60))
    level = np.where(np.arange(60) < 40, 0.0, 50.0)
    queries = history(varied(60), *(noise + level))
    for query in queries[:40]:
        query["epochs"] = 2
    correlation, count = rank_correlation(queries, "val")
    assert count == 40
    assert correlation < 0.4


@pytest.mark.parametrize(("broken", "kinds"), [(16, []), (17, ["constraint"])])
def test_a_limit_that_most_of_the_last_queries_break(broken: int, kinds: list[str]) -> None:
    cost = [1.0] * (20 - broken) + [9.0] * broken
    queries = history(varied(50), cost=[9.0] * 10 + [1.0] * 20 + cost)
    found = diagnose(queries, objective="val", constraints=["cost <= 5"], initial=10)
    assert [d.kind for d in found] == kinds
    for diagnosis in found:
        assert diagnosis.finding == (
            "17 of the last 20 results break cost <= 5; 23 of all 50 keep it"
        )
        assert "smaller cost" in diagnosis.remedy


def test_a_limit_that_random_architectures_break_is_judged_by_the_others() -> None:
    queries = history(varied(29), cost=[*[9.0] * 10, *[9.0, 9.0, 1.0] * 6, 9.0])
    assert diagnosed(queries, constraints=["cost <= 5"]) == []
    assert diagnosed(history(varied(29), cost=[9.0] * 29), constraints=["cost <= 5"]) == [
        "constraint"
    ]


def test_of_several_evaluations_the_means_are_judged() -> None:
    queries = history(varied(30), cost=[1.0] * 30)
    for query in queries:
        query["repeats"] = [{"val": 0.0, "cost": 10.0}, None]
    assert diagnosed(queries, constraints=["cost <= 5"]) == ["constraint"]
    assert diagnosed(queries, constraints=["cost <= 6"]) == []


def test_a_limit_that_nothing_keeps_tells_the_nearest() -> None:
    queries = history(varied(30), cost=[1.0] * 10 + [9.0] * 19 + [7.5])
    [found] = diagnose(queries, objective="val", constraints=["cost >= 10"], initial=10)
    assert found.finding == (
        "20 of the last 20 results break cost >= 10; the nearest to it in the whole search is 9"
    )
    assert "larger cost" in found.remedy
    assert diagnosed(queries[:19], constraints=["cost >= 10"]) == []  # Too few to say.


def test_bad_arguments_are_reported() -> None:
    with pytest.raises(InvalidValueError, match="max or min"):
        diagnose([], objective="val", direction="up")


def noisy(count: int, *, level: float, seed: int = 0) -> list[Any]:
    """Queries whose values follow their options by so much, else are noise; wrongly predicted."""
    rng = np.random.default_rng(seed)
    rows = varied(count, seed)
    values = level * rows.sum(axis=1) + rng.normal(size=count)
    return history(rows, values, -values)


@pytest.mark.parametrize("seed", range(5))
def test_values_that_differ_by_noise_alone_show_no_gap(seed: int) -> None:
    """No proxy could predict them, however wrong this one was."""
    assert rank_correlation(noisy(70, level=0, seed=seed), "val")[0] == pytest.approx(-1)
    assert diagnosed(noisy(70, level=0, seed=seed)) == []
    assert diagnosed(noisy(70, level=1, seed=seed)) == ["proxy-reality gap"]


@pytest.mark.parametrize("inactive", [False, True])
def test_a_gap_is_seen_in_numbers_of_a_range(inactive: bool) -> None:
    rates = 10 ** np.random.default_rng(0).uniform(-5, -1, size=70)
    values = -np.abs(np.log10(rates) + 3)
    queries = history(varied(70), values, -values)
    for query, rate in zip(queries, rates.tolist(), strict=True):
        off = inactive and query["query"] % 5 == 0
        query["architecture"] = {"rate": None if off else rate, "depth": 2, "norm": None}
    [found] = diagnose(queries, objective="val", initial=10)
    assert found.kind == "proxy-reality gap"
    assert "rank correlation of -1.00" in found.finding


def settled(others: float) -> list[Any]:
    """Ten random queries, then 25 that differ in two of six choices alone.

    `others`: how often the random ones have another option in the four other choices.
    """
    rng = np.random.default_rng(0)
    first = varied(10)
    first[:, :4] *= rng.random((10, 4)) < others
    rest = [[0, 0, 0, 0, a, b] for a, b in itertools.product(range(5), repeat=2)]
    return history([*first, *rest])


def test_what_tight_limits_leave_is_no_collapse() -> None:
    """Random architectures that keep the limits are as much alike as the proposals."""
    assert diagnosed(settled(others=1)) == ["mode collapse"]
    assert diagnosed(settled(others=0.1)) == []
    # What breaks a limit says nothing of what the limits leave, and a single one says too little.
    queries = settled(others=1)
    for query in queries[:9]:
        query["feasible"] = False
    assert diagnosed(queries) == []
    assert diagnosed(queries[9:], initial=1) == []
