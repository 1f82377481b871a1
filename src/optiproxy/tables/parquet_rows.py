"""Reading a table of architectures: every check that comes before the first query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.errors import DataError, EvaluationFailed, OptiProxyError, unknown
from optiproxy.spaces import Architecture, Option, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.tables._checksum import Stamp, checksum, stamp
from optiproxy.tables._values import encoded, exactly, loosely
from optiproxy.tables.arrow import (
    floats,
    means,
    missing,
    names_and_rows,
    read_columns,
    readable,
)

# Tables that stay in memory; the three data sets of NAS-Bench-201 share one index of rows.
CACHED = 16


@dataclass(frozen=True)
class Keys:
    """What decides which rows a table has, and the state of the file.

    Attributes:
        file: Path, size and time of writing.
        columns: The key column with the space's text form, or one column for each choice.
        one_per_choice: Whether it is the latter.
        sha256: The pinned checksum, or None.
        rows: The number of rows that it must have, or None.
        fingerprint: The space's, since spaces themselves compare by identity.
        space: What the keys are architectures of.
        where: Column and value; only the rows that have all of them are the table's.
        averaged: Whether several rows of an architecture are averaged, and no error.
    """

    file: Stamp
    columns: tuple[str, ...]
    one_per_choice: bool
    sha256: str | None
    rows: int | None
    fingerprint: str
    space: Space = field(compare=False)
    where: tuple[tuple[str, Option], ...] = ()
    averaged: bool = False

    @property
    def path(self) -> Path:
        return Path(self.file[0])


class ParquetRows(ComputedOnce):
    """A file with one row for each architecture, or several that are averaged. See `rows.Rows`.

    Args:
        space: Whose architectures the rows are.
        path: The file, or a function that finds it.
        key: The key columns: one with the space's text form, or one for each choice.
        one_per_choice: Whether `key` is the latter.
        columns: Metric → column.
        sha256: The pinned checksum, or None.
        rows: The number of rows that it must have, or None.
        where: Column → value; other rows are not read.
        scale: Metric → the factor from its column's unit to its own; 1 where it is not named.
        averaged: Whether several rows of an architecture are averaged.
    """

    def __init__(
        self,
        space: Space,
        path: Path | Callable[[], Path],
        *,
        key: tuple[str, ...],
        one_per_choice: bool,
        columns: Mapping[str, str],
        sha256: str | None,
        rows: int | None,
        where: Mapping[str, Option] = MappingProxyType({}),
        scale: Mapping[str, float] = MappingProxyType({}),
        averaged: bool = False,
    ) -> None:
        self._space = space
        self._path = path
        self._key = key
        self._one_per_choice = one_per_choice
        self._columns = dict(columns)
        self._sha256 = sha256
        self._rows = rows
        self._where = tuple(where.items())
        self._scale = dict(scale)
        self._averaged = averaged

    def __call__(self, arch: Architecture) -> dict[str, float]:
        row_of, values = self._tables
        indices = self._space.to_indices([arch])
        row = row_of.get(indices[0].tobytes())
        if row is None:
            row = self._row_of_network.get(self._space.canonical(indices)[0].tobytes())
        if row is None:
            # The same text for all architectures: failures are counted by their reasons.
            raise EvaluationFailed(
                "the table has no row for it; where many lack one, search "
                "spaces.Pool(space, architectures with a row)"
            )
        return {metric: float(column[row]) for metric, column in values.items()}

    @cached_property
    def _row_of_network(self) -> dict[bytes, int]:
        """Canonical option numbers → row; empty where a network has several rows, for then they are
        listed one by one.
        """
        row_of = self.row_of()
        listed = np.frombuffer(b"".join(row_of), dtype=np.int64).reshape(-1, len(self._space))
        networks = [row.tobytes() for row in self._space.canonical(listed)]
        found = dict(zip(networks, row_of.values(), strict=True))
        return found if len(found) == len(row_of) else {}

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def one_per_network(self) -> bool:
        """Whether no two rows are the same network (`Space.canonical`)."""
        return bool(self._row_of_network)

    def load(self, epochs: int | None = None) -> None:
        """Reads and checks the table, once.

        Raises:
            DataError: It is missing, broken, or not a table of the space's architectures.
        """
        _ = self._tables

    def values(self) -> dict[str, NDArray[np.float64]]:
        return self._tables[1]

    def row_of(self) -> dict[bytes, int]:
        return self._tables[0]

    @cached_property
    def _tables(self) -> tuple[dict[bytes, int], dict[str, NDArray[np.float64]]]:
        path = self._path if isinstance(self._path, Path) else self._path()
        try:
            state = stamp(path)
        except OSError as error:
            raise DataError(
                f"{path}: it can't be opened ({error.strerror}); give the path of the table"
            ) from None
        keys = Keys(
            state, self._key, self._one_per_choice, self._sha256, self._rows,
            self._space.fingerprint, self._space, self._where, self._averaged,
        )  # fmt: skip
        wanted = tuple(self._columns.values())
        _check(keys, wanted)
        numbers = _numbers(keys, wanted)
        row_of, groups = _rows_of(keys)
        if groups is not None:
            numbers = {c: means(values, groups, len(row_of)) for c, values in numbers.items()}
        return row_of, {
            metric: numbers[column] * self._scale.get(metric, 1.0)
            for metric, column in self._columns.items()
        }


def _check(keys: Keys, wanted: tuple[str, ...]) -> None:
    """The checks that need no reading of columns: checksum, format, columns, rows."""
    path = keys.path
    with readable(path):
        if keys.sha256 is not None and checksum(path) != keys.sha256.lower():
            raise DataError(
                f"{path}: its SHA-256 is {checksum(path)}, not {keys.sha256}: it is cut short or "
                "altered; replace it by a whole copy"
            )
    names, rows = names_and_rows(path)
    for column in (*keys.columns, *wanted, *(column for column, _ in keys.where)):
        if column not in names:
            raise DataError(f"{path}: {unknown('column', column, names)}")
    if keys.rows is not None and rows != keys.rows:
        raise DataError(
            f"{path}: it has {rows:,} rows, not {keys.rows:,}: it is cut short or another table; "
            "replace it by a whole copy"
        )
    if rows == 0:
        raise DataError(f"{path}: it has no rows; replace it by a whole copy")


def _read(keys: Keys, columns: tuple[str, ...]) -> Any:
    """The columns of the table's rows."""
    table = read_columns(keys.path, columns)
    chosen = _chosen(keys)
    if chosen is None:
        return table
    first, last = int(chosen[0]), int(chosen[-1])
    if last - first + 1 == len(chosen):  # the usual case, without a copy
        return table.slice(first, len(chosen))
    return table.take(chosen)


@lru_cache(maxsize=CACHED)
def _chosen(keys: Keys) -> NDArray[np.int64] | None:
    """The rows of the file that belong to the table, in order; None for all of them."""
    if not keys.where:
        return None
    table = read_columns(keys.path, tuple(column for column, _ in keys.where))
    chosen = np.ones(len(table), dtype=bool)
    for column, wanted in keys.where:
        numbers, values = encoded(keys.path, table[column])
        matching = [v is not None and loosely(v) == loosely(wanted) for v in values]
        if not any(matching):
            raise DataError(f"{keys.path}: no row where {unknown(column, wanted, values)}")
        chosen &= np.array(matching)[numbers]
    if not chosen.any():
        raise DataError(f"{keys.path}: no row where {dict(keys.where)}; ask for another value")
    return np.flatnonzero(chosen)


def _in_file(keys: Keys, row: int) -> int:
    """A row of the table by its number in the file, as messages name it."""
    chosen = _chosen(keys)
    return row if chosen is None else int(chosen[row])


@lru_cache(maxsize=CACHED)
def _numbers(keys: Keys, columns: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Column → its values, (rows,), NaN where a cell is empty."""
    import pyarrow as pa

    table = _read(keys, columns)
    found = {}
    for name in dict.fromkeys(columns):
        column = table[name]
        try:
            found[name] = floats(column)
        except pa.ArrowException:
            raise DataError(
                f"{keys.path}: column {name!r} holds {column.type}, not numbers; choose another"
            ) from None
        except ValueError as error:
            row, problem = error.args
            raise DataError(
                f"{keys.path}: column {name!r}, row {_in_file(keys, row)}: {problem}; choose "
                "another column, or leave the cell empty where nothing was measured"
            ) from None
    return found


@lru_cache(maxsize=CACHED)
def _rows_of(keys: Keys) -> tuple[dict[bytes, int], NDArray[np.int64] | None]:
    """Option numbers of an architecture, as bytes → its row; and, where rows are averaged, to which
    mean each belongs, (rows,).
    """
    table = _read(keys, keys.columns)
    if keys.one_per_choice:
        indices = _from_columns(keys, table)
    else:
        indices = _from_texts(keys, table[keys.columns[0]])
    allowed = keys.space.valid(indices)
    if not allowed.all():
        row = int(np.flatnonzero(~allowed)[0])
        raise DataError(
            f"{keys.path}: row {_in_file(keys, row)} ({_shown(keys, indices[row])}) is not allowed "
            "in the space; give the space that the table was measured in"
        )
    packed = np.ascontiguousarray(indices).view(f"V{indices.itemsize * indices.shape[1]}")
    row_of = {key: row for row, key in enumerate(packed[:, 0].tolist())}
    if len(row_of) < len(indices) and keys.averaged:
        row_of = {key: number for number, key in enumerate(row_of)}
        return row_of, np.array([row_of[key] for key in packed[:, 0].tolist()])
    if len(row_of) < len(indices):
        row = next(r for r, key in enumerate(packed[:, 0].tolist()) if row_of[key] != r)
        again = row_of[indices[row].tobytes()]
        raise DataError(
            f"{keys.path}: rows {_in_file(keys, row)} and {_in_file(keys, again)} are the same "
            f"architecture ({_shown(keys, indices[row])}); keep one row for "
            "each, or give averaged=True for their means"
        )
    return row_of, None


def _shown(keys: Keys, row: Indices) -> str:
    return keys.space.to_text(keys.space.from_indices(row[None])[0])


def _from_texts(keys: Keys, column: Any) -> Indices:
    """A column of texts as option numbers, (rows, C)."""
    space, lookup = keys.space, keys.space._lookup
    rows: list[list[int]] = []
    for text in column.to_pylist():
        try:
            mapping = space.parse_text(text)
            if len(mapping) != len(lookup):
                raise ValueError("choices that the space does not have")
            rows.append([find(mapping[name]) for name, find in lookup])
        except (ValueError, KeyError, TypeError, AttributeError):
            rows.append(_from_text(keys, len(rows), text))
    return np.array(rows, dtype=np.int64)


def _from_text(keys: Keys, row: int, text: object) -> list[int]:
    """Reads a text that the fast way could not read, or raises an error that says what is wrong."""
    where = f"{keys.path}: column {keys.columns[0]!r}, row {_in_file(keys, row)}"
    if not isinstance(text, str):
        raise DataError(
            f"{where}: {text!r} is no text; give as key a column with the architectures' texts, "
            "or a column for each choice"
        )
    try:
        arch = keys.space.architecture(text)
    except OptiProxyError as error:
        example = keys.space.to_text(keys.space.sample(1)[0])
        raise DataError(
            f"{where}: no architecture of the space ({error}); a text of it reads {example}"
        ) from None
    found: list[int] = keys.space.to_indices([arch])[0].tolist()
    return found


def _from_columns(keys: Keys, table: Any) -> Indices:
    """A column for each choice as option numbers, (rows, C)."""
    return np.stack(
        [
            _options(keys, table[column], column, choice, options)
            for column, (choice, options) in zip(
                keys.columns, keys.space.choices.items(), strict=True
            )
        ],
        axis=1,
    )


def _options(keys: Keys, column: Any, name: str, choice: str, options: Sequence[Option]) -> Indices:
    """One choice's column as option numbers, (rows,). Each different value is converted once."""
    numbers, values = encoded(keys.path, column)
    exact = {exactly(option): i for i, option in enumerate(options)}
    loose: dict[str, list[int]] = {}
    for i, option in enumerate(options):
        loose.setdefault(loosely(option), []).append(i)
    found: list[int] = []
    for value in values:
        # An empty cell is None, or "" where that is an option: not the one that is called "none".
        if value is None and exactly(None) not in exact and exactly("") in exact:
            value = ""
        near = [] if value is None else loose.get(loosely(value), [])
        number = exact.get(exactly(value), near[0] if len(near) == 1 else None)
        if number is None and missing(str(value)):
            number = exact.get(exactly(None))
        if number is None:
            row = _in_file(keys, int(np.flatnonzero(numbers == len(found))[0]))
            problem = unknown(f"option of choice {choice!r}", value, options)
            raise DataError(f"{keys.path}: column {name!r}, row {row}: {problem}")
        found.append(number)
    chosen: Indices = np.array(found, dtype=np.int64)[numbers]
    return chosen
