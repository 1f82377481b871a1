"""What a benchmark's own file is, and writing what was read from it as Parquet tables."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError

# What is being done, and how far it is, 0 to 1.
Progress = Callable[[str, float], None]

# Rows that are kept in memory before they are written.
BATCH = 20_000


@dataclass(frozen=True)
class Original:
    """A benchmark in the files of its authors.

    Attributes:
        name: By which ``optiproxy data fetch`` knows it.
        files: Its published names, as patterns of `fnmatch`; a folder's name for a folder.
        module: Has ``looks_right(path)``, whether a file's beginning is of this format, and
            ``convert(path, sheets, progress)``.
        tables: The tables that are made of it → how many rows each must have; 0 where the
            publisher does not say.
        description: What it is.
        url: Where it can be downloaded without a browser; empty if nowhere.
        page: Where it can be downloaded by hand.
        sha256: Its checksum, where the publisher gives one.
        size: About how large the download is.
    """

    name: str
    files: tuple[str, ...]
    module: str
    tables: Mapping[str, int]
    description: str
    url: str = ""
    page: str = ""
    sha256: str = ""
    size: str = ""


class Sheet:
    """One table that is being written, batch by batch; all its columns are given at first.

    Args:
        path: The file that is written.
        columns: Column → its type's name in Arrow ("string", "float64", "int32").
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = [pa.field(name, pa.type_for_alias(kind)) for name, kind in columns.items()]
        self._schema = pa.schema(kinds)
        # Page checksums, as the reader of tables verifies them.
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", write_page_checksum=True
        )
        self._rows: list[Sequence[Any]] = []
        self.rows = 0

    def add(self, *row: Any) -> None:
        """One row, in the columns' order; None where a value is missing."""
        self._rows.append(row)
        self.rows += 1
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        arrays = [
            pa.array(values, field.type)
            for field, values in zip(self._schema, zip(*self._rows, strict=True), strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        self._flush()
        self._writer.close()


class Sheets:
    """The tables of one conversion. They appear in `folder` together, when all are written."""

    def __init__(self, unfinished: Path) -> None:
        self._unfinished = unfinished
        self.sheets: dict[str, Sheet] = {}

    def new(self, table: str, columns: Mapping[str, str]) -> Sheet:
        sheet = Sheet(self._unfinished / f"{table}.parquet", columns)
        self.sheets[table] = sheet
        return sheet


def head(path: Path, size: int) -> bytes:
    """The first bytes of a file, fewer if it is shorter; none of what can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


@contextlib.contextmanager
def sheets(folder: Path, rows: Mapping[str, int]) -> Iterator[Sheets]:
    """Tables that are written aside and renamed into `folder` at the end; none if anything fails.

    Args:
        folder: Where they go.
        rows: Table → how many rows it must have; 0 or absent where that is not known.

    Raises:
        DataError: A table has no rows, or not as many as it must have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=".converting-"))
    try:
        made = Sheets(unfinished)
        yield made
        for sheet in made.sheets.values():
            sheet.close()
        empty = [table for table, sheet in made.sheets.items() if not sheet.rows]
        if empty or not made.sheets:
            raise DataError("nothing was measured in it: it is cut short or another file")
        for table, sheet in made.sheets.items():
            if sheet.rows != (rows.get(table) or sheet.rows):
                raise DataError(
                    f"it gives {sheet.rows:,} rows for the table {table}, not {rows[table]:,}: it "
                    "is cut short or not all of the benchmark"
                )
        for table in made.sheets:
            os.replace(unfinished / f"{table}.parquet", folder / f"{table}.parquet")
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
