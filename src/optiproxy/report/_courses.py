"""The table of a comparison, one row a query, as one array per task and method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid

COLUMNS = ("task", "method", "seed", "query", "best", "regret")
SECONDS = "optimizer_seconds"


class Columns(Protocol):
    """A table whose columns are found by name: a dict of lists, a pyarrow or a pandas table."""

    def __getitem__(self, name: str, /) -> Any: ...


Table = Columns | Mapping[str, Any]


@dataclass(frozen=True)
class Course:
    """The course of a method on a task, for each seed.

    A search that ended early (its space was exhausted) keeps what it had at its last query.

    Attributes:
        seeds: (S,), ascending.
        queries: Their numbers, or what they cost together, (T,), ascending.
        best: The best feasible value so far, (S, T); NaN before there is one.
        regret: Its distance from the optimum, (S, T); NaN before there is one, or if unknown.
        seconds: What the method took to propose, up to each query, (S, T); NaN if it was not asked
            for.
        reported: Metric → its value of the architecture that has the best value, (S, T).
    """

    seeds: NDArray[np.int64]
    queries: NDArray[np.float64]
    best: NDArray[np.float64]
    regret: NDArray[np.float64]
    seconds: NDArray[np.float64]
    reported: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def until(self, budget: float) -> Course:
        """The queries up to number, or cost, `budget`, (T',); T' may be 0."""
        return self._at(slice(int(np.searchsorted(self.queries, budget, side="right"))))

    def since(self, start: float) -> Course:
        """The queries from number, or cost, `start` on; the last one where all come before it."""
        first = min(start, self.queries[-1])
        return self._at(slice(int(np.searchsorted(self.queries, first)), None))

    def _at(self, some: slice) -> Course:
        return Course(
            self.seeds,
            self.queries[some],
            self.best[:, some],
            self.regret[:, some],
            self.seconds[:, some],
            {name: values[:, some] for name, values in self.reported.items()},
        )


def read(
    table: Table,
    *,
    seconds: bool = False,
    reported: Mapping[str, Sequence[str]] = MappingProxyType({}),
    by: str = "query",
) -> dict[str, dict[str, Course]]:
    """The courses of each task by method, both in the order of their first rows in the table.

    Args:
        table: One row a query, in any order.
        seconds: Whether to read the seconds too.
        reported: Task → columns that are read of the architectures that have the best value.
        by: The column that a course is over: ``query``, or one that never falls with it.

    Raises:
        InvalidValueError: A column is missing, there is no row, or a query is there twice.
    """
    needed = tuple(dict.fromkeys((*COLUMNS, by, *([SECONDS] if seconds else []))))
    needed += tuple({name for names in reported.values() for name in names} - set(needed))
    columns = {name: _column(table, name, needed) for name in needed}
    tasks, task = _coded(columns["task"])
    methods, method = _coded(columns["method"])
    if not tasks:
        raise invalid("table", "no rows", "give at least one query")
    numbers = {
        name: column.astype(np.float64)
        for name, column in columns.items()
        if name not in ("task", "method", "seed")
    }
    courses: dict[str, dict[str, Course]] = {name: {} for name in tasks}
    for t, of_task in enumerate(tasks):
        for m, of_method in enumerate(methods):
            rows = np.flatnonzero((task == t) & (method == m))
            rows = rows[np.lexsort((numbers["query"][rows], columns["seed"][rows]))]
            if len(rows):
                part = {name: column[rows] for name, column in numbers.items()}
                where = f"task {of_task}, method {of_method}"
                courses[of_task][of_method] = _course(
                    columns["seed"][rows].astype(np.int64),
                    part,
                    reported.get(of_task, ()),
                    by,
                    where,
                )
    return courses


def _course(
    seed: NDArray[np.int64],
    values: dict[str, NDArray[np.float64]],
    reported: Sequence[str],
    by: str,
    where: str,
) -> Course:
    """The course of rows in the order of their seeds and queries."""
    seeds, row = np.unique(seed, return_inverse=True)
    if ((np.diff(row) == 0) & (np.diff(values["query"]) == 0)).any():
        raise invalid("table", f"a query twice ({where})", "give each seed's query once")
    at, column = np.unique(values[by], return_inverse=True)
    shape = (len(seeds), len(at))
    # The last row at or before each point: a search that ended keeps its last value.
    last = np.full(shape, -1)
    np.maximum.at(last, (row, column), np.arange(len(row)))
    last = np.maximum.accumulate(last, axis=1)

    def filled(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(last < 0, np.nan, rows[np.maximum(last, 0)])

    first = np.append(True, np.diff(row) > 0)
    seconds = np.full(shape, np.nan)
    if SECONDS in values:
        total = np.cumsum(values[SECONDS])
        before = (total - values[SECONDS])[first]
        seconds = np.nan_to_num(filled(total - before[row]))
    # The architecture of each best value is that of the row at which the value appeared.
    best = values["best"]
    new = first | (np.append(np.nan, best[:-1]) != best)
    found = np.maximum.accumulate(np.where(new, np.arange(len(row)), 0))
    chosen = {
        name: filled(np.where(np.isnan(best), np.nan, values[name][found])) for name in reported
    }
    return Course(seeds, at, filled(best), filled(values["regret"]), seconds, chosen)


def _coded(column: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
    """The different names in order, and the index of each row's name."""
    rows = column.tolist()
    numbers = {name: i for i, name in enumerate(dict.fromkeys(rows))}
    return list(numbers), np.array([numbers[name] for name in rows], dtype=np.int64)


def _column(table: Table, name: str, needed: tuple[str, ...]) -> NDArray[Any]:
    try:
        return np.asarray(table[name])
    except KeyError:
        raise invalid(
            "table", f"no column {name!r}", f"give the columns {', '.join(needed)}"
        ) from None
