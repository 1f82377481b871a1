"""Comparing methods over seeds: searches run in parallel, and finished ones are kept."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy._atomic_write import whole
from optiproxy.errors import invalid, unknown, whole_number
from optiproxy.metrics import parse_constraints, parse_objectives
from optiproxy.report import DifferenceRow, RankRow, SummaryRow, analyse
from optiproxy.study._method import Method
from optiproxy.study.comparison import hypervolume, labels, limits, provenance
from optiproxy.study.comparison.cells import searched
from optiproxy.study.comparison.csv_files import write_csv
from optiproxy.study.comparison.run import SECONDS, Cell, Cost, column_of
from optiproxy.tasks import Task, load

__all__ = ["Comparison", "SummaryRow", "budgets", "compare"]


# Fractions of the budget that the summary has rows for.
PARTS = (0.25, 0.5, 1.0)

# Queries of a search if none are given: of one that a cost ends, at most so many.
QUERIES, QUERIES_AT_COST = 100, 1000


@dataclass(frozen=True)
class Comparison:
    """Results of `compare`: one row a query, and their statistics.

    Attributes:
        results: The rows of ``results.parquet``.
        summary: Those of ``summary.csv``.
        differences: Those of ``tests.csv``.
        ranks: Those of ``ranks.csv``.
        references: Task → metric → its value in the reference point of the hypervolume, for tasks
            with several objectives.
        by: The column of `results` that budgets refer to: ``query``, or ``spent`` at equal cost.
        unit: Of the budgets: ``queries``, or the metric that a query costs.
        start: The first query at which a model has a say, in the method whose design is the least.
    """

    results: pa.Table
    summary: list[SummaryRow]
    differences: list[DifferenceRow]
    ranks: list[RankRow]
    references: dict[str, dict[str, float]] = field(default_factory=dict)
    by: str = "query"
    unit: str = "queries"
    start: int = 1

    def labelled(self) -> Comparison:
        """The same for readers: ``path/to/mine.py:Method`` is called ``Method``."""
        names = labels.labels(dict.fromkeys(self.results["method"].to_pylist()))
        return replace(
            self,
            results=labels.labelled_table(self.results, names),
            summary=labels.labelled_rows(self.summary, names),
            differences=labels.labelled_rows(self.differences, names),
            ranks=labels.labelled_rows(self.ranks, names),
        )


def compare(
    tasks: Sequence[Task | str],
    methods: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seeds: int = 20,
    first_seed: int = 0,
    budget: int | None = None,
    budgets: Sequence[float] | None = None,
    batch: int | None = None,
    cost: str | None = None,
    cost_budget: float | None = None,
    objectives: Mapping[str, str] | Sequence[str] | str | None = None,
    constraints: Mapping[str, str] | Sequence[str] | str | None = None,
    keep_stale: bool = False,
    workers: int = 1,
    callback: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Searches each task by each method with each seed.

    A task of one objective is judged by its best feasible value. With several objectives ``best``
    is the share of the hypervolume that a search has covered: of the front of all architectures if
    the task is a table, else of the front of all these searches together.

    A limit in percent is resolved once for each task, before any search, and kept in
    ``OUT/cells/limits.json``.

    Finished searches are kept in ``OUT/cells``; the same call again, after an interruption or with
    more seeds, computes what is missing. A search is made again if what decides it has changed: our
    version or sources, a method's or proxy's own file and package, the task's file, table or
    function. The numbers do not depend on `workers`: each search runs in a worker process of one
    thread, also when there is only one. A search that proposed nothing has one row, which is not
    feasible.

    Args:
        tasks: What is searched: tasks, or their names as `optiproxy.tasks.load` takes them.
        methods: Names, such as ``"optiproxy"`` and ``"random"``; with another model
            ``"optiproxy:gcn"``, with settings ``"optiproxy[n_init=5]"``, or your own,
            ``"path/to/mine.py:Method"``. The first one is tested against the others.
        out: A folder, created if it is missing. It gets ``results.parquet`` (one row a query),
            ``summary.csv`` (one row per task, method and budget), ``tests.csv`` (the first method
            against each other one), ``ranks.csv`` (all methods over all tasks) and ``run.json``
            (the arguments, the machine, the versions, and where and when the searches were made).
        seeds: How many.
        first_seed: The first of them; the others follow.
        budget: Queries of a search; by default the greatest of `budgets`, or 100.
        budgets: Where methods are compared, in queries or at equal cost in the cost's unit; by
            default a quarter, a half and all.
        batch: How many queries every method proposes at once; None for each method's own number.
        cost: Methods are compared at equal cost of their queries, not at equal queries: a metric
            such as ``train_seconds``, or ``seconds``, how long an evaluation takes.
        cost_budget: The cost at which a search ends; by default the greatest of `budgets`.
        objectives: Of all tasks, instead of the tasks' own.
        constraints: Of all tasks, instead of the tasks' own; ``"latency_ms<=30%"`` is another
            number on each.
        keep_stale: Whether searches of other code are kept, with a warning.
        workers: How many searches run at once.
        callback: Called after each search with how many are finished, and how many there are.

    Raises:
        InvalidValueError: An argument can't be used; nothing was run.
        DataError: A task's data are missing or broken; nothing was run.
        StudyError: A worker died; finished searches are kept.
    """
    given = [load(task) if isinstance(task, str) else task for task in tasks]
    asked = [task.replaced(objectives, constraints) for task in given]
    queries, points, price = _efforts(budget, budgets, cost, cost_budget)
    _check(asked, methods, seeds, first_seed, workers, batch, price)
    for task in asked:
        task.prepare()
    folder = Path(out)
    loaded = [limits.bounded(task, folder / "cells") for task in asked]
    for task in loaded:
        limits.check(task)
    for method in map(Method.read, methods):  # Settings that it refuses.
        for task in loaded:
            method.with_scores(task)
        method.optimizer(loaded[0], first_seed)
    limits.keep(asked, loaded, folder / "cells")
    cells = [
        Cell(task, method, seed, queries, batch, price)
        for task in loaded
        for method in methods
        for seed in range(first_seed, first_seed + seeds)
    ]
    tables = searched(
        cells, folder / "cells", keep_stale=keep_stale, workers=workers, callback=callback
    )
    searches: list[pa.Table] = []
    references: dict[str, dict[str, float]] = {}
    for task in loaded:
        own = [t for t, cell in zip(tables, cells, strict=True) if cell.task is task]
        if len(task.objectives) > 1:
            own, references[task.name] = hypervolume.judged(own, task)
        searches += own
    results = pa.concat_tables(map(provenance.unmarked, searches), promote_options="default")
    by = "query" if price is None else "spent"
    analysis = analyse(
        results,
        points,
        directions={
            task.name: "max" if task.name in references else task.objectives[0].direction
            for task in loaded
        },
        reported={
            task.name: [c for c in map(column_of, task.reported) if c in results.column_names]
            for task in loaded
            if task.name not in references
        },
        by=by,
    )
    with whole(folder / "results.parquet") as unfinished:
        pq.write_table(results, unfinished, compression="zstd")
    write_csv(folder / "summary.csv", SummaryRow, analysis.summary)
    write_csv(folder / "tests.csv", DifferenceRow, analysis.differences)
    write_csv(folder / "ranks.csv", RankRow, analysis.ranks)
    settings = {
        "seeds": seeds, "first_seed": first_seed, "budget": queries,
        "budgets": None if budgets is None else points, "batch": batch, "cost": cost,
        "cost_budget": None if price is None else price.budget, "keep_stale": keep_stale or None,
        "workers": workers,
    }  # fmt: skip
    options = {
        "objective": [o.text for o in (parse_objectives(objectives) if objectives else ())],
        "constraint": [c.text for c in parse_constraints(constraints)],
    }
    content = provenance.run(
        tasks, loaded, methods, os.fspath(out), settings, options, tables, references
    )
    with whole(folder / "run.json") as unfinished:
        provenance.write(unfinished, content)
    drawn = [n for n in provenance.random_queries(tables) if 0 < n < queries]
    return Comparison(
        results,
        analysis.summary,
        analysis.differences,
        analysis.ranks,
        references,
        by=by,
        unit=cost or "queries",
        start=1 + min(drawn, default=0) if price is None else 0,
    )


def budgets(budget: float) -> list[int]:
    """A quarter, a half and all of `budget`, rounded up, each once."""
    return sorted({math.ceil(budget * part) for part in PARTS})


def _efforts(
    budget: int | None, given: Sequence[float] | None, cost: str | None, cost_budget: float | None
) -> tuple[int, Sequence[float], Cost | None]:
    """How many queries a search has, where methods are compared, and what a query costs.

    Raises:
        InvalidValueError: One of them can't be used, or they contradict each other.
    """
    points = sorted(set(given)) if given is not None else []
    if given is not None and (not points or not 0 < points[0] <= points[-1] < math.inf):
        raise invalid("budgets", list(given), "give one number or more, greater than 0")
    if budget is not None:
        whole_number("budget", budget)
    if cost is None:
        if cost_budget is not None:
            raise invalid("cost_budget", cost_budget, "give a cost, too: the metric that it is of")
        points = [whole_number("budgets", point) for point in points]
        queries = budget or int(points[-1] if points else QUERIES)
        if points and points[-1] > queries:
            raise invalid("budgets", points, f"give none above the budget of {queries} queries")
        return queries, points or budgets(queries), None
    most = cost_budget if cost_budget is not None else (points[-1] if points else None)
    if most is None or not 0 < most < math.inf or (points and points[-1] > most):
        remedy = "give a number greater than 0, and no smaller than the greatest of budgets"
        raise invalid("cost_budget", most, remedy)
    return budget or QUERIES_AT_COST, points or [most * p for p in PARTS], Cost(cost, most)


def _check(
    tasks: Sequence[Task],
    methods: Sequence[str],
    seeds: int,
    first_seed: int,
    workers: int,
    batch: int | None,
    cost: Cost | None,
) -> None:
    for kind, names in (("tasks", [task.name for task in tasks]), ("methods", list(methods))):
        if not names or len(set(names)) < len(names):
            rename = ", with different names (Table(…, name=…))" if kind == "tasks" else ""
            raise invalid(kind, names, f"give at least one, and each once{rename}")
    for task in tasks:
        if task.low_fidelity is not None:
            # A low-fidelity training is neither a query of the budget nor a candidate for the best.
            raise invalid(
                f"tasks: {task.name}: low fidelity", task.low_fidelity, "compare full trainings"
            )
        if cost is not None and task.metrics and cost.metric not in (*task.metrics, SECONDS):
            raise unknown(f"cost: {task.name}: metric", cost.metric, (*task.metrics, SECONDS))
    for method in methods:
        Method.read(method)
    whole_number("seeds", seeds)
    whole_number("workers", workers)
    if batch is not None:
        whole_number("batch", batch)
    whole_number("first seed", first_seed, least=0)
