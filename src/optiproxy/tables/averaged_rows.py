"""Tables of a sample of a space: their tasks are pools, and their keys need some reading.

A sample has few rows, written in ways of its own (a genotype, a matrix in bits), and may have one
network several times: trained again, or in another numbering. So the rows of a network are
averaged, and only the networks that are listed can be asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError, EvaluationFailed, OptiProxyError, unknown
from optiproxy.spaces import Architecture, Pool, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.tables import store
from optiproxy.tables.benchmark import counts
from optiproxy.tables.parquet_rows import _array, _told
from optiproxy.tables.table import Table, looked_up
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.task import Task

# Key columns by name → option numbers, (rows, C); -1 in a row that is in no task.
Reader = Callable[[Mapping[str, list[Any]], Space], Indices]


class At(NamedTuple):
    """An entry of a column of lists: of a learning curve, the value after so many epochs."""

    column: str
    epoch: int


class Listed:
    """An evaluator: the means of a network's rows. Loads the table when it is first needed.

    Args:
        space: Whose architectures the rows are.
        table: A name of `store.known_tables`.
        key: The columns that say which architecture a row is.
        read: Makes option numbers of them.
        columns: Metric → column, or what of a column of lists.
        scale: Metric → the factor from its column's unit to its own.
        where: Column → value; other rows are not read.
        measured: A column that a row must have a number in to be listed; empty for none.
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
        measured: str = "",
    ) -> None:
        self.space = space
        self.table = table
        self.measured = measured
        self.columns = dict(columns)
        self._key, self._read = tuple(key), read
        self._scale, self._where = dict(scale), dict(where)
        self._loaded: tuple[Indices, dict[bytes, int], dict[str, NDArray[np.float64]]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def __call__(self, arch: Architecture) -> dict[str, float]:
        _, row_of, values = self._tables()
        row = row_of.get(self.space.to_indices([arch])[0].tobytes())
        if row is None:
            raise EvaluationFailed(f"the table has no row for {self.space.to_text(arch)}")
        return {metric: float(column[row]) for metric, column in values.items()}

    def load(self) -> None:
        """Reads and checks the table, once.

        Raises:
            DataError: It is missing, broken, or not a table of the space's architectures.
        """
        self._tables()

    def row_of(self) -> dict[bytes, int]:
        """Option numbers of a network, as bytes → its place in `values`."""
        return self._tables()[1]

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Metric → its values by network, NaN where none of its rows has one."""
        return self._tables()[2]

    @property
    def indices(self) -> Indices:
        """The networks that are listed, (networks, C), each once."""
        return self._tables()[0]

    def _tables(self) -> tuple[Indices, dict[bytes, int], dict[str, NDArray[np.float64]]]:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _find(self) -> Path:
        return store.find(self.table)

    def _load(self) -> tuple[Indices, dict[bytes, int], dict[str, NDArray[np.float64]]]:
        path = self._find()
        needed = (self.measured,) if self.measured else ()
        values = (c.column if isinstance(c, At) else c for c in self.columns.values())
        wanted = dict.fromkeys((*self._key, *values, *self._where, *needed))
        table = read_columns(path, tuple(wanted))
        import pyarrow as pa
        import pyarrow.compute as pc

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
        which = which.reshape(-1)
        if not len(networks):
            raise DataError(f"{path}: it has no rows; add the benchmark again")
        found = {}
        for metric, source in self.columns.items():
            cells = (
                _entries(table[source.column], source.epoch)
                if isinstance(source, At)
                else table[source]
            )
            numbers = cells.cast(pa.float64(), safe=False).fill_null(math.nan)
            flat = np.concatenate([_array(chunk, np.float64) for chunk in numbers.chunks])
            flat = flat[inside]
            known = np.isfinite(flat)
            total = np.bincount(which[known], flat[known], len(networks))
            count = np.bincount(which[known], minlength=len(networks))
            means = np.full(len(networks), math.nan)
            np.divide(total, count, out=means, where=count > 0)
            found[metric] = means * self._scale.get(metric, 1.0)
        row_of = {row.tobytes(): number for number, row in enumerate(networks)}
        return networks, row_of, found


class ListedPool(Pool):
    """A pool whose list is read from a table when it is first needed.

    Args:
        listed: Has the table.
        networks: How many different networks it lists; None to count them in the table.
    """

    def __init__(self, listed: Listed, networks: int | None) -> None:
        Space.__init__(self, listed.space.choices)
        self.space = listed.space
        self._source = listed
        self.networks = networks

    def __repr__(self) -> str:
        size = "listed" if self.networks is None else f"{self.networks:,}"
        return f"Pool({size} architectures of {self.space!r})"

    # A search may be resumed by a process that has not read the table yet.
    def _definition(self) -> dict[str, Any]:
        definition = {"space": self.space.fingerprint, "table": self._source.table}
        # Another list than that of all rows.
        return {**definition, **({"rows": self._source.measured} if self._source.measured else {})}

    @cached_property
    def _listed(self) -> Indices:  # type: ignore[override]
        return self._source.indices

    @cached_property
    def count(self) -> int:
        return len(self._listed) if self.networks is None else self.networks


class Source(Protocol):
    """What `ListedTable` looks up in; `Listed` is one."""

    table: str

    @property
    def columns(self) -> Mapping[str, object]: ...

    def __call__(self, arch: Architecture) -> dict[str, float]: ...
    def load(self) -> None: ...
    def values(self) -> dict[str, NDArray[np.float64]]: ...


class ListedTable(Table):
    """The task of a table that `Listed`, or a class like it, reads."""

    def __init__(
        self,
        listed: Source,
        space: Space,
        *,
        name: str,
        objectives: Mapping[str, str],
        description: str,
        citation: str,
        reported: Sequence[str] = (),
        family: str = "",
    ) -> None:
        file = store.known(listed.table)
        self._lookup = listed  # type: ignore[assignment]
        Task.__init__(
            self,
            name,
            space,
            listed,
            objectives=objectives,
            reported=reported,
            metrics=tuple(listed.columns),
            prepare=listed.load,
            in_memory=True,
            description=description,
            origin=Origin(file.source, file.licence, citation, listed.table, family),
        )
        self.exact = looked_up(listed, counts(listed.columns))


def pool_task(listed: Listed, networks: int | None, **keywords: Any) -> Table:
    """The task of a sample: only the networks that are listed can be asked for.

    Args:
        listed: Has the table.
        networks: See `ListedPool`.
        keywords: Those of `ListedTable`.
    """
    return ListedTable(listed, ListedPool(listed, networks), **keywords)


def pool_beside(
    table: Table,
    listed: Listed,
    networks: int | None,
    *,
    name: str,
    description: str,
    citation: str,
    family: str,
) -> Table:
    """The task of a whole table, for the networks that `listed` has, with its metrics too.

    Args:
        table: Objectives and what is reported are its.
        listed: Has further metrics of some of the same space's networks.
        networks: See `ListedPool`.
        name: The new task's.
        description: One line for ``optiproxy tasks``.
        citation: Of the further metrics.
        family: See `Origin`.
    """
    metrics = dict.fromkeys(listed.columns, "min")
    other = ListedTable(
        listed, listed.space, name=name, objectives=metrics, description="", citation=citation
    )
    task = table.joined(other, name=name, description=description, family=family)
    task.space = ListedPool(listed, networks)
    return task


def read_columns(path: Path, columns: tuple[str, ...]) -> Any:
    """Columns of a Parquet file, as pyarrow's table.

    Raises:
        DataError: The file can't be read, or lacks a column: another version of us converted it.
    """
    import pyarrow.parquet as pq

    with _told(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = file.schema_arrow.names
        for column in columns:
            if column not in names:
                raise DataError(
                    f"{path}: {unknown('column', column, names)}; add the benchmark again"
                )
        # One thread: these tables are small, and workers share the cores.
        return file.read(columns=list(columns), use_threads=False)


def _entries(column: Any, epoch: int) -> Any:
    """The value after `epoch` epochs in each row's list; null where the list ends before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = column.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    places = lists.offsets.to_numpy()[:-1] + epoch - 1
    chosen = pa.array(places, mask=lengths < epoch)
    return pa.chunked_array([lists.values.take(chosen)])


def from_texts(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """A column of texts that the space reads, as canonical option numbers; (rows, C)."""
    return space.canonical(as_written(keys, space))


def as_written(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """The same in the form that each is published in, where no two are taken for one network."""
    (texts,) = keys.values()
    return space.to_indices(space.architectures(texts))


def from_bytes(keys: Mapping[str, list[Any]], space: Space) -> Indices:
    """A column of option numbers as bytes, one each; empty in rows that are in no task."""
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
