"""Broken and hostile files: every reader answers with a DataError, and takes little memory for it.

The fuzz tests alter small whole files of every format, at the container and inside of it; they draw
the same files in each run.
"""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import io
import pickle
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tables.originals import (
    test_hw_nas_bench,
    test_nasbench101,
    test_nasbench201,
    test_nasbench301,
    test_nasbench_nlp,
    test_transnas,
)

from optiproxy.errors import DataError
from optiproxy.tables import originals
from optiproxy.tables.originals._contents import FLOOR
from optiproxy.tables.originals._tfrecord import records
from optiproxy.tables.originals._unpickling import load

Wrap = Callable[[bytes], bytes]


def _zipped(name: str, method: int = zipfile.ZIP_DEFLATED) -> Wrap:
    def wrap(content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.writestr(name, content)
        return out.getvalue()

    return wrap


def _tarred(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("NATS/000000.pickle.pbz2")
        packed = bz2.compress(content)
        member.size = len(packed)
        archive.addfile(member, io.BytesIO(packed))
    return out.getvalue()


def _torch_plain(value: object) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def _booster(place: str, handle: object) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        return test_nasbench301.pickled(patch, place, handle=handle, best_iteration=0)


_CELL = test_nasbench201.results(0, 12, test_nasbench201.LESS)
_NB201 = {"arch2infos": {0: {"less": _CELL}, 1: {"12": _CELL}}}
_XGB, _LGB = "xgb_v1.0/0/surrogate_model.model", "lgb_runtime_v1.0/0/surrogate_model.model"

# Original → its file's name, what is in its container, and the container.
FILES: dict[str, tuple[str, str, bytes, Wrap]] = {
    "hw": (
        "hw-nas-bench", "HW-NAS-Bench-v1_0.pickle", pickle.dumps(test_hw_nas_bench.whole()), bytes
    ),
    "nb101": (
        "nasbench101", "nasbench_only108.tfrecord", test_nasbench101.record("a" * 32, 0.9, 0.8),
        test_nasbench101.framed,
    ),
    "nb201 zip": (
        "nb201-v1-1", "NAS-Bench-201-v1_1-096897.pth", pickle.dumps(_NB201, 2),
        _zipped("archive/data.pkl", zipfile.ZIP_STORED),
    ),
    "nb201 plain": (
        "nb201-v1-1", "NAS-Bench-201-v1_1-096897.pth", _torch_plain(_NB201), bytes
    ),
    "nats": (
        "nats-tss", "NATS-tss-v1_0-3ffb9.pickle.pbz2", pickle.dumps(_NB201, 4), bz2.compress
    ),
    "nats tar": (
        "nats-tss", "NATS-tss-v1_0-3ffb9-simple.tar", pickle.dumps({"12": _CELL}, 4), _tarred
    ),
    "xgb binary": (
        "nasbench301", "models_1.0.zip",
        _booster("xgboost.core", bytearray(test_nasbench301.binary())), _zipped(_XGB),
    ),
    "xgb json": (
        "nasbench301", "models_1.0.zip",
        _booster(
            "xgboost.core", bytearray(test_nasbench301.snapshot(test_nasbench301.learner()))
        ),
        _zipped(_XGB, zipfile.ZIP_LZMA),
    ),
    "lgb": (
        "nasbench301", "models_1.0.zip", _booster("lightgbm.basic", test_nasbench301.TEXT),
        _zipped(_LGB, zipfile.ZIP_BZIP2),
    ),
    "nlp": (
        "nasbench-nlp", "logs.zip", test_nasbench_nlp.log(7, [6.0, 5.0]), _zipped("a/log.json")
    ),
    "transnas": (
        "transnas-bench-101", "transnas-bench_v10141024.pth",
        pickle.dumps(test_transnas.whole(), 2), _zipped("x/data.pkl"),
    ),
}  # fmt: skip


def convert(name: str, file: str, content: bytes) -> None:
    """Converts the content as the file of an original, whatever number of rows it has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        path.write_bytes(content)
        originals.recognise(path)
        known = dataclasses.replace(originals.original(name), tables={})
        originals.convert(known, path, Path(folder, "tables"), lambda *_: None)


@pytest.mark.parametrize("base", FILES)
def test_the_files_that_are_altered_below_are_whole(base: str) -> None:
    name, file, content, wrap = FILES[base]
    convert(name, file, wrap(content))


# Places as parts of the length; bytes, among them a pickle's that ask for room or build tuples.
_PLACE = st.floats(0, 1, exclude_max=True)
_BYTES = st.one_of(
    st.binary(min_size=1, max_size=12), st.sampled_from([b"r", b"\x96", b"\x85", b"b", b"(", b"0"])
)
_EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "delete", "copy", "cut"]), _PLACE, _PLACE, _BYTES),
    min_size=1,
    max_size=6,
)


def _altered(content: bytes, edits: list[tuple[str, float, float, bytes]]) -> bytes:
    for kind, at, other, text in edits:
        start, size = int(at * len(content)), len(text)
        copied = content[int(other * len(content)) :][:64]
        before, after = content[:start], content[start:]
        content = {
            "set": before + text + after[size:],
            "insert": before + text + after,
            "delete": before + after[size:],
            "copy": before + copied + after,
            "cut": before if other < 0.2 else content,
        }[kind]
    return content


def _fuzz(base: str, inside: bool, edits: list[tuple[str, float, float, bytes]]) -> None:
    name, file, content, wrap = FILES[base]
    changed = wrap(_altered(content, edits)) if inside else _altered(wrap(content), edits)
    with contextlib.suppress(DataError):
        convert(name, file, changed)


_fuzzed = given(base=st.sampled_from(list(FILES)), inside=st.booleans(), edits=_EDITS)
_SETTINGS = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@settings(_SETTINGS, max_examples=150)
@_fuzzed
def test_altered_files_are_read_or_told(base: str, inside: bool, edits: list) -> None:
    _fuzz(base, inside, edits)


@pytest.mark.slow
@settings(_SETTINGS, max_examples=2000)
@_fuzzed
def test_many_altered_files_are_read_or_told(base: str, inside: bool, edits: list) -> None:
    _fuzz(base, inside, edits)


@contextlib.contextmanager
def _little_memory(most: int = 2 * FLOOR) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


_DEEP = 1_000_000
HUNGRY = {
    "nested tuples as a key": b"\x80\x04}N" + b"\x85" * _DEEP + b"Ns.",
    "nested tuples in a set": b"\x80\x04\x8f(N" + b"\x85" * _DEEP + b"\x90.",
    "tuples that double": b"\x80\x04}N\x85" + b"2\x86" * 60 + b"Ns.",
    "a place in the memo": b"\x80\x02Nr\xff\xff\xff\xff",
    "a size without a content": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "bytes of a size": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + b"\0" * 5 + b"\x01\x85R.",
    "a function's attribute": b"\x80\x02cbuiltins\nset\n}X\x01\0\0\0ai\x01b.",
    "a function's attribute, by slots": b"\x80\x02cbuiltins\nset\nN}X\x01\0\0\0aK\x01s\x86b.",
}


@pytest.mark.parametrize("content", HUNGRY.values(), ids=HUNGRY)
def test_what_would_fill_the_memory_or_bend_the_reader_is_refused(content: bytes) -> None:
    with _little_memory(), pytest.raises(DataError):
        load(io.BytesIO(content))


def test_nested_values_that_are_no_keys_are_read() -> None:
    lists = b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."
    assert len(load(io.BytesIO(lists))) == 1


@pytest.mark.parametrize("name", ["models_1.0.zip", "logs.zip"])
def test_a_small_zip_of_much_is_neither_read_nor_recognised_by_reading_it(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    member = "x.json" if name == "logs.zip" else _XGB
    path.write_bytes(_zipped(member)(b" " * (FLOOR + 1)))
    known = originals.original("nasbench-nlp" if name == "logs.zip" else "nasbench301")
    with _little_memory():
        originals.recognise(path)
        with pytest.raises(DataError, match="packed bytes unpack to"):
            originals.convert(known, path, tmp_path / "tables", lambda *_: None)


def test_a_small_bz2_of_much_is_told() -> None:
    text = b"X" + struct.pack("<I", FLOOR) + b" " * FLOOR + b"."
    with pytest.raises(DataError, match="packed bytes unpack to"):
        convert("nats-tss", "NATS-tss-v1_0-3ffb9.pickle.pbz2", bz2.compress(text))


@pytest.mark.slow
def test_one_long_record_among_short_ones_takes_its_own_room() -> None:
    long = test_nasbench101.framed(b" " * 50_000, *[b"x"] * 8000)
    with _little_memory(4 * FLOOR):  # All of that length would take 800 MB with a copy.
        assert sum(1 for _ in records(io.BytesIO(long))) == 8001


def _flagged(content: bytes, flag: int = 0, method: int | None = None) -> bytes:
    """A zip whose first member says that it is encrypted, or packed by another method."""
    out = bytearray(content)
    for start, at in ((0, 6), (content.index(b"PK\1\2"), 8)):
        out[start + at] |= flag
        if method is not None:
            out[start + at + 2] = method
    return bytes(out)


_DEEP_JSON = b'{"recepie": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
_LOG = _zipped("a.json")(test_nasbench_nlp.log(7, [6.0]))
TOLD = {
    "encrypted": ("nasbench-nlp", "logs.zip", _flagged(_LOG, flag=1), "encrypted"),
    "packed otherwise": (
        "nasbench-nlp", "logs.zip", _flagged(_LOG, method=97), "compression method"
    ),
    "deep JSON": ("nasbench-nlp", "logs.zip", _zipped("a.json")(_DEEP_JSON), "a.json"),
    "a number too large for a column": (
        "nasbench-nlp", "logs.zip",
        _zipped("a.json")(test_nasbench_nlp.log(1 << 70, [6.0])), "log",
    ),
    "a cell called by a text": (
        "nats-tss", "NATS-tss-v1_0-3ffb9.pickle.pbz2",
        bz2.compress(pickle.dumps({"arch2infos": {"first": {"12": _CELL}}})), "invalid literal",
    ),
    "a cell beyond all numbers": (
        "nats-tss", "NATS-tss-v1_0-3ffb9.pickle.pbz2",
        bz2.compress(pickle.dumps({"arch2infos": {1 << 40: {"12": _CELL}}})), "altered",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "file", "content", "message"), TOLD.values(), ids=TOLD)
def test_what_the_libraries_raise_is_told(
    name: str, file: str, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=f"{message}.*nothing was converted"):
        convert(name, file, content)
