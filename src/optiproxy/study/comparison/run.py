"""One cell of a comparison: a task searched by a method with a seed, and the file it is kept in."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy._atomic_write import whole
from optiproxy._version import __version__
from optiproxy.errors import OptiProxyError
from optiproxy.report.statistics import best_so_far
from optiproxy.study._method import Method
from optiproxy.study._storage.identity import Identity
from optiproxy.study.comparison.provenance import marked
from optiproxy.study.study import Study
from optiproxy.tasks import Task

#: The columns that every row has; the metrics follow, each under its own name.
COLUMNS = ("task", "method", "seed", "query", "feasible", "best", "regret", "optimizer_seconds")


@dataclass(frozen=True)
class Cell:
    """A search to run: `task` by `method` with `seed`, `budget` queries long.

    Attributes:
        method: Its name, or ``METHOD:PROXY``.
    """

    task: Task
    method: str
    seed: int
    budget: int

    def file(self, folder: Path) -> Path:
        """Where it is kept: the name changes with the version and with the code that proposes."""
        version = f"{__version__} {_code()}"
        method, proxy = _parts(self.method)
        identity = Identity.of(self.task, method, proxy, self.seed, version=version)
        same = {**asdict(identity), "reference": None}  # It may lie in another folder now.
        del same["code"]  # Searches of a file that was changed are kept, and it is told.
        text = json.dumps([same, self.budget], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        stem = re.sub(r"[^A-Za-z0-9_.+-]+", "-", f"{self.task.name}-{self.method}-{self.seed}")
        return folder / f"{stem}-{digest}.parquet"

    def run(self) -> pa.Table:
        """Searches, in memory, and returns the rows.

        Raises:
            OptiProxyError: Of the search, saying which cell it was.
        """
        where = f"{self.task.name}, {self.method}, seed {self.seed}"
        try:
            method, proxy = _parts(self.method)
            with _said_of(where):
                study = Study.of(self.task, method=method, proxy=proxy, seed=self.seed)
                study.run(self.budget)
        except OptiProxyError as error:
            raise type(error)(f"{where}: {error}") from None
        return self._table(study)

    def _table(self, study: Study) -> pa.Table:
        records = study.queries
        # A search that could ask nothing has a row, too, or it would not count as the worst.
        queries = [r.query for r in records] or [1]
        feasible = [r.feasible for r in records] or [False]
        seconds = [r.optimizer_seconds for r in records] or [study.seconds.optimizer]
        found = [r.metrics or {} for r in records] or [{}]
        objective = self.task.objectives[0]
        optimum = self.task.optimum
        best = best_so_far(
            [metrics.get(objective.metric, math.nan) for metrics in found], feasible, objective.sign
        )
        regret = objective.sign * ((math.nan if optimum is None else optimum) - best)
        columns: dict[str, Any] = {
            "task": [self.task.name] * len(queries),
            "method": [self.method] * len(queries),
            "seed": pa.array([self.seed] * len(queries), pa.int64()),
            "query": pa.array(queries, pa.int64()),
            "feasible": pa.array(feasible, pa.bool_()),
            "best": pa.array(best, pa.float64()),
            "regret": pa.array(regret, pa.float64()),
            "optimizer_seconds": pa.array(seconds, pa.float64()),
        }
        for name in dict.fromkeys(name for metrics in found for name in metrics):
            column = [metrics.get(name) for metrics in found]
            columns[column_of(name)] = pa.array(column, pa.float64())
        return pa.table(columns)


def column_of(metric: str) -> str:
    """The column that a metric stands in, as in `Study.dataframe`."""
    return f"metric:{metric}" if metric in COLUMNS else metric


def check_method(text: str) -> None:
    """Raises InvalidValueError unless `text` is ``METHOD`` or ``METHOD:PROXY``."""
    Method(*_parts(text))


def _parts(text: str) -> tuple[str, str | None]:
    method, colon, proxy = text.partition(":")
    return method, proxy if colon else None


def compute(cell: Cell, path: Path) -> None:
    """Runs a cell and keeps it, whole or not at all."""
    table = marked(cell.run(), cell.task)
    with whole(path) as unfinished:
        pq.write_table(table, unfinished)


@contextmanager
def _said_of(where: str) -> Iterator[None]:
    """What a study warns of is told with the search that it is said of: there are many."""

    def named(record: logging.LogRecord) -> bool:
        record.msg, record.args = f"{where}: {record.getMessage()}", ()
        return True

    logger = logging.getLogger("optiproxy.study")
    logger.addFilter(named)
    try:
        yield
    finally:
        logger.removeFilter(named)


@functools.cache
def _code() -> str:
    """A hash of the code that makes results: in a checkout it changes without a new version."""
    package = Path(__file__).parents[2]
    shown = {package / "cli", package / "report"}
    files = sorted(file for file in package.rglob("*.py") if not shown & set(file.parents))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
