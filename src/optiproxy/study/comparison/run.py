"""One search of a comparison, a task with a method and a seed, and the file of its results."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy._atomic_write import whole
from optiproxy.errors import OptiProxyError
from optiproxy.report.statistics import best_so_far
from optiproxy.study._method import Method, split
from optiproxy.study._storage.identity import Identity
from optiproxy.study.comparison import provenance
from optiproxy.study.records import Record
from optiproxy.study.study import Study
from optiproxy.tasks import Task

#: The columns of every row; the metrics follow, each under its own name.
COLUMNS = (
    "task", "method", "seed", "query", "feasible", "best", "regret", "optimizer_seconds",
    "cpu_seconds", "query_seconds", "query_cost", "spent", "failed", "failure_kind", "architecture",
    "text",
)  # fmt: skip

#: The cost of a query is its evaluation's duration.
SECONDS = "seconds"


@dataclass(frozen=True)
class Cost:
    """What queries cost, where searches are compared at equal cost.

    Attributes:
        metric: A metric of each query, or ``seconds``, the duration of its evaluation.
        budget: A search ends when its queries have cost so much together.
    """

    metric: str
    budget: float

    def of(self, record: Record) -> float:
        """What a query cost; 0 if it failed before that was known."""
        cost = (record.metrics or {}).get(self.metric)
        if cost is None:
            cost = record.seconds if self.metric == SECONDS else 0.0
        return cost if math.isfinite(cost) else 0.0


@dataclass(frozen=True)
class Cell:
    """A search to run.

    Attributes:
        task: What is searched.
        method: By which method: its name with settings, or ``METHOD:PROXY``.
        seed: With which seed.
        budget: With how many queries at most.
        batch: How many are proposed at once; None for the method's own number.
        cost: What a query costs; None for one, whatever it is.
    """

    task: Task
    method: str
    seed: int
    budget: int
    batch: int | None = None
    cost: Cost | None = None

    def file(self, folder: Path) -> Path:
        """Its file, named by all that makes it another search; the code is in its metadata."""
        cost = None if self.cost is None else asdict(self.cost)
        rest = (self.budget, self.batch, cost)
        return folder / file_name(self.task, self.method, self.seed, *rest)

    def run(self) -> pa.Table:
        """Searches in memory and returns the rows, with what made them in the metadata.

        Raises:
            OptiProxyError: Of the search, with the cell in its message.
        """
        where = f"{self.task.name}, {self.method}, seed {self.seed}"
        start, clock = time.perf_counter(), _Clock(self.cost)
        try:
            method, proxy = split(self.method)
            with _warnings_name(where), suppress(_Spent):
                study = Study(self.task, method=method, proxy=proxy, seed=self.seed)
                study.run(self.budget, batch=self.batch, confirm=0, callback=clock)
        except OptiProxyError as error:
            raise type(error)(f"{where}: {error}") from None
        return provenance.marked(
            self._table(study, clock.cpu),
            self.task,
            Method(method, proxy),
            seconds=time.perf_counter() - start,
            batches=study.batches,
            random_queries=study.random_queries,
        )

    def _table(self, study: Study, cpu: dict[int, float]) -> pa.Table:
        records = study.queries
        plain = [record.plain() for record in records]
        # A search that proposed nothing has a row, too, or it would not count as the worst.
        none = {"query": 1, "feasible": False, "metrics": {},
                "optimizer_seconds": study.seconds.optimizer}  # fmt: skip
        rows = plain or [none]
        objective, optimum = self.task.objectives[0], self.task.optimum
        best = best_so_far(
            [row["metrics"].get(objective.metric, math.nan) for row in rows],
            [row["feasible"] for row in rows],
            objective.sign,
        )
        true = best
        if self.task.noiseless is not None:
            # Of the architecture with the best measured value, noise included.
            found = np.array([row["metrics"].get(self.task.noiseless, math.nan) for row in rows])
            new = np.append(True, best[1:] != best[:-1]) & ~np.isnan(best)
            place = np.maximum.accumulate(np.where(new, np.arange(len(rows)), 0))
            true = np.where(np.isnan(best), np.nan, found[place])
        costs = [r.cost if self.cost is None else self.cost.of(r) for r in records] or [0.0]
        spent = list(accumulate(costs))
        for row, record in zip(plain, records, strict=True):
            row["text"] = self.task.space.to_text(record.architecture)
            row["architecture"] = json.dumps(row["architecture"])
        columns: dict[str, Any] = {
            "task": [self.task.name] * len(rows),
            "method": [self.method] * len(rows),
            "seed": pa.array([self.seed] * len(rows), pa.int64()),
            "query": _of(rows, "query", pa.int64()),
            "feasible": _of(rows, "feasible", pa.bool_()),
            "best": best,
            "regret": objective.sign * ((math.nan if optimum is None else optimum) - true),
            "optimizer_seconds": _of(rows, "optimizer_seconds", pa.float64()),
            "cpu_seconds": pa.array([cpu.get(row["query"]) for row in rows], pa.float64()),
            "query_seconds": _of(rows, "seconds", pa.float64()),
            "query_cost": pa.array(costs, pa.float64()),
            "spent": pa.array(spent, pa.float64()),
            "failed": _of(rows, "failed", pa.string()),
            "failure_kind": _of(rows, "kind", pa.string()),
            "architecture": _of(rows, "architecture", pa.string()),
            "text": _of(rows, "text", pa.string()),
        }
        for name in dict.fromkeys(name for row in rows for name in row["metrics"]):
            values = [row["metrics"].get(name) for row in rows]
            columns[column_of(name)] = pa.array(values, pa.float64())
        return pa.table(columns)


def file_name(task: Task, method: str, seed: int, *rest: object) -> str:
    """The name of a search's file, which changes with whatever makes it another search."""
    identity = Identity.of(task, *split(method), seed, version="")
    same = {**asdict(identity), "reference": None}  # The task may be in another folder now.
    del same["code"]
    digest = hashlib.sha256(json.dumps([same, *rest], sort_keys=True).encode()).hexdigest()[:10]
    stem = re.sub(r"[^A-Za-z0-9_.+-]+", "-", f"{task.name}-{method}-{seed}")
    return f"{stem}-{digest}.parquet"


def column_of(metric: str) -> str:
    """The column of a metric, named as in `Study.dataframe`."""
    return f"metric:{metric}" if metric in COLUMNS else metric


class Search(Protocol):
    """A search of a comparison, which is kept in a file of its own."""

    @property
    def task(self) -> Task: ...
    @property
    def method(self) -> str: ...
    def file(self, folder: Path) -> Path: ...
    def run(self) -> pa.Table: ...


def compute(cell: Search, path: Path) -> None:
    """Runs a cell and writes its file atomically."""
    table = cell.run()
    with whole(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


class _Spent(Exception):
    """Ends a search whose queries have cost its budget."""


class _Clock:
    """After each result: the processor time since the one before, and whether the cost is spent."""

    def __init__(self, cost: Cost | None) -> None:
        self.cpu: dict[int, float] = {}
        self._cost, self._spent, self._last = cost, 0.0, time.process_time()

    def __call__(self, record: Record) -> None:
        now = time.process_time()
        self.cpu[record.query], self._last = now - self._last, now
        if self._cost is not None:
            self._spent += self._cost.of(record)
            if self._spent >= self._cost.budget:
                raise _Spent


def _of(rows: Sequence[dict[str, Any]], name: str, kind: pa.DataType) -> pa.Array:
    return pa.array([row.get(name) for row in rows], kind)


@contextmanager
def _warnings_name(where: str) -> Iterator[None]:
    """Inside, the warnings of a study begin with the search that they are about."""

    def named(record: logging.LogRecord) -> bool:
        record.msg, record.args = f"{where}: {record.getMessage()}", ()
        return True

    logger = logging.getLogger("optiproxy.study")
    logger.addFilter(named)
    try:
        yield
    finally:
        logger.removeFilter(named)
