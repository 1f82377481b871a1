"""Reading columns of tables' files, with errors in the library's own words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError, unknown
from optiproxy.tables import text_files

_MISSING = ("", "nan", "na", "n/a", "null", "none")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow raises for a file that is cut short or no Parquet into a DataError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{path}: it is no readable Parquet file ({reason}); replace it by a whole copy, or "
            "let its name end in .csv, .tsv, .json or .jsonl if it is one"
        ) from None


def names_and_rows(path: Path) -> tuple[list[str], int]:
    """The names of a file's columns, and how many rows it has."""
    if text_files.is_text(path):
        table = text_files.read(path)
        return table.column_names, len(table)
    import pyarrow.parquet as pq

    with readable(path), pq.ParquetFile(path) as file:
        return file.schema_arrow.names, file.metadata.num_rows


def read_columns(path: Path, columns: Iterable[str]) -> Any:
    """Columns of a file, each once, as a pyarrow table.

    Raises:
        DataError: The file can't be read, or lacks a column: another version converted it.
    """
    import pyarrow.parquet as pq

    wanted = list(dict.fromkeys(columns))
    if text_files.is_text(path):
        return text_files.read(path).select(wanted)
    with readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = file.schema_arrow.names
        for column in wanted:
            if column not in names:
                raise DataError(
                    f"{path}: {unknown('column', column, names)}; add the benchmark again"
                )
        # One thread: these tables are small, and workers share the cores.
        return file.read(columns=wanted, use_threads=False)


def floats(column: Any) -> NDArray[np.float64]:
    """A column of numbers, (rows,); NaN where a cell is empty.

    Of texts, ``"72.5 %"`` is 72.5, and what pandas takes for a missing number is an empty cell.
    Numbers of single and half precision are read by their shortest texts (`scalars.to_float`).

    Raises:
        ValueError: A text is no number, or some have a % and others none; (row, problem).
        pyarrow.ArrowException: Its type has no numbers.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _parsed(column.to_pylist())
    small = pa.types.is_float32(column.type) or pa.types.is_float16(column.type)
    kind = column.type.to_pandas_dtype() if small else np.float64
    if not small:
        column = column.cast(pa.float64(), safe=False)
    if column.null_count:
        column = column.fill_null(kind(math.nan))
    numbers = buffers(column, kind)
    if not small:
        return numbers
    whole = numbers == np.round(numbers)  # Exact; the shortest text of a large one is not.
    return np.where(whole, numbers, numbers.astype("U32").astype(np.float64))


def missing(text: str) -> bool:
    """Whether a cell of this text is an empty one, as pandas takes it."""
    return text.strip().lower() in _MISSING


def _parsed(texts: list[str | None]) -> NDArray[np.float64]:
    values = np.full(len(texts), math.nan)
    percent: bool | None = None
    for row, text in enumerate(texts):
        plain = (text or "").strip()
        if missing(plain):
            continue
        number = plain.removesuffix("%")
        try:
            values[row] = float(number)
        except ValueError:
            raise ValueError(row, f"{text!r} is no number") from None
        if percent is not None and percent != (number != plain):
            raise ValueError(row, f"{text!r} where other cells have {'a' if percent else 'no'} %")
        percent = number != plain
    return values


def means(
    values: NDArray[np.float64], groups: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """The mean of each group's finite values, (count,); NaN where it has none."""
    known = np.isfinite(values)
    total = np.bincount(groups[known], values[known], count)
    rows = np.bincount(groups[known], minlength=count)
    averages = np.full(count, np.nan)
    np.divide(total, rows, out=averages, where=rows > 0)
    return averages


def buffers(column: Any, kind: type[np.generic]) -> NDArray[Any]:
    """A column of the type `kind` without empty cells, (rows,).

    The buffers are read as they lie: pyarrow's conversion to numpy imports pandas, 0.2 s.
    """
    dtype = np.dtype(kind)
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    parts = [
        np.frombuffer(
            chunk.buffers()[1], dtype, count=len(chunk), offset=chunk.offset * dtype.itemsize
        )
        for chunk in chunks
    ]
    return np.concatenate(parts)
