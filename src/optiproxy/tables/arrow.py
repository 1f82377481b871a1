"""Reading columns of Parquet files, with errors in the library's own words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError, unknown


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow raises for a file that is cut short or no Parquet into a DataError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        remedy = "replace it by a whole copy"
        if path.suffix.lower() == ".csv":
            remedy = (
                "convert it with pandas: read_csv(FILE).to_parquet(OTHER_FILE), where an option "
                "is called None or NA with keep_default_na=False"
            )
        raise DataError(f"{path}: it is no readable Parquet file ({reason}); {remedy}") from None


def read_columns(path: Path, columns: Iterable[str]) -> Any:
    """Columns of a Parquet file, each once, as a pyarrow table.

    Raises:
        DataError: The file can't be read, or lacks a column: another version converted it.
    """
    import pyarrow.parquet as pq

    wanted = list(dict.fromkeys(columns))
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
    """A column of numbers, (rows,); NaN where a cell is empty."""
    import pyarrow as pa

    if not pa.types.is_float64(column.type):
        column = column.cast(pa.float64(), safe=False)
    if column.null_count:
        column = column.fill_null(math.nan)
    return buffers(column, np.float64)


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
