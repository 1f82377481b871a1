"""Comparing methods over seeds: searches run in parallel, and finished ones are kept."""

from __future__ import annotations

import csv
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy._atomic_write import whole
from optiproxy.errors import StudyError, invalid, whole_number
from optiproxy.metrics import parse_constraints, parse_objectives
from optiproxy.report import DifferenceRow, RankRow, SummaryRow, analyse
from optiproxy.study._workers import worker
from optiproxy.study._workers.threads import thread_limits
from optiproxy.study.comparison import hypervolume, limits, provenance
from optiproxy.study.comparison.run import Cell, check_method, compute
from optiproxy.tasks import Task, load

_logger = logging.getLogger("optiproxy.study")

__all__ = ["Comparison", "SummaryRow", "budgets", "compare"]


# Fractions of the budget that the summary has rows for.
PARTS = (0.25, 0.5, 1.0)


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
    """

    results: pa.Table
    summary: list[SummaryRow]
    differences: list[DifferenceRow]
    ranks: list[RankRow]
    references: dict[str, dict[str, float]] = field(default_factory=dict)


def compare(
    tasks: Sequence[Task | str],
    methods: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seeds: int = 20,
    first_seed: int = 0,
    budget: int = 100,
    objectives: Mapping[str, str] | Sequence[str] | str | None = None,
    constraints: Mapping[str, str] | Sequence[str] | str | None = None,
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
    more seeds, computes what is missing. A warning names each task whose file, table or function
    has changed since. The numbers do not depend on `workers`: each search runs in a worker process
    of one thread, also when there is only one. A search that proposed nothing has one row, which is
    not feasible.

    Args:
        tasks: What is searched: tasks, or their names as `optiproxy.tasks.load` takes them.
        methods: Names, such as ``"optiproxy"`` and ``"random"``, or with another model
            ``"optiproxy:gcn"``; the first one is tested against the others.
        out: A folder, created if it is missing. It gets ``results.parquet`` (one row a query),
            ``summary.csv`` (one row per task, method and budget: a quarter, a half, all of it),
            ``tests.csv`` (the first method against each other one), ``ranks.csv`` (all methods
            over all tasks) and ``run.json`` (the arguments, the machine, the versions, and where
            and when the searches were made).
        seeds: How many.
        first_seed: The first of them; the others follow.
        budget: Queries of a search.
        objectives: Of all tasks, instead of the tasks' own.
        constraints: Of all tasks, instead of the tasks' own; ``"latency_ms<=30%"`` is another
            number on each.
        workers: How many searches run at once.
        callback: Called after each search with how many are finished, and how many there are.

    Raises:
        InvalidValueError: An argument can't be used; nothing was run.
        DataError: A task's data are missing or broken; nothing was run.
        StudyError: A worker died; finished searches are kept.
    """
    given = [load(task) if isinstance(task, str) else task for task in tasks]
    asked = [task.replaced(objectives, constraints) for task in given]
    _check(asked, methods, seeds, first_seed, budget, workers)
    for task in asked:
        task.prepare()
    folder = Path(out)
    loaded = [limits.bounded(task, folder / "cells") for task in asked]
    try:
        (folder / "cells").mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise invalid("out", str(out), "it is a file, or in one; give a folder") from None
    limits.keep(asked, loaded, folder / "cells")
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
    # In the order task, method, seed, not in that in which they finished.
    tables = [pq.read_table(path) for path in files]
    searches: list[pa.Table] = []
    references: dict[str, dict[str, float]] = {}
    for task in loaded:
        own = [t for t, cell in zip(tables, files.values(), strict=True) if cell.task is task]
        if old := provenance.changed(own, task):
            _logger.warning(
                "%s: its file, table or function has changed since %d of its %d searches "
                "were made, which are kept; remove %s to make them anew",
                *(task.name, old, len(own), folder / "cells"),
            )
        if len(task.objectives) > 1:
            own, references[task.name] = hypervolume.judged(own, task)
        searches += own
    results = pa.concat_tables(map(provenance.unmarked, searches), promote_options="default")
    directions = {
        task.name: "max" if task.name in references else task.objectives[0].direction
        for task in loaded
    }
    analysis = analyse(results, budgets(budget), directions=directions)
    with whole(folder / "results.parquet") as unfinished:
        pq.write_table(results, unfinished)
    _write_csv(folder / "summary.csv", SummaryRow, analysis.summary)
    _write_csv(folder / "tests.csv", DifferenceRow, analysis.differences)
    _write_csv(folder / "ranks.csv", RankRow, analysis.ranks)
    settings = {"seeds": seeds, "first_seed": first_seed, "budget": budget, "workers": workers}
    options = {
        "objective": [o.text for o in (parse_objectives(objectives) if objectives else ())],
        "constraint": [c.text for c in parse_constraints(constraints)],
    }
    content = provenance.run(
        tasks, loaded, methods, os.fspath(out), settings, options, tables, references
    )
    with whole(folder / "run.json") as unfinished:
        provenance.write(unfinished, content)
    return Comparison(results, analysis.summary, analysis.differences, analysis.ranks, references)


def budgets(budget: int) -> list[int]:
    """A quarter, a half and all of `budget`, rounded up, each once."""
    return sorted({math.ceil(budget * part) for part in PARTS})


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
            rename = ", with different names (Table(…, name=…))" if kind == "tasks" else ""
            raise invalid(kind, names, f"give at least one, and each once{rename}")
    for task in tasks:
        if task.low_fidelity is not None:
            # A low-fidelity training is neither a query of the budget nor a candidate for the best.
            raise invalid(
                f"tasks: {task.name}: low fidelity", task.low_fidelity, "compare full trainings"
            )
    for method in methods:
        check_method(method)
    for name, value in (("seeds", seeds), ("budget", budget), ("workers", workers)):
        whole_number(name, value)
    whole_number("first seed", first_seed, least=0)


def _computed(missing: dict[Path, Cell], workers: int) -> Iterator[Path]:
    """Computes the missing cells and yields the path of each finished one."""
    if not missing:
        return
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(
        min(workers, len(missing)),
        initializer=worker.attend,
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


def _write_csv(path: Path, kind: type[Any], rows: Sequence[Any]) -> None:
    """Writes rows of a dataclass, with the header also if there is no row."""
    with whole(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
