"""The table of a comparison, one row a query, as one array per task and method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
        queries: Their numbers, (T,), ascending.
        best: The best feasible value so far, (S, T); NaN before there is one.
        regret: Its distance from the optimum, (S, T); NaN before there is one, or if unknown.
        seconds: What the method took to propose, up to each query, (S, T); NaN if it was not asked
            for.
    """

    seeds: NDArray[np.int64]
    queries: NDArray[np.int64]
    best: NDArray[np.float64]
    regret: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def until(self, budget: int) -> Course:
        """The queries up to number `budget`, (T',); T' may be 0."""
        count = int(np.searchsorted(self.queries, budget, side="right"))
        return Course(
            self.seeds,
            self.queries[:count],
            self.best[:, :count],
            self.regret[:, :count],
            self.seconds[:, :count],
        )


def read(table: Table, *, seconds: bool = False) -> dict[str, dict[str, Course]]:
    """The courses of each task by method, both in the order of their first rows in the table.

    Args:
        table: One row a query, in any order.
        seconds: Whether to read the seconds too.

    Raises:
        InvalidValueError: A column is missing, there is no row, or a query is there twice.
    """
    needed = (*COLUMNS, SECONDS) if seconds else COLUMNS
    columns = {name: _column(table, name, needed) for name in needed}
    tasks, task = _coded(columns["task"])
    methods, method = _coded(columns["method"])
    if not tasks:
        raise invalid("table", "no rows", "give at least one query")
    numbers = {name: column.astype(np.float64) for name, column in columns.items()
               if name in ("best", "regret", SECONDS)}  # fmt: skip
    courses: dict[str, dict[str, Course]] = {name: {} for name in tasks}
    for t, of_task in enumerate(tasks):
        for m, of_method in enumerate(methods):
            rows = np.flatnonzero((task == t) & (method == m))
            if len(rows):
                part = {name: column[rows] for name, column in numbers.items()}
                where = f"task {of_task}, method {of_method}"
                courses[of_task][of_method] = _course(
                    columns["seed"][rows], columns["query"][rows], part, where
                )
    return courses


def _course(
    seed: NDArray[Any], query: NDArray[Any], values: dict[str, NDArray[np.float64]], where: str
) -> Course:
    seeds, row = np.unique(seed.astype(np.int64), return_inverse=True)
    queries, column = np.unique(query.astype(np.int64), return_inverse=True)
    shape = (len(seeds), len(queries))
    present = np.zeros(shape, dtype=bool)
    present[row, column] = True
    if present.sum() < len(seed):
        raise invalid("table", f"a query twice ({where})", "give each seed's query once")
    # The last query at or before each one: a search that ended keeps its last value.
    last = np.maximum.accumulate(np.where(present, np.arange(len(queries)), -1), axis=1)

    def filled(name: str) -> NDArray[np.float64]:
        grid = np.full(shape, np.nan)
        grid[row, column] = values[name]
        return np.where(last < 0, np.nan, np.take_along_axis(grid, np.maximum(last, 0), axis=1))

    seconds = np.full(shape, np.nan)
    if SECONDS in values:
        spent = np.zeros(shape)
        spent[row, column] = values[SECONDS]
        seconds = np.cumsum(spent, axis=1)
    return Course(seeds, queries, filled("best"), filled("regret"), seconds)


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
