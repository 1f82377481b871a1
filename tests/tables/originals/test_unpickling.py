"""Pickles: what is read, and that nothing is ever run."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
import torch

from optiproxy.errors import DataError
from optiproxy.tables.originals._unpickling import Left, Refused, load, load_torch, plain

VALUES = {
    "text": "å", "bytes": b"\x00\xff", "none": None, "big": 2**80, "real": 1.5, "yes": True,
    ("cifar10", 777): [1, (2, 3), {4}, frozenset({5})],
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
    "array": bytearray(b"xyz"),
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_and_scalars_are_read(protocol: int) -> None:
    value = collections.defaultdict(list, VALUES)
    assert load(io.BytesIO(pickle.dumps(value, protocol))) == VALUES


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3), np.arange(6, dtype=np.int32).reshape(2, 3).T,
        np.array(2.5), np.array([], dtype=np.uint8), np.array([True, False]),
        np.array([1, 2], dtype=">i4"), np.array(["a", "bcd"]), np.array([b"ab", b"c"]),
        np.array([{"arch_str": "x"}, {"arch_str": "y"}], dtype=object),
    ],
)  # fmt: skip
def test_arrays_are_read(array: np.ndarray, protocol: int) -> None:
    found = plain(load(io.BytesIO(pickle.dumps(array, protocol))))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


@pytest.mark.parametrize("scalar", [np.float64(1.25), np.int64(-3), np.float32(0.5), np.True_])
def test_scalars_of_numpy_become_python_s(scalar: np.generic) -> None:
    found = load(io.BytesIO(pickle.dumps({"x": scalar})))["x"]
    assert found == scalar.item()
    assert type(found) is type(scalar.item())


def test_names_of_old_and_new_numpy_are_known() -> None:
    content = pickle.dumps(np.arange(3))
    assert b"numpy._core" in content
    # Numpy before version 2 wrote the shorter name; its length stands before it.
    old = content.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    # A frame's length stands before it too: 9 bytes after the protocol's 2.
    framed = old[:2] + old[11:]
    np.testing.assert_array_equal(plain(load(io.BytesIO(framed))), np.arange(3))


def test_code_is_refused_and_not_run(hostile, tmp_path: Path) -> None:
    content = pickle.dumps({"arch2infos": [1, hostile]})
    name = "posix.system" if os.name == "posix" else "nt.system"
    with pytest.raises(Refused, match=f"names {name}, which could run code"):
        load(io.BytesIO(content))
    assert not (tmp_path / "it-ran").exists()
    pickle.loads(content)  # The attack is one.
    assert (tmp_path / "it-ran").exists()


ATTACKS = {
    "eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "import by attribute": b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR.",
    "nested name": b"\x80\x04\x8c\x08builtins\x8c\x10list.__class__.x\x93.",
    "old instance": b"(S'true'\nios\nsystem\n.",
    "old object": b"(cos\nsystem\nS'true'\no.",
    "new object": b"\x80\x02cbuiltins\nobject\n)\x81.",
    "extension": b"\x80\x02\x82\x01.",
    "numpy's loader": b"cnumpy\nload\n(S'x'\ntR.",
    "codec": b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
    "dtype of records": b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.",
    "torch's loader": b"ctorch\nload\n(S'x'\ntR.",
}


@pytest.mark.parametrize("content", ATTACKS.values(), ids=ATTACKS)
def test_hand_made_attacks_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"could run code|encoding|the type 'V8'|no pickle"):
        load(io.BytesIO(content))


def test_what_a_pickle_sets_does_not_stay() -> None:
    # BUILD with slots on a name that is allowed: an attempt to bend it for the next file.
    content = b"\x80\x02ccollections\nOrderedDict\nN}X\x04\x00\x00\x00evilI1\ns\x86b."
    pickletools.dis(content, io.StringIO())
    with pytest.raises(DataError, match="no pickle"):
        load(io.BytesIO(content))
    assert load(io.BytesIO(pickle.dumps(collections.OrderedDict(a=1)))) == {"a": 1}


def test_a_bent_array_is_refused() -> None:
    content = pickle.dumps(np.arange(4.0), 2)
    longer = content.replace(b"K\x04\x85", b"K\x05\x85")  # Its shape says 5.
    assert longer != content
    with pytest.raises(DataError, match="cut short or no pickle"):
        load(io.BytesIO(longer))


@pytest.mark.parametrize("protocol", [2, 4])
def test_every_truncation_is_told(protocol: int) -> None:
    content = pickle.dumps({"a": [1.5, "text"], "b": np.arange(3)}, protocol)
    for size in range(len(content)):
        with pytest.raises(DataError, match="cut short or no pickle"):
            load(io.BytesIO(content[:size]))


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_are_read_without_their_tensors(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "x.pth"
    value = {"weights": torch.ones(3), "acc": {0: 91.5}, "set": {1, 2}, "np": np.float64(2.5)}
    value["more"] = torch.nn.Parameter(torch.zeros(2, 2))
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    with open(path, "rb") as file:
        found = load_torch(file)
    assert isinstance(found.pop("weights"), Left)
    assert isinstance(found.pop("more"), Left)
    assert found == {"acc": {0: 91.5}, "set": {1, 2}, "np": 2.5}


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_and_truncated_files_of_torch_are_refused(
    hostile, tmp_path: Path, zipped: bool
) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": hostile}, path, _use_new_zipfile_serialization=zipped)
    with open(path, "rb") as file, pytest.raises(Refused, match="could run code"):
        load_torch(file)
    assert not (tmp_path / "it-ran").exists()
    torch.save({"a": list(range(50))}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    for size in range(0, content.rindex(b"K1") if not zipped else len(content) - 1, 7):
        with pytest.raises(DataError, match=r"cut short|written by torch\.save"):
            load_torch(io.BytesIO(content[:size]))


def test_another_zip_is_none_of_torch_s() -> None:
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(DataError, match=r"no data\.pkl"):
        load_torch(content)


def test_altered_pickles_run_nothing_and_are_told(hostile, tmp_path: Path) -> None:
    """Whatever a few bytes say: a value of ours, or a DataError."""
    rng = np.random.default_rng(0)
    # Without those by which Python's own reader may be asked for gigabytes: a place in its memo
    # (LONG_BINPUT), a buffer's size (BYTEARRAY8).
    values = np.setdiff1d(np.arange(256), [0x72, 0x96])
    whole = pickle.dumps({"a": np.arange(5.0), "b": [hostile.trace.name], "c": (1, {2: "x"})}, 2)
    refused = 0
    for _ in range(3000):
        altered = bytearray(whole)
        for at in rng.integers(0, len(whole), size=3):
            altered[at] = rng.choice(values)
        try:
            load(io.BytesIO(bytes(altered)))
        except DataError:
            refused += 1
    assert refused > 1000
    assert not any(tmp_path.iterdir())
