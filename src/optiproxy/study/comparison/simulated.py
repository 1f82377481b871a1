"""How a method uses many workers, on a simulated clock: nothing is trained, and no time is waited.

A query takes the training seconds that the table has, and proposing it takes the processor seconds
that the method needs here. Workers are asynchronous: each gets its next architecture when it is
free, and a method learns of a result when its training has ended. Synchronous ones begin together,
when the last of them has ended.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy._atomic_write import whole
from optiproxy.errors import invalid, unknown, whole_number
from optiproxy.metrics import parse_constraints
from optiproxy.report.parallel import ParallelRow, parallel_rows
from optiproxy.report.statistics import HIT, NEAR
from optiproxy.spaces import Architecture
from optiproxy.study._method import Method
from optiproxy.study.comparison import limits, provenance
from optiproxy.study.comparison.cells import searched
from optiproxy.study.comparison.csv_files import write_csv
from optiproxy.study.comparison.run import file_name
from optiproxy.tasks import Task, load

#: How long trainings of one architecture take: always as the table says, or that on average.
SCATTERS = ("constant", "exponential")


@dataclass(frozen=True)
class Simulation:
    """One search on a simulated clock, until it is within 0.1 % of the optimum.

    Attributes:
        task: A table whose rows have training seconds.
        method: Its name.
        seed: Of the method, and of the scatter.
        workers: How many.
        budget: Queries at most.
        duration: The metric that is a training's seconds.
        scatter: One of `SCATTERS`.
        synchronous: Whether workers wait for each other.
        worker_failures: The chance that a training is lost on its way, and made again.
    """

    task: Task
    method: str
    seed: int
    workers: int
    budget: int
    duration: str
    scatter: str = "constant"
    synchronous: bool = False
    worker_failures: float = 0.0

    def file(self, folder: Path) -> Path:
        """Its file, named by all that makes it another search."""
        clock = (self.duration, self.scatter, self.synchronous, self.worker_failures)
        rest = ("simulated", self.workers, self.budget, *clock)
        return folder / file_name(self.task, self.method, self.seed, *rest)

    def run(self) -> pa.Table:
        """Searches and returns one row a query, in the order in which the trainings end."""
        start, method = time.perf_counter(), Method.read(self.method)
        rows, batches = self._searched(method)
        names = ("query", "proposed", "hours", "best", "regret", "cpu_seconds", "text")
        columns: dict[str, Any] = {
            "task": [self.task.name] * len(rows),
            "method": [self.method + ", synchronous" * self.synchronous] * len(rows),
            "seed": pa.array([self.seed] * len(rows), pa.int64()),
            "workers": pa.array([self.workers] * len(rows), pa.int64()),
            **{name: [row[i] for row in rows] for i, name in enumerate(names)},
        }
        return provenance.marked(
            pa.table(columns),
            self.task,
            method,
            seconds=time.perf_counter() - start,
            batches=batches,
            random_queries=0,
        )

    def _searched(self, method: Method) -> tuple[list[tuple[Any, ...]], list[int]]:
        task, goal, optimum = self.task, self.task.objectives[0], self.task.optimum
        assert optimum is not None
        optimizer = method.optimizer(task, self.seed)
        rng = np.random.default_rng([self.seed, self.workers])
        # Of a training: its end, number, architecture and result, and whether it is lost.
        running: list[tuple[float, int, Architecture, dict[str, float] | None, bool]] = []
        queue: deque[tuple[int, Architecture]] = deque()
        proposed, now, best = itertools.count(1), 0.0, math.nan
        rows: list[tuple[Any, ...]] = []
        batches: list[int] = []
        spent: dict[int, float] = {}
        asked = 0
        while True:
            free = 0 if self.synchronous and running else self.workers - len(running)
            wanted = min(max(optimizer.batch_size, free), self.budget - asked)
            if len(queue) < free and wanted > 0:
                # One proposal of the method serves all workers that are free.
                before = time.process_time()
                archs = optimizer.ask(wanted)
                seconds = time.process_time() - before
                asked = asked + len(archs) if archs else self.budget  # None left: used up.
                now += seconds
                batches += [len(archs)] if archs else []
                for arch, number in zip(archs, proposed, strict=False):
                    queue.append((number, arch))
                    spent[number] = seconds / len(archs)
            for _ in range(min(free, len(queue))):
                number, arch = queue.popleft()
                metrics = task.query(arch, seed=self.seed).metrics
                took = 0.0 if metrics is None else metrics[self.duration]
                took *= rng.exponential() if self.scatter == "exponential" else 1.0
                lost = rng.random() < self.worker_failures if self.worker_failures else False
                took *= rng.random() if lost else 1.0
                heapq.heappush(running, (now + took, number, arch, metrics, lost))
            if not running:
                return rows, batches
            ended, number, arch, metrics, lost = heapq.heappop(running)
            now = max(now, ended)
            if lost:
                queue.appendleft((number, arch))
                continue
            optimizer.tell([arch], [None if metrics is None else task.visible(metrics)])
            if metrics is not None and task.feasible(metrics):
                value = metrics[goal.metric]
                best = (
                    value
                    if math.isnan(best)
                    else goal.sign * max(goal.sign * best, goal.sign * value)
                )
            regret = goal.sign * (optimum - best)
            text = task.space.to_text(arch)
            rows.append((len(rows) + 1, number, now / 3600, best, regret, spent[number], text))
            if regret <= NEAR * abs(optimum) + HIT:
                return rows, batches


def by_workers(results: pa.Table) -> pa.Table:
    """The rows with the number of workers in the method's name, for `report.convergence_figure`."""
    pairs = zip(results["method"].to_pylist(), results["workers"].to_pylist(), strict=True)
    names = pa.array([f"{method}, {workers} workers" for method, workers in pairs])
    at = results.column_names.index("method")
    return results.set_column(at, "method", names)


def simulate(
    tasks: Sequence[Task | str],
    methods: Sequence[str],
    out: str | os.PathLike[str],
    simulated: Sequence[int],
    *,
    seeds: int = 20,
    first_seed: int = 0,
    budget: int = 500,
    duration: str = "train_seconds",
    scatter: str = "constant",
    synchronous: bool = False,
    worker_failures: float = 0.0,
    constraints: Mapping[str, str] | Sequence[str] | str | None = None,
    keep_stale: bool = False,
    workers: int = 1,
    callback: Callable[[int, int], None] | None = None,
) -> tuple[pa.Table, list[ParallelRow]]:
    """How long each method takes with so many workers until it is within 0.1 % of the optimum.

    Args:
        tasks: Tables with training seconds, or their names.
        methods: Names, as for `compare`.
        out: A folder; it gets ``parallel.parquet``, one row a query, ``parallel.csv``, and
            ``parallel.json``, what made them. Finished searches are kept in ``OUT/cells``.
        simulated: How many workers there are, several numbers.
        seeds: How many searches of each.
        first_seed: The first of them.
        budget: Queries of a search at most.
        duration: The metric that is how long a training takes, in seconds.
        scatter: ``constant``, or ``exponential``: the time of each training is drawn from the
            exponential distribution with that mean.
        synchronous: Whether searches whose workers wait for each other stand beside the others, as
            methods ``NAME, synchronous``.
        worker_failures: The chance that a training is lost, at any time of it, and made again.
        constraints: Of all tasks.
        keep_stale: Whether searches of other code are kept.
        workers: How many simulations run at once.
        callback: Called after each of them with how many are finished, and how many there are.

    Returns:
        The rows, and their summary.

    Raises:
        InvalidValueError: An argument can't be used; nothing was run.
        DataError: A task's data are missing or broken; nothing was run.
        StudyError: A worker died; finished searches are kept.
    """
    if not simulated:
        raise invalid("workers_simulated", list(simulated), "give one number or more")
    counts = sorted({whole_number("workers_simulated", count) for count in simulated})
    whole_number("seeds", seeds)
    whole_number("budget", budget)
    if scatter not in SCATTERS:
        raise unknown("scatter", scatter, SCATTERS)
    if not 0 <= worker_failures < 1:
        raise invalid("worker_failures", worker_failures, "give a chance from 0 to below 1")
    for method in methods:
        Method.read(method)
    folder = Path(out)
    given = [load(task) if isinstance(task, str) else task for task in tasks]
    asked = [task.replaced(None, constraints) for task in given]
    loaded = [limits.bounded(task, folder / "cells") for task in asked]
    for task in loaded:
        if duration not in task.metrics:
            raise unknown(f"{task.name}: training seconds (--cost)", duration, task.metrics)
        task.prepare()
        if task.optimum is None:
            raise invalid("tasks", task.name, "its optimum is unknown; give tables")
    limits.keep(asked, loaded, folder / "cells")
    simulations = [
        Simulation(task, method, seed, count, budget, duration, scatter, together, worker_failures)
        for task in loaded
        for method in methods
        for together in ((False, True) if synchronous else (False,))
        for count in counts
        for seed in range(first_seed, first_seed + seeds)
    ]
    tables = searched(
        simulations, folder / "cells", keep_stale=keep_stale, workers=workers, callback=callback
    )
    results = pa.concat_tables(map(provenance.unmarked, tables), promote_options="default")
    rows = parallel_rows(results, {task.name: float(task.optimum or 0.0) for task in loaded})
    with whole(folder / "parallel.parquet") as unfinished:
        pq.write_table(results, unfinished, compression="zstd")
    write_csv(folder / "parallel.csv", ParallelRow, rows)
    settings = {
        "workers_simulated": counts, "seeds": seeds, "first_seed": first_seed, "budget": budget,
        "cost": duration, "scatter": scatter, "synchronous": synchronous,
        "worker_failures": worker_failures, "workers": workers,
    }  # fmt: skip
    options = {"constraint": [c.text for c in parse_constraints(constraints)]}
    content = provenance.run(tasks, loaded, methods, os.fspath(out), settings, options, tables, {})
    with whole(folder / "parallel.json") as unfinished:
        provenance.write(unfinished, content)
    return results, rows
