"""What is said of a table of results, against figures worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from optiproxy import report
from optiproxy.errors import InvalidValueError
from optiproxy.report.significance import critical_difference

NAMES = ("task", "method", "seed", "query", "best", "regret", "optimizer_seconds")
Courses = Mapping[tuple[str, str], Sequence[Sequence[float]]]


def _table(
    courses: Courses, optimum: float | None = None, sign: float = 1.0
) -> dict[str, list[Any]]:
    """A table of running bests, one list a seed; each query takes a second."""
    regret = (lambda best: math.nan) if optimum is None else (lambda b: sign * (optimum - b))
    rows = [
        (task, method, seed, query, best, regret(best), 1.0)
        for (task, method), seeds in courses.items()
        for seed, bests in enumerate(seeds)
        for query, best in enumerate(bests, start=1)
    ]
    return {name: [row[i] for row in rows] for i, name in enumerate(NAMES)}


def _ends(values: Sequence[float]) -> list[list[float]]:
    return [[value] for value in values]


def test_summary_by_hand() -> None:
    nan = math.nan
    courses = {("t", "m"): [[90, 99.92, 99.92, 100], [90, 90, 99.92, 99.92], [nan, 80, 80, 80]]}
    rows = report.analyse(_table(courses, 100), [1, 2, 3, 4]).summary
    assert [row.budget for row in rows] == [1, 2, 3, 4]
    assert math.isnan(rows[0].mean)  # One seed has nothing yet: no mean of the lucky two.
    assert math.isnan(rows[0].regret)
    assert rows[0].hit_rate == 0
    assert rows[1].mean == pytest.approx((99.92 + 90 + 80) / 3)
    last = rows[3]
    assert (last.task, last.method, last.seeds, last.seconds) == ("t", "m", 3, 4)
    assert last.std == pytest.approx(np.std([100, 99.92, 80], ddof=1))
    assert last.regret == pytest.approx((0 + 0.08 + 20) / 3)
    assert 80 <= last.ci_low < last.mean < last.ci_high <= 100
    assert last.hit_rate == pytest.approx(1 / 3)
    # Two of three miss the optimum; within 0.1 of it are two after 3 queries, one after 2.
    assert last.queries_to_optimum == math.inf
    assert [row.queries_to_near_optimum for row in rows] == [math.inf, math.inf, 3, 3]


def test_near_is_relative_to_the_optimum_and_minimising_is_reported() -> None:
    """0.1 % of an optimum of 5 is 0.005; read with the wrong sign it would be 12 or so."""
    table = _table({("t", "m"): [[9, 5.008, 5.004], [8, 5.01, 5.008]]}, 5.0, sign=-1.0)
    rows = report.analyse(table, [2, 3], directions={"t": "min"}).summary
    assert rows[1].regret == pytest.approx(0.006)
    assert [row.queries_to_near_optimum for row in rows] == [math.inf, 3]


def test_an_unknown_optimum_is_reported_from_a_missed_one() -> None:
    [row] = report.analyse(_table({("t", "m"): [[1], [2]]}), [1]).summary
    unknown = (row.regret, row.hit_rate, row.queries_to_optimum, row.queries_to_near_optimum)
    assert all(map(math.isnan, unknown))
    assert row.mean == 1.5


def test_a_search_that_ended_early_keeps_what_it_had() -> None:
    courses = {("t", "m"): [[1, 2], [3, 4, 5, 6]]}
    [row] = report.analyse(_table(courses, 6), [4]).summary
    assert row.mean == (2 + 6) / 2
    assert row.seconds == (2 + 4) / 2
    assert row.hit_rate == 0.5


def test_differences_by_hand() -> None:
    """Six seeds, better on all: 2 of 64 signs. Worse on all the same. A third method is equal."""
    ours = [10, 20, 30, 40, 50, 60]
    courses = {
        ("t", "ours"): _ends(ours),
        ("t", "low"): _ends([value - i - 1 for i, value in enumerate(ours)]),
        ("t", "high"): _ends([value + i + 1 for i, value in enumerate(ours)]),
        ("t", "same"): _ends(ours),
    }
    rows = report.analyse(_table(courses), [1]).differences
    assert [(row.task, row.method_a, row.method_b, row.n) for row in rows] == [
        ("t", "ours", other, 6) for other in ("low", "high", "same")
    ]
    assert [row.mean_difference for row in rows] == pytest.approx([3.5, -3.5, 0])
    assert [row.p for row in rows] == pytest.approx([2 / 64, 2 / 64, 1])
    # Three comparisons: no longer significant.
    assert [row.p_holm for row in rows] == pytest.approx([6 / 64, 6 / 64, 1])
    assert {row.verdict for row in rows} == {"not separated"}
    # Two tasks: the comparisons of each and of both together are one family of nine, and 12 pairs
    # on one side are 2 of 4096 signs.
    both = {(task, m): value for (_, m), value in courses.items() for task in ("t", "u")}
    rows = report.analyse(_table(both), [1]).differences
    assert [row.task for row in rows] == ["t", "u", "all"] * 3
    found = {(row.task, row.method_b): row for row in rows}
    assert found["all", "low"].p == pytest.approx(2 / 4096)
    assert found["all", "low"].n == 12
    assert found["all", "low"].p_holm == pytest.approx(9 * 2 / 4096)
    assert found["all", "high"].p_holm == pytest.approx(9 * 2 / 4096)  # 8 times, but not less.
    verdicts = [found["all", other].verdict for other in ("low", "high", "same")]
    assert verdicts == ["better", "worse", "not separated"]
    assert found["t", "low"].verdict == "not separated"


def test_each_budget_is_a_family_of_its_own() -> None:
    seeds = [[value, value] for value in range(10, 17)]
    lower = [[value, value - 1 - value / 10] for value in range(10, 17)]
    rows = report.analyse(_table({("t", "a"): seeds, ("t", "b"): lower}), [1, 2]).differences
    assert [row.p for row in rows] == pytest.approx([1, 2 / 128])
    assert [row.p_holm for row in rows] == [row.p for row in rows]
    assert [row.verdict for row in rows] == ["not separated", "better"]


def test_smaller_is_better_where_it_is_said() -> None:
    seven = range(1, 8)
    table = _table({("t", "a"): _ends(seven), ("t", "b"): _ends([2.5 * v for v in seven])})
    [row] = report.analyse(table, [1]).differences
    assert row.verdict == "worse"
    said = report.analyse(table, [1], directions={"t": "min"})
    [row] = said.differences
    assert row.verdict == "better"
    assert row.mean_difference == pytest.approx(1.5 * 4)
    assert [rank.method for rank in said.ranks] == ["a", "b"]


def test_the_verdict_is_that_of_the_test_and_not_of_the_mean() -> None:
    """Better by little on 11 seeds, worse by much on one: ranks 66 against 12."""
    gains = [*(0.01 * i for i in range(1, 12)), -100.0]
    table = _table({("t", "a"): _ends(gains), ("t", "b"): _ends([0.0] * 12)})
    [row] = report.analyse(table, [1]).differences
    assert row.mean_difference < 0
    assert row.p == pytest.approx(stats.wilcoxon(gains, method="exact").pvalue)
    assert row.verdict == "better"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-12, 1e-3, 1e15])
def test_nothing_depends_on_the_unit_of_a_metric(unit: float) -> None:
    bests = {
        ("t", "a"): [90.1, 73.5, 100.0, 91.2, 88.0, 95.5, 99.7, 98.0],
        ("t", "b"): [90.0, 73.4, 99.9, 91.2, 87.0, 95.0, 100.0, 60.0],
    }
    expected = report.analyse(_table({k: _ends(v) for k, v in bests.items()}, 100.0), [1])
    scaled = {key: _ends([unit * best for best in ends]) for key, ends in bests.items()}
    said = report.analyse(_table(scaled, unit * 100.0), [1])
    assert [row.hit_rate for row in said.summary] == [1 / 8, 1 / 8]
    for row, other in zip(said.differences, expected.differences, strict=True):
        assert (row.p, row.verdict) == (other.p, other.verdict)
        assert row.mean_difference == pytest.approx(unit * other.mean_difference)
    assert [row.mean_rank for row in said.ranks] == [row.mean_rank for row in expected.ranks]


def test_a_seed_without_anything_feasible_is_the_worst() -> None:
    values = [5.0, 4.0, 3.0, 2.0, 6.0, 7.0]
    table = _table({("t", "a"): _ends(values), ("t", "b"): _ends([*values[:5], math.nan])})
    said = report.analyse(table, [1])
    [row] = said.differences
    assert math.isnan(row.mean_difference)
    assert row.p == 1  # One difference, of either sign.
    assert [rank.mean_rank for rank in said.ranks] == pytest.approx([17 / 12, 19 / 12])
    # Where neither has anything there is no difference.
    table = _table({("t", "a"): _ends([math.nan, 5, 4]), ("t", "b"): _ends([math.nan, 4, 2])})
    [row] = report.analyse(table, [1]).differences
    assert (row.mean_difference, row.n) == (1, 3)
    table = _table({("t", "a"): _ends([math.nan] * 3), ("t", "b"): _ends([math.nan] * 3)})
    [row] = report.analyse(table, [1]).differences
    assert (row.p, row.verdict) == (1, "not separated")


def test_a_loss_that_diverged_hides_no_difference() -> None:
    far = 1e10
    losses = {
        ("t", "a"): [[far, far, far, 0.34], [far, far, far, 0.30]],
        ("t", "b"): [[far, far, far, 0.10], [far, far, far, 0.10]],
    }
    said = report.analyse(_table(losses, optimum=0.1, sign=-1.0), [4], directions={"t": "min"})
    assert [row.hit_rate for row in said.summary] == [0.0, 1.0]
    assert [row.queries_to_optimum for row in said.summary] == [math.inf, 4.0]
    assert [(row.method, row.mean_rank) for row in said.ranks] == [("b", 1.0), ("a", 2.0)]


def test_pairs_are_the_seeds_that_both_have() -> None:
    table = _table({("t", "a"): _ends([1, 2, 3, 4]), ("t", "b"): _ends([0, 1])})
    said = report.analyse(table, [1])
    assert [row.n for row in said.differences] == [2]
    assert {row.blocks for row in said.ranks} == {2}


def test_ranks_by_hand() -> None:
    """Blocks (a, b, c): ranks 1 2 3; 1.5 1.5 3; 2 1 3; 3 1.5 1.5."""
    courses = {
        ("t", "a"): _ends([9, 5, 5]), ("t", "b"): _ends([8, 5, 6]), ("t", "c"): _ends([1, 2, 3]),
        ("u", "a"): _ends([0.1]), ("u", "b"): _ends([0.2]), ("u", "c"): _ends([0.2]),
        # A task on which a method is missing is no block.
        ("v", "a"): _ends([7]), ("v", "b"): _ends([8]),
    }  # fmt: skip
    rows = report.analyse(_table(courses), [1]).ranks
    assert [(row.method, row.blocks) for row in rows] == [("b", 4), ("a", 4), ("c", 4)]
    assert [row.mean_rank for row in rows] == pytest.approx([6 / 4, 7.5 / 4, 10.5 / 4])
    assert {row.critical_difference for row in rows} == {critical_difference(3, 4)}
    assert len({row.friedman_p for row in rows}) == 1


def test_one_method_has_nothing_to_be_compared_with() -> None:
    said = report.analyse(_table({("t", "m"): [[1], [2]]}), [1])
    assert said.differences == said.ranks == []


def test_order_of_rows_and_kind_of_table_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    courses = {
        (task, method): np.maximum.accumulate(rng.normal(size=(6, 8)), axis=1).tolist()
        for task in "tu"
        for method in "abc"
    }
    table = _table(courses, 5)
    said = report.analyse(table, [4, 8])
    # The first row says which method is compared with the others: it stays.
    order = [0, *(1 + rng.permutation(len(table["seed"]) - 1))]
    shuffled = {name: [column[i] for i in order] for name, column in table.items()}
    again = report.analyse(shuffled, [4, 8])
    assert set(again.summary) == set(said.summary)
    assert report.analyse(pa.table(table), [4, 8]) == said
    assert report.analyse(pa.table(table).to_pandas(), [4, 8]) == said


def test_bad_tables_are_reported() -> None:
    table = _table({("t", "m"): [[1], [2]]})
    with pytest.raises(InvalidValueError, match=r"no column 'optimizer_seconds'"):
        report.analyse({k: v for k, v in table.items() if k != "optimizer_seconds"}, [1])
    with pytest.raises(InvalidValueError, match=r"a query twice \(task t, method m\)"):
        report.analyse({name: column * 2 for name, column in table.items()}, [1])
    with pytest.raises(InvalidValueError, match=r"'t': 'down'.*max or min"):
        report.analyse(table, [1], directions={"t": "down"})
    with pytest.raises(InvalidValueError, match=r"directions"):
        report.analyse(table, [1], directions={"u": "min"})


def test_reported_metrics_are_those_of_the_best_architecture() -> None:
    table = _table({("t", "m"): [[1, 1, 3], [math.nan, 2, 2]], ("u", "m"): [[1], [1]]})
    table["test"] = [10.0, 99.0, 30.0, 99.0, 20.0, 99.0, None, None]
    rows = report.analyse(table, [1, 2, 3], reported={"t": ["test"]}).summary
    assert [row.reported for row in rows[3:]] == [{}, {}, {}]
    assert math.isnan(rows[0].reported["test"][0])  # Seed 1 has no feasible query yet.
    assert [row.reported["test"][0] for row in rows[1:3]] == [15, 25]
    assert rows[2].reported["test"][1] == pytest.approx(np.std([30, 20], ddof=1))


def test_budgets_may_be_what_the_queries_cost() -> None:
    """Seed 0 pays 10 a query, seed 1 pays 4; a query that costs nothing adds to the one before."""
    table = _table({("t", "m"): [[1, 2, 3], [4, 5, 6]]})
    table["spent"] = [10.0, 20.0, 20.0, 4.0, 8.0, 12.0]
    rows = report.analyse(table, [5, 12, 20], by="spent").summary
    assert math.isnan(rows[0].mean)  # Nothing costs so little for seed 0.
    assert [row.mean for row in rows[1:]] == [(1 + 6) / 2, (3 + 6) / 2]
    assert [row.seconds for row in rows] == [(0 + 1) / 2, (1 + 3) / 2, 3]


def test_ranks_by_task_have_a_block_a_task() -> None:
    """Two seeds of three favour `a` on task t, but `b` has the better mean; `b` wins on u."""
    courses = {
        ("t", "a"): _ends([2, 2, 0]), ("t", "b"): _ends([1, 1, 9]),
        ("u", "a"): _ends([0]), ("u", "b"): _ends([1]),
    }  # fmt: skip
    rows = {row.method: row for row in report.analyse(_table(courses), [1]).ranks}
    assert (rows["a"].blocks, rows["a"].mean_rank) == (4, 1.5)
    assert (rows["a"].tasks, rows["a"].mean_rank_by_task) == (2, 2)
    assert rows["b"].critical_difference_by_task == critical_difference(2, 2)
    alone = report.analyse(_table({key: courses[key] for key in list(courses)[:2]}), [1]).ranks
    assert alone[0].tasks == 1
    assert math.isnan(alone[0].friedman_p_by_task)
