"""The rows of a file of the user's own: what `Table` is given to read it by is checked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from optiproxy.errors import invalid, unknown, whole_number
from optiproxy.spaces import Option, Space
from optiproxy.tables.parquet_rows import ParquetRows


def source_of(parquet: object) -> Path | Callable[[], Path]:
    """The file, or the function that finds it.

    Raises:
        InvalidValueError: It is neither.
    """
    if callable(parquet):
        return parquet
    if isinstance(parquet, str | os.PathLike):
        # Absolute: a worker process may have another current directory.
        return Path(parquet).expanduser().absolute()
    raise invalid("Table: parquet", parquet, "give the path of a Parquet, CSV or JSON file")


def rows_of_file(
    space: Space,
    source: Path | Callable[[], Path],
    *,
    key: str | Sequence[str] | Mapping[str, str] | None,
    columns: Mapping[str, str] | Sequence[str] | str | None,
    sha256: str | None,
    rows: int | None,
    where: Mapping[str, Option] | None,
    scale: Mapping[str, float] | None,
    averaged: bool,
) -> ParquetRows:
    """The rows; see `Table` for the arguments.

    Raises:
        InvalidValueError: An argument can't be used.
    """
    metrics = _columns(columns)
    return ParquetRows(
        space,
        source,
        key=_key(space, key),
        one_per_choice=not isinstance(key, str),
        columns=metrics,
        sha256=_sha256(sha256),
        rows=None if rows is None else whole_number("Table: rows", rows),
        where=_where(where),
        scale=_scale(scale, metrics),
        averaged=averaged,
    )


def _sha256(digits: object) -> str | None:
    if digits is None or (isinstance(digits, str) and len(digits) == 64):
        return digits
    raise invalid("Table: sha256", digits, "give 64 hexadecimal digits, or leave it out")


def _columns(columns: Mapping[str, str] | Sequence[str] | str | None) -> dict[str, str]:
    """Metric → column."""
    if isinstance(columns, str):
        columns = [columns]
    if not isinstance(columns, Mapping | Sequence) or not columns:
        raise invalid("Table: columns", columns, "give metric → column, or a list of columns")
    pairs = columns if isinstance(columns, Mapping) else {column: column for column in columns}
    for metric, column in pairs.items():
        if not isinstance(metric, str) or not isinstance(column, str) or not metric:
            raise invalid("Table: columns", columns, "give names: metric → column")
    return dict(pairs)


def _key(space: Space, key: str | Sequence[str] | Mapping[str, str] | None) -> tuple[str, ...]:
    """The key columns, in the choices' order."""
    remedy = "give a column's name, a list with a column for each choice, or choice → column"
    if isinstance(key, str):
        return (key,)
    if isinstance(key, Mapping):
        for choice in key:
            if choice not in space.choices:
                raise unknown("Table: key: choice", choice, space.names)
        missing = [choice for choice in space.names if choice not in key]
        if missing:
            raise invalid("Table: key", dict(key), f"name a column for {', '.join(missing)} too")
        key = [key[choice] for choice in space.names]
    if not isinstance(key, Sequence) or not all(isinstance(column, str) for column in key):
        raise invalid("Table: key", key, remedy)
    if len(key) != len(space):
        raise invalid(
            "Table: key", list(key), f"give {len(space)} columns, for {', '.join(space.names)}"
        )
    if len(set(key)) < len(key):
        raise invalid("Table: key", list(key), "a column stands twice; name one for each choice")
    # Columns that have the choices' names are theirs, in whatever order they are listed.
    return tuple(space.names) if set(key) == set(space.names) else tuple(key)


def _where(where: Mapping[str, Option] | None) -> dict[str, Option]:
    if where is None:
        return {}
    if not isinstance(where, Mapping) or not all(isinstance(column, str) for column in where):
        raise invalid("Table: where", where, "give column → value")
    for column, value in where.items():
        if not isinstance(value, str | int | float):
            raise invalid(f"Table: where: {column}", value, "give a text, a number or a boolean")
    return dict(where)


def _scale(scale: Mapping[str, float] | None, metrics: Mapping[str, str]) -> dict[str, float]:
    if scale is None:
        return {}
    if not isinstance(scale, Mapping):
        raise invalid("Table: scale", scale, "give metric → factor")
    for metric, factor in scale.items():
        if metric not in metrics:
            raise unknown("Table: scale", metric, metrics)
        known = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not known or not math.isfinite(factor) or factor == 0:
            raise invalid(f"Table: scale: {metric}", factor, "give a finite number other than 0")
    return {metric: float(factor) for metric, factor in scale.items()}
