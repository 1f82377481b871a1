"""Tables as text: CSV, TSV, JSON and JSON lines. Every cell becomes a text, an empty one None."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError

Columns = dict[str, list[str | None]]


def is_text(path: Path) -> bool:
    """Whether the file's ending says that it is one of these formats."""
    return path.suffix.lower() in _READERS


def read(path: Path) -> Any:
    """A whole file as a pyarrow table of texts.

    A JSON file holds a list of objects, one a row, or an object with a list for each column (or an
    object, row → value, as pandas writes it); ``.jsonl`` has an object a line.

    Raises:
        DataError: The file can't be read, or is no table; the message names the line or column.
    """
    import pyarrow as pa

    try:
        columns = _READERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path}: it can't be read ({error.strerror})") from None
    except (ValueError, csv.Error, RecursionError) as error:  # Also of bytes that are no UTF-8.
        raise DataError(f"{path}: it is no readable table ({error}); mend or replace it") from None
    if not columns:
        raise DataError(f"{path}: it is empty; replace it by a whole copy")
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"{path}: its columns have {sorted(lengths)} rows; make them equal")
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def _separated(delimiter: str, path: Path) -> Columns:
    with path.open(encoding="utf-8-sig", newline="") as file:  # Excel begins a file with a mark.
        lines = csv.reader(file, delimiter=delimiter)
        names = next(lines, [])
        if delimiter == "," and len(names) == 1 and ";" in names[0]:
            raise ValueError("its cells are separated by semicolons: save it with commas")
        if len(set(names)) < len(names):
            raise ValueError("two of its columns have the same name")
        columns: Columns = {name: [] for name in names}
        for line in filter(None, lines):
            if len(line) != len(names):
                raise ValueError(
                    f"line {lines.line_num} has {len(line)} cells, the first line {len(names)}"
                )
            for cells, cell in zip(columns.values(), line, strict=True):
                cells.append(cell.strip() or None)
    return columns


def _json(path: Path) -> Columns:
    content = json.loads(path.read_text("utf-8-sig"))
    if isinstance(content, list):
        return _rows(content)
    if not isinstance(content, dict) or not all(
        isinstance(c, list | dict) for c in content.values()
    ):
        raise ValueError("give a list of objects, one a row, or an object with a list a column")
    lists = {n: list(c.values()) if isinstance(c, dict) else c for n, c in content.items()}
    return {name: list(map(_text, cells)) for name, cells in lists.items()}


def _json_lines(path: Path) -> Columns:
    with path.open(encoding="utf-8-sig") as file:
        return _rows(json.loads(line) for line in file if line.strip())


def _rows(rows: Iterable[Any]) -> Columns:
    """Rows as columns; a row need not have all of them."""
    rows = list(rows)
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a row is no object, column → value")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_text(row.get(name)) for row in rows] for name in names}


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


_READERS: dict[str, Callable[[Path], Columns]] = {
    ".csv": partial(_separated, ","),
    ".tsv": partial(_separated, "\t"),
    ".json": _json,
    ".jsonl": _json_lines,
}
