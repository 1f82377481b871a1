"""One search of a comparison, a task with a method and a seed, and the file of its results."""

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

#: The columns of every row; the metrics follow, each under its own name.
COLUMNS = ("task", "method", "seed", "query", "feasible", "best", "regret", "optimizer_seconds")


@dataclass(frozen=True)
class Cell:
    """A search to run: `task` by `method` with `seed` and `budget`.

    Attributes:
        method: Its name, or ``METHOD:PROXY``.
    """

    task: Task
    method: str
    seed: int
    budget: int

    def file(self, folder: Path) -> Path:
        """Its file; the name changes with the version and with the code that proposes."""
        version = f"{__version__} {_code()}"
        method, proxy = _parts(self.method)
        identity = Identity.of(self.task, method, proxy, self.seed, version=version)
        same = {**asdict(identity), "reference": None}  # The task may be in another folder now.
        del same["code"]  # Keeps results of a changed task file; `changed()` warns about them.
        text = json.dumps([same, self.budget], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        stem = re.sub(r"[^A-Za-z0-9_.+-]+", "-", f"{self.task.name}-{self.method}-{self.seed}")
        return folder / f"{stem}-{digest}.parquet"

    def run(self) -> pa.Table:
        """Searches in memory and returns the rows.

        Raises:
            OptiProxyError: Of the search, with the cell in its message.
        """
        where = f"{self.task.name}, {self.method}, seed {self.seed}"
        try:
            method, proxy = _parts(self.method)
            with _warnings_name(where):
                study = Study(self.task, method=method, proxy=proxy, seed=self.seed)
                study.run(self.budget)
        except OptiProxyError as error:
            raise type(error)(f"{where}: {error}") from None
        return self._table(study)

    def _table(self, study: Study) -> pa.Table:
        # A search that proposed nothing has a row, too, or it would not count as the worst.
        none = {
            "query": 1,
            "feasible": False,
            "metrics": {},
            "optimizer_seconds": study.seconds.optimizer,
        }
        rows = [record.plain() for record in study.queries] or [none]
        objective = self.task.objectives[0]
        optimum = self.task.optimum
        best = best_so_far(
            [row["metrics"].get(objective.metric, math.nan) for row in rows],
            [row["feasible"] for row in rows],
            objective.sign,
        )
        columns: dict[str, Any] = {
            "task": [self.task.name] * len(rows),
            "method": [self.method] * len(rows),
            "seed": pa.array([self.seed] * len(rows), pa.int64()),
            "query": pa.array([row["query"] for row in rows], pa.int64()),
            "feasible": pa.array([row["feasible"] for row in rows], pa.bool_()),
            "best": best,
            "regret": objective.sign * ((math.nan if optimum is None else optimum) - best),
            "optimizer_seconds": pa.array([r["optimizer_seconds"] for r in rows], pa.float64()),
        }
        for name in dict.fromkeys(name for row in rows for name in row["metrics"]):
            values = [row["metrics"].get(name) for row in rows]
            columns[column_of(name)] = pa.array(values, pa.float64())
        return pa.table(columns)


def column_of(metric: str) -> str:
    """The column of a metric, named as in `Study.dataframe`."""
    return f"metric:{metric}" if metric in COLUMNS else metric


def check_method(text: str) -> None:
    """Raises InvalidValueError unless `text` is ``METHOD`` or ``METHOD:PROXY``."""
    Method(*_parts(text))


def _parts(text: str) -> tuple[str, str | None]:
    method, colon, proxy = text.partition(":")
    return method, proxy if colon else None


def compute(cell: Cell, path: Path) -> None:
    """Runs a cell and writes its file atomically."""
    table = marked(cell.run(), cell.task)
    with whole(path) as unfinished:
        pq.write_table(table, unfinished)


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


@functools.cache
def _code() -> str:
    """A hash of the code that decides results, which may change without a new version."""
    package = Path(__file__).parents[2]
    shown = {package / "cli", package / "report"}
    files = sorted(file for file in package.rglob("*.py") if not shown & set(file.parents))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
