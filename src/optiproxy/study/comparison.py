"""Methods compared over seeds: every search in parallel, each finished one kept."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy.errors import StudyError, invalid
from optiproxy.search import METHODS
from optiproxy.study import _worker
from optiproxy.study._cells import Cell, compute, whole
from optiproxy.study._pool import thread_limits
from optiproxy.study._statistics import HIT, bootstrap_interval, budgets, mean_std
from optiproxy.study.study import check_count
from optiproxy.tasks import Task, load


@dataclass(frozen=True)
class SummaryRow:
    """A task and a method at a budget, over all seeds.

    Attributes:
        mean: Of the best feasible value of the first objective; NaN where a seed has none.
        std: Its sample standard deviation.
        ci_low: Lower end of the mean's 95 % bootstrap interval.
        ci_high: Upper end.
        regret: Mean distance of the best from the optimum, in the metric's unit; NaN if unknown.
        hit_rate: Part of the seeds that found the optimum, 0…1; NaN if it is unknown.
        seconds: Mean time that the method took to propose, for one search up to this budget.
    """

    task: str
    method: str
    budget: int
    seeds: int
    mean: float
    std: float
    ci_low: float
    ci_high: float
    regret: float
    hit_rate: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: one row a query, and a summary of it."""

    results: pa.Table
    summary: list[SummaryRow]


def compare(
    tasks: Sequence[Task | str],
    methods: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seeds: int = 20,
    first_seed: int = 0,
    budget: int = 100,
    workers: int = 1,
    callback: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Searches each task by each method with each seed.

    Finished searches are kept in ``OUT/cells``; the same call again, after an interruption or with
    more seeds, computes what is missing. The numbers do not depend on `workers`: each search runs
    in a worker process of one thread, also when there is only one.

    Args:
        tasks: What is searched: tasks, or what `optiproxy.tasks.load` finds them by.
        methods: Names, such as ``"optiproxy"`` and ``"random"``.
        out: A folder, made where it is missing. It gets ``results.parquet`` (one row a query) and
            ``summary.csv`` (one row per task, method and budget: a quarter, a half, all of it).
        seeds: How many.
        first_seed: The first of them; the others follow.
        budget: Queries of a search.
        workers: How many searches run at once.
        callback: Called after each search with how many are finished, and how many there are.

    Raises:
        InvalidValueError: An argument can't be used; nothing was run.
        DataError: A task's data are missing or broken; nothing was run.
        StudyError: A worker died; what is finished is kept.
    """
    loaded = [load(task) if isinstance(task, str) else task for task in tasks]
    _check(loaded, methods, seeds, first_seed, budget, workers)
    for task in loaded:
        task.prepare()
    folder = Path(out)
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    cells = [
        Cell(task, method, seed, budget)
        for task in loaded
        for method in methods
        for seed in range(first_seed, first_seed + seeds)
    ]
    files = {cell.file(folder / "cells"): cell for cell in cells}
    missing = {path: cell for path, cell in files.items() if not path.exists()}
    done = len(files) - len(missing)
    for _ in _computed(missing, workers):
        done += 1
        if callback is not None:
            callback(done, len(files))
    tables = [pq.read_table(path) for path in files]
    results = pa.concat_tables(tables, promote_options="default")
    # Cells stand in the order task, method, seed.
    groups = [(cells[i], tables[i : i + seeds]) for i in range(0, len(cells), seeds)]
    summary = [row for cell, group in groups for row in _summary(cell, group)]
    with whole(folder / "results.parquet") as unfinished:
        pq.write_table(results, unfinished)
    with whole(folder / "summary.csv") as unfinished:
        _write_csv(summary, unfinished)
    return Comparison(results, summary)


def _check(
    tasks: Sequence[Task],
    methods: Sequence[str],
    seeds: int,
    first_seed: int,
    budget: int,
    workers: int,
) -> None:
    for kind, names in (("tasks", [task.name for task in tasks]), ("methods", list(methods))):
        if not names or len(set(names)) < len(names):
            raise invalid(kind, names, "give at least one, and each once")
    for method in methods:
        METHODS.get(method)
    for field, value in (("seeds", seeds), ("budget", budget), ("workers", workers)):
        check_count(field, value)
    if isinstance(first_seed, bool) or not isinstance(first_seed, int) or first_seed < 0:
        raise invalid("first seed", first_seed, "give a whole number of 0 or more")


def _computed(missing: dict[Path, Cell], workers: int) -> Iterator[Path]:
    """Computes the missing cells; each one's path when it is there."""
    if not missing:
        return
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(
        min(workers, len(missing)),
        initializer=_worker.attend,
        initargs=(os.getpid(),),
        env=thread_limits(1),
    )
    finished = False
    try:
        futures = {executor.submit(compute, cell, path): path for path, cell in missing.items()}
        for future in as_completed(futures):
            future.result()
            yield futures[future]
        finished = True
    except BrokenExecutor as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            f"compare: a worker process died ({reason}); run again: what is finished is kept"
        ) from None
    finally:
        executor.shutdown(wait=True, kill_workers=not finished)


def _summary(cell: Cell, tables: Sequence[pa.Table]) -> Iterator[SummaryRow]:
    """The rows of a task and a method; `cell` is one of theirs, `tables` has one of each seed."""
    for limit in budgets(cell.budget):
        ends = [_end(table, limit) for table in tables]
        best, regret, seconds = (np.array(column) for column in zip(*ends, strict=True))
        mean, std = mean_std(best)
        low, high = bootstrap_interval(best)
        hits = np.where(np.isnan(regret), np.nan, regret <= HIT)
        yield SummaryRow(
            cell.task.name, cell.method, limit, len(tables), mean, std, low, high,
            mean_std(regret)[0], mean_std(hits)[0], mean_std(seconds)[0],
        )  # fmt: skip


def _end(table: pa.Table, limit: int) -> tuple[float, float, float]:
    """Best, regret and the optimiser's seconds after `limit` queries, or after all there are."""
    head = table.slice(0, limit)
    if not head.num_rows:
        return math.nan, math.nan, 0.0
    last = head.num_rows - 1
    seconds = float(np.sum(np.asarray(head["optimizer_seconds"])))
    return head["best"][last].as_py(), head["regret"][last].as_py(), seconds


def _write_csv(summary: Sequence[SummaryRow], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(SummaryRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in summary)
