"""NAS-Bench-101's TFRecord file, written here in the published layout."""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
from pathlib import Path

import pytest

from optiproxy.errors import DataError
from optiproxy.tables import originals
from optiproxy.tables.originals._tfrecord import masked_crc32c


def framed(*texts: bytes) -> bytes:
    """A TFRecord file with these records."""
    parts = []
    for text in texts:
        length = struct.pack("<Q", len(text))
        sums = masked_crc32c([length, text])
        parts += [length, struct.pack("<I", sums[0]), text, struct.pack("<I", sums[1])]
    return b"".join(parts)


ADJACENCY = "0110000100010000"
HASH = b"ab" * 16
OPERATIONS = "input,conv3x3-bn-relu,maxpool3x3,output"


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def record(
    hash_: str, val: float, test: float, epochs: int = 108, params: int = 8_555_530
) -> bytes:
    """A record as `nasbench.api` reads it: start, half way and end of one training."""
    evaluations = b"".join(
        _message(
            1,
            _double(1, epochs * part)  # the epoch
            + _double(2, 1000 * part)  # seconds
            + _double(3, 1.0 * part) + _double(4, val * part) + _double(5, test * part)
            + _message(6, b"/checkpoint"),
        )
        for part in (0.0, 0.5, 1.0)
    )  # fmt: skip
    metrics = evaluations + _varint(2 << 3) + _varint(params) + _double(3, 1234.5)
    listed = [hash_, epochs, ADJACENCY, OPERATIONS, base64.b64encode(metrics).decode()]
    return json.dumps(listed).encode()


def test_trainings_of_a_graph_are_averaged(tmp_path: Path, convert) -> None:
    path = tmp_path / "nasbench_only108.tfrecord"
    a, b = "a" * 32, "b" * 32
    path.write_bytes(
        framed(
            record(a, 0.90, 0.89), record(b, 0.5, 0.25), record(a, 0.92, 0.90),
            record(b, 0.5, 0.75), record(a, 0.94, 0.91),
        )
    )  # fmt: skip
    rows = {row["hash"]: row for row in convert("nasbench101", path)["nasbench101"]}
    assert rows[a] == {
        "hash": a, "hash_high": int("a" * 16, 16), "hash_low": int("a" * 16, 16),
        "epochs": 108, "vertices": 4, "adjacency": ADJACENCY, "operations": OPERATIONS,
        "params": 8_555_530, "val_accuracy": pytest.approx(92), "test_accuracy": pytest.approx(90),
        "train_accuracy": 100.0, "train_seconds": 1000.0,
        "halfway_val_accuracy": pytest.approx(46), "halfway_test_accuracy": pytest.approx(45),
        "trainings": 3, "val_accuracy_0": 90.0, "val_accuracy_1": 92.0, "val_accuracy_2": 94.0,
        "test_accuracy_0": 89.0, "test_accuracy_1": 90.0, "test_accuracy_2": 91.0,
    }  # fmt: skip
    assert (rows[b]["trainings"], rows[b]["test_accuracy"]) == (2, 50.0)
    assert rows[b]["test_accuracy_2"] is None


def test_epochs_have_rows_of_their_own(tmp_path: Path, convert) -> None:
    path = tmp_path / "nasbench_full.tfrecord"
    texts = [record("a" * 32, e / 200, 0.5, epochs=e) for e in (4, 12, 36, 108) for _ in range(3)]
    path.write_bytes(framed(*texts))
    rows = convert("nasbench101-full", path)["nasbench101"]
    assert [(row["epochs"], row["val_accuracy"]) for row in rows] == [
        (4, pytest.approx(2)), (12, pytest.approx(6)), (36, pytest.approx(18)),
        (108, pytest.approx(54)),
    ]  # fmt: skip


def test_a_file_cut_between_two_records_lacks_rows(tmp_path: Path, nothing_left) -> None:
    path = tmp_path / "nasbench_only108.tfrecord"
    path.write_bytes(framed(*[record("a" * 32, 0.9, 0.9)] * 3))
    known = originals.original("nasbench101")
    with pytest.raises(DataError, match=r"gives 1 rows for the table nasbench101, not 423,624"):
        originals.convert(known, path, tmp_path / "tables", lambda *_: None)
    assert nothing_left()
    known = dataclasses.replace(known, tables={"nasbench101": 1})
    originals.convert(known, path, tmp_path / "tables", lambda *_: None)
    assert not nothing_left()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (framed(record("a" * 32, 0.9, 0.9))[:-9], "cut short in record 0"),
        (framed(record("a" * 32, 0.9, 0.9), b"[1, 2]"), "record 1 is none of NAS-Bench-101's"),
        (framed(b'["%s", 108, "011", "x,y", ""]' % HASH), "record 0 is none"),
        (framed(b'["%s", 108, "0100", "x,y", "!"]' % HASH), "record 0 is none"),
        (framed(b'["%s", 108, "0100", "x,y", "AAAA"]' % HASH), r"protobuf message|lacks what was"),
        (framed(b'["%s", 108, "0100", "x,y", ""]' % HASH), "record 0 lacks what was measured"),
        (b"", "nothing was measured in it"),
    ],
)
def test_broken_files_are_told(
    tmp_path: Path, convert, nothing_left, content: bytes, message: str
) -> None:
    path = tmp_path / "nasbench_only108.tfrecord"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"only108.tfrecord: .*{message}.*nothing was conv"):
        convert("nasbench101", path)
    assert nothing_left()


def test_it_is_recognised_by_name_and_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "nasbench_only108 (1).tfrecord"
    path.write_bytes(framed(record("a" * 32, 0.9, 0.9)))
    assert originals.recognise(path) == originals.original("nasbench101")
    path.write_bytes(b"<html>not found</html>")
    assert originals.recognise(path) is None
    path.rename(tmp_path / "other.tfrecord")
    assert originals.recognise(tmp_path / "other.tfrecord") is None
