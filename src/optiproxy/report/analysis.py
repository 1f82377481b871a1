"""Analysis of a comparison: a summary, tests between methods, and ranks over all tasks.

References:
    Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid
from optiproxy.metrics import DIRECTIONS
from optiproxy.report._courses import Course, Table, read
from optiproxy.report.significance import (
    ALPHA,
    critical_difference,
    friedman,
    holm,
    midranks,
    signed_rank,
)
from optiproxy.report.statistics import HIT, NEAR, bootstrap_interval, mean_std, median_queries

#: The name of all tasks together.
ALL = "all"

BETTER, WORSE, NOT_SEPARATED = "better", "worse", "not separated"


@dataclass(frozen=True)
class SummaryRow:
    """A task and a method at a budget, over all seeds.

    Attributes:
        mean: Mean of the best feasible value of the objective, NaN where a seed has none; of
            several objectives that of the share of the hypervolume.
        std: Its sample standard deviation; that of the regret is the same.
        ci_low: Lower end of the mean's 95 % bootstrap interval.
        ci_high: Upper end.
        regret: Mean distance of the best from the optimum, in the metric's unit; NaN if unknown.
        hit_rate: Part of the seeds that found the optimum, 0…1; NaN if it is unknown.
        seconds: Mean time that the method took to propose, for one search up to this budget.
        queries_to_optimum: After how many queries half of the seeds had found the optimum; infinite
            when more than half missed it within the budget, NaN if it is unknown.
        queries_to_near_optimum: The same for a regret of at most 0.1 % of the optimum's value.
        reported: Metric that is only reported → its mean and sample standard deviation, of the
            architecture that has the best value on each seed.
    """

    task: str
    method: str
    budget: float
    seeds: int
    mean: float
    std: float
    ci_low: float
    ci_high: float
    regret: float
    hit_rate: float
    seconds: float
    queries_to_optimum: float
    queries_to_near_optimum: float
    reported: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class DifferenceRow:
    """The first method against another one at a budget, on the seeds that both have.

    Attributes:
        task: Its name, or ``all``: the tasks as strata of one test. That one speaks of new seeds on
            these tasks; no number of seeds tells what other tasks would give.
        method_a: The first method.
        method_b: The other one.
        n: Pairs: seeds, or tasks times seeds.
        mean_difference: By how much `method_a` is better, in the metric's unit: the mean regret of
            `method_b` minus its own. NaN where one of the two has no feasible value on some seed.
            For ``all`` it is the mean over the pairs: it needs tasks that share a unit.
        p: Of the signed-rank test, two-sided and exact.
        p_holm: Corrected for all comparisons of this budget.
        verdict: Of `method_a`, at the level of 5 % after the correction: ``better``, ``worse`` or
            ``not separated``.
    """

    task: str
    budget: float
    method_a: str
    method_b: str
    n: int
    mean_difference: float
    p: float
    p_holm: float
    verdict: str


@dataclass(frozen=True)
class RankRow:
    """A method among all of them at a budget, ranked in each block of a task and a seed.

    Attributes:
        blocks: How many: tasks times seeds, of the tasks on which every method was run.
        mean_rank: 1 is the best; tied methods share their mean.
        friedman_p: Of the test that all methods are alike; the same for all methods of a budget.
        critical_difference: How far two mean ranks must lie apart to differ at the level of 5 %
            (Nemenyi's test); the same for all methods of a budget.
        tasks: The number of blocks where each task is one, by its mean over the seeds: what holds
            for other tasks is shown by these alone.
        mean_rank_by_task: The mean rank in these blocks; NaN with fewer than two, as the next two.
        friedman_p_by_task: Of the same test.
        critical_difference_by_task: Of the same test.
    """

    budget: float
    method: str
    blocks: int
    mean_rank: float
    friedman_p: float
    critical_difference: float
    tasks: int = 0
    mean_rank_by_task: float = math.nan
    friedman_p_by_task: float = math.nan
    critical_difference_by_task: float = math.nan


@dataclass(frozen=True)
class Analysis:
    """The analysis of a table of results."""

    summary: list[SummaryRow]
    differences: list[DifferenceRow]
    ranks: list[RankRow]


def analyse(
    table: Table,
    budgets: Sequence[float],
    *,
    directions: Mapping[str, str] | None = None,
    reported: Mapping[str, Sequence[str]] = MappingProxyType({}),
    by: str = "query",
) -> Analysis:
    """The summary, the tests of the first method against the others, and the ranks of all.

    Args:
        table: Columns ``task, method, seed, query, best, regret, optimizer_seconds``, one row a
            query, as in the ``results.parquet`` of ``optiproxy compare``. The method of its first
            row is the one that is compared with the others.
        budgets: Numbers of queries at which the methods are compared.
        directions: ``"min"`` for each task whose first objective is to be minimised; the others
            are maximised.
        reported: Task → the columns of its metrics that are only reported.
        by: The column that `budgets` refer to: the number of queries, or what they cost together.

    Raises:
        InvalidValueError: A column is missing, there is no row, a query is there twice; a direction
            that is neither max nor min, or of a task that is not in the table.
    """
    tasks = read(table, seconds=True, reported=reported, by=by)
    signs = dict.fromkeys(tasks, 1.0)
    for task, direction in (directions or {}).items():
        if task not in tasks or direction not in DIRECTIONS:
            raise invalid("directions", {task: direction}, "give max or min, of tasks of the table")
        signs[task] = DIRECTIONS[direction]
    methods = list(dict.fromkeys(method for courses in tasks.values() for method in courses))
    units = {task: _unit(courses, signs[task]) for task, courses in tasks.items()}
    summary = [
        _summary(task, method, budget, course, units[task], _optimum(courses, signs[task]))
        for task, courses in tasks.items()
        for method, course in courses.items()
        for budget in budgets
    ]
    scores = [
        {
            task: {
                method: _scores(course, budget, signs[task], units[task])
                for method, course in own.items()
            }
            for task, own in tasks.items()
        }
        for budget in budgets
    ]
    differences = [
        row
        for budget, at in zip(budgets, scores, strict=True)
        for row in _corrected(list(_differences(at, methods, budget, units)))
    ]
    ranks = [
        row
        for budget, at in zip(budgets, scores, strict=True)
        for row in _ranks(at, methods, budget)
    ]
    return Analysis(summary, differences, ranks)


def _summary(
    task: str, method: str, budget: float, course: Course, unit: float, optimum: float
) -> SummaryRow:
    until = course.until(budget)
    if not len(until.queries):
        nothing = (math.nan,) * 9
        empty = dict.fromkeys(course.reported, (math.nan, math.nan))
        return SummaryRow(task, method, budget, len(course.seeds), *nothing, reported=empty)
    best = until.best[:, -1]
    mean, std = mean_std(best)
    low, high = bootstrap_interval(best)
    rate = to_optimum = to_near = math.nan
    if not math.isnan(optimum):
        # A seed without a feasible query has a regret of NaN and has reached nothing.
        found = until.regret <= HIT * unit
        rate = float(found[:, -1].mean())
        to_optimum = median_queries(found, until.queries)
        near = until.regret <= NEAR * abs(optimum) + HIT * unit
        to_near = median_queries(near, until.queries)
    return SummaryRow(
        task,
        method,
        budget,
        seeds=len(best),
        mean=float(mean),
        std=float(std),
        ci_low=float(low),
        ci_high=float(high),
        regret=float(mean_std(until.regret[:, -1])[0]),
        hit_rate=rate,
        seconds=float(until.seconds[:, -1].mean()),
        queries_to_optimum=to_optimum,
        queries_to_near_optimum=to_near,
        reported={
            name: (float(mean), float(std))
            for name, values in until.reported.items()
            for mean, std in [mean_std(values[:, -1])]
        },
    )


def _optimum(courses: Mapping[str, Course], sign: float) -> float:
    """The reference value of a task's regrets; NaN if it is unknown."""
    best = np.concatenate([course.best.ravel() for course in courses.values()])
    regret = np.concatenate([course.regret.ravel() for course in courses.values()])
    known = np.isfinite(best) & np.isfinite(regret)
    if not known.any():
        return math.nan
    # Of the nearest: far from it the sum loses its digits.
    nearest = regret[known].argmin()
    return float(best[known][nearest] + sign * regret[known][nearest])


def _unit(courses: Mapping[str, Course], sign: float) -> float:
    """The scale of rounding errors, so that no verdict depends on a metric's unit.

    It is the size of the best value of all, or of others where that is 0, rounded to the next power
    of two, by which dividing is exact.

    A single diverged loss does not affect it.
    """
    values = np.concatenate([course.best.ravel() for course in courses.values()])
    known = values[np.isfinite(values)]
    if not len(known):
        return 1.0
    others = np.abs(known[known != 0])
    size = abs(float((sign * known).max())) or (float(np.median(others)) if len(others) else 0.0)
    return math.ldexp(1.0, math.frexp(size)[1]) if size else 1.0


# The score of each seed in the unit of its task, greater is better.
_Scores = dict[int, float]


def _scores(course: Course, budget: float, sign: float, unit: float) -> _Scores:
    """The best at a budget; that of a seed without a feasible query is worse than any other."""
    until = course.until(budget)
    if not len(until.queries):
        return {}
    values = sign * until.best[:, -1] / unit
    values[np.isnan(values)] = -math.inf
    return dict(zip(course.seeds.tolist(), values.tolist(), strict=True))


def _differences(
    scores: Mapping[str, Mapping[str, _Scores]],
    methods: Sequence[str],
    budget: float,
    units: Mapping[str, float],
) -> Iterator[DifferenceRow]:
    first, *others = methods
    for other in others:
        strata = {
            task: _paired(own[first], own[other])
            for task, own in scores.items()
            if first in own and other in own
        }
        strata = {task: differences for task, differences in strata.items() if len(differences)}
        for task, differences in strata.items():
            yield _difference(task, budget, first, other, {task: differences}, units)
        if len(strata) > 1:
            yield _difference(ALL, budget, first, other, strata, units)


def _paired(one: _Scores, other: _Scores) -> NDArray[np.float64]:
    """The advantage of `one` on each seed that both have, (n,)."""
    seeds = [seed for seed in one if seed in other]
    a = np.array([one[seed] for seed in seeds])
    b = np.array([other[seed] for seed in seeds])
    # Neither has a feasible query: the difference is 0, and not -inf minus -inf.
    difference = np.zeros(len(seeds))
    np.subtract(a, b, out=difference, where=a != b)
    return difference


def _difference(
    task: str,
    budget: float,
    first: str,
    other: str,
    strata: Mapping[str, NDArray[np.float64]],
    units: Mapping[str, float],
) -> DifferenceRow:
    statistic, p = signed_rank(list(strata.values()))
    every = np.concatenate([units[task] * differences for task, differences in strata.items()])
    mean = float(mean_std(every)[0]) if np.isfinite(every).all() else math.nan
    # The verdict of a p-value that survives the correction, see `_corrected`.
    verdict = BETTER if statistic > 0 else WORSE
    return DifferenceRow(task, budget, first, other, len(every), mean, p, math.nan, verdict)


def _corrected(rows: Sequence[DifferenceRow]) -> list[DifferenceRow]:
    """The comparisons of one budget, which are one family for Holm's correction."""
    adjusted = holm([row.p for row in rows])
    return [
        replace(row, p_holm=p, verdict=row.verdict if p < ALPHA else NOT_SEPARATED)
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _ranks(
    scores: Mapping[str, Mapping[str, _Scores]], methods: Sequence[str], budget: float
) -> list[RankRow]:
    """The methods in order of mean rank; empty when there is nothing to compare."""
    shared = {
        task: [seed for seed in own[methods[0]] if all(seed in own[m] for m in methods)]
        for task, own in scores.items()
        if all(method in own for method in methods)
    }
    blocks = [[scores[t][m][s] for m in methods] for t, seeds in shared.items() for s in seeds]
    if len(methods) < 2 or not blocks:
        return []
    means = [
        [float(np.mean([scores[task][m][seed] for seed in seeds])) for m in methods]
        for task, seeds in shared.items()
        if seeds
    ]
    ranks, p, difference = _tested(blocks)
    by_task = (np.full(len(methods), math.nan), math.nan, math.nan)
    if len(means) > 1:
        by_task = _tested(means)
    rows = [
        RankRow(
            budget, method, len(blocks), float(mean), p, difference,
            len(means), float(mean_by_task), *by_task[1:],
        )
        for method, mean, mean_by_task in zip(methods, ranks, by_task[0], strict=True)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row.mean_rank)


def _tested(blocks: Sequence[Sequence[float]]) -> tuple[NDArray[np.float64], float, float]:
    """Mean ranks (k,) in blocks of scores, Friedman's p, and the critical difference."""
    ranks = midranks(-np.array(blocks))
    count, methods = ranks.shape
    return ranks.mean(axis=0), friedman(ranks), critical_difference(methods, count)
