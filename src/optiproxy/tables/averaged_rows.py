"""Rows of a sample of a space: several rows of one network are averaged.

A sample has few rows, in a notation of its own (a genotype, a matrix in bits), and may have one
network several times: trained again, or in another numbering. Only the listed networks can be
queried, so the task's space is a `Pool` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.errors import DataError, EvaluationFailed, OptiProxyError
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.tables import store
from optiproxy.tables.arrow import floats, means, read_columns

# Key columns by name → option numbers, (rows, C); -1 in a row that is left out.
Reader = Callable[[Mapping[str, list[Any]], Space], Indices]


class At(NamedTuple):
    """An entry of a column of lists: of a learning curve, the value after so many epochs."""

    column: str
    epoch: int


class AveragedRows(ComputedOnce):
    """The means of each network's rows, and the list of these networks (a `PoolList`).

    Args:
        space: Whose architectures the rows are.
        table: A name of `store.known_tables`.
        key: The columns that say which architecture a row is.
        read: Turns them into option numbers.
        columns: Metric → column, or an entry of a column of lists.
        scale: Metric → the factor from its column's unit to its own.
        where: Column → value; other rows are not read.
        needed: A column in which a row must have a number to be listed; empty for none.
        count: How many different networks are listed; None to count them in the table.
        find: Finds the file of a table that `store` does not know.
    """

    def __init__(
        self,
        space: Space,
        table: str,
        *,
        key: Sequence[str],
        read: Reader,
        columns: Mapping[str, str | At],
        scale: Mapping[str, float] = MappingProxyType({}),
        where: Mapping[str, str] = MappingProxyType({}),
        needed: str = "",
        count: int | None = None,
        find: Callable[[], Path] | None = None,
    ) -> None:
        self.space = space
        self.table = table
        self.count = count
        self._find = find or partial(store.find, table)
        self._columns = dict(columns)
        self._key, self._read = tuple(key), read
        self._scale, self._where, self._needed = dict(scale), dict(where), needed

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def __call__(self, arch: Architecture) -> dict[str, float]:
        _, row_of, values = self._tables
        row = row_of.get(self.space.to_indices([arch])[0].tobytes())
        if row is None:
            raise EvaluationFailed(f"the table has no row for {self.space.to_text(arch)}")
        return {metric: float(column[row]) for metric, column in values.items()}

    def load(self, epochs: int | None = None) -> None:
        _ = self._tables

    def row_of(self) -> dict[bytes, int]:
        return self._tables[1]

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Metric → its values by network, NaN where none of its rows has one."""
        return self._tables[2]

    def one_per_network(self) -> bool:
        """False: a reader may list a network in several numberings, each of them a query."""
        return False

    # ---- the list of a pool ----

    def listed(self) -> Indices:
        return self._tables[0]

    def definition(self) -> dict[str, Any]:
        # A column that rows need makes another list of the same table.
        return {"table": self.table, **({"rows": self._needed} if self._needed else {})}

    @cached_property
    def _tables(self) -> tuple[Indices, dict[bytes, int], dict[str, NDArray[np.float64]]]:
        import pyarrow.compute as pc

        path = self._find()
        needed = (self._needed,) if self._needed else ()
        values = (c.column if isinstance(c, At) else c for c in self._columns.values())
        table = read_columns(path, (*self._key, *values, *self._where, *needed))
        for column, value in self._where.items():
            table = table.filter(pc.equal(table[column], value))
        for column in needed:
            table = table.filter(pc.is_valid(table[column]))
        table = table.combine_chunks()
        try:
            keys = {column: table[column].to_pylist() for column in self._key}
            rows = self._read(keys, self.space)
        except OptiProxyError as error:
            raise DataError(f"{path}: a row is no architecture of the space: {error}") from None
        inside = rows[:, 0] >= 0
        networks, which = np.unique(rows[inside], axis=0, return_inverse=True)
        if not len(networks):
            raise DataError(f"{path}: it has no rows; add the benchmark again")
        found = {
            metric: means(_cells(table, source)[inside], which.reshape(-1), len(networks))
            * self._scale.get(metric, 1.0)
            for metric, source in self._columns.items()
        }
        row_of = {row.tobytes(): number for number, row in enumerate(networks)}
        return networks, row_of, found


def _cells(table: Any, source: str | At) -> NDArray[np.float64]:
    """A column, or an entry of a column of lists: NaN where the list ends before it; (rows,)."""
    if isinstance(source, str):
        return floats(table[source])
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = table[source.column].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    places = lists.offsets.to_numpy()[:-1] + source.epoch - 1
    chosen = pa.array(places, mask=lengths < source.epoch)
    return floats(pa.chunked_array([lists.values.take(chosen)]))


def from_texts(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """A column of texts that the space reads, as canonical option numbers; (rows, C)."""
    return space.canonical(as_written(keys, space))


def as_written(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """The same, each row in the form that it is published in."""
    (texts,) = keys.values()
    return space.to_indices(space.architectures(texts))


def from_bytes(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """A column of option numbers as bytes, one each; empty in rows that are left out."""
    (rows,) = keys.values()
    nothing = bytes(len(space))
    content = b"".join(nothing if row is None else row for row in rows)
    if len(content) != len(rows) * len(space):
        raise DataError("it was made for another version of the space; add the benchmark again")
    indices = np.frombuffer(content, np.uint8).reshape(len(rows), len(space)).astype(np.int64)
    indices[[row is None for row in rows]] = -1
    return indices


def from_choices(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """A column for each choice, in the choices' order, as option numbers; (rows, C)."""
    columns = []
    for values, options in zip(keys.values(), space.choices.values(), strict=True):
        number = {option: i for i, option in enumerate(options)}
        missing = [value for value in values if value not in number]
        if missing:
            raise DataError(f"{missing[0]!r} is none of {options}")
        columns.append([number[value] for value in values])
    return np.array(columns, dtype=np.int64).T
