"""Parquet files that are broken: an error in the library's own words."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optiproxy.errors import DataError
from optiproxy.tables.arrow import floats, read_columns


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    path = tmp_path / "whole.parquet"
    rows = range(200)
    table = pa.table({"number": [float(i) for i in rows], "name": [str(i % 7) for i in rows]})
    pq.write_table(table, path, write_page_checksum=True)
    return path.read_bytes()


def read(path: Path) -> None:
    table = read_columns(path, ["number", "name"])
    floats(table.column("number"))
    table.column("name").to_pylist()


def test_a_column_s_name_that_is_no_text(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(whole.replace(b"number", b"num\xffer"))
    with pytest.raises(DataError, match="no readable Parquet file"):
        read(path)


def test_altered_files_are_read_or_told(tmp_path: Path, whole: bytes) -> None:
    path, draw = tmp_path / "x.parquet", random.Random(0)
    told = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(content))
            content[at : at + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        path.write_bytes(content)
        try:
            read(path)
        except DataError:
            told += 1
    assert told > 200
