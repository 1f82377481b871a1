"""Reading a pickle without running anything that it names.

A pickle is a program: it may call whatever function it names. Here the names are looked up in a
short list of our own, never imported. Containers become plain ones; numpy's arrays and scalars are
put together from their parts, after a look at each; tensors are left out (benchmark files carry
them as trained weights at most). Every other name is refused, and with it the whole file. What a
large hostile file can still do is to ask for more memory than there is, up to 64 bytes for each of
its own.

The format is that of Python's `pickletools`, the containers around it those of PyTorch
(`torch.save`, the zip archive and the older plain file) and bz2.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import open_member, within

# The first pickle of PyTorch's older plain file (torch/serialization.py).
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
# Tuples in one tuple, in all its depths: theirs have five. Python's stack holds 50,000.
_MOST_NESTED = 10_000
_NUMERIC = re.compile(r"[?]|[biuf][1248]?|[SU][0-9]+|O[48]?")


class Refused(DataError):
    """The pickle names something that is neither a container nor an array."""


class Left:
    """Stands where the file has what we don't read: a tensor, an object of another library.

    `state` is what the file would have given to the object.
    """

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Array:
    """A numpy array or its dtype on its way out of a pickle: `value` is there after its state."""

    __slots__ = ("value",)

    def __init__(self, value: NDArray[Any] | None = None) -> None:
        self.value = value

    def __setstate__(self, state: Any) -> None:
        # (version, shape, dtype, whether in Fortran's order, bytes or a list of objects)
        _, shape, dtype, fortran, content = state
        self.value = _array(content, dtype, shape, "F" if fortran else "C")


class _Dtype:
    __slots__ = ("order", "text")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not _NUMERIC.fullmatch(text):
            raise Refused(f"an array of the type {text!r}")
        self.text, self.order = ("O" if text[0] == "O" else text), "="

    def __setstate__(self, state: Any) -> None:
        order, fields = state[1], state[4]
        if order not in ("<", ">", "=", "|") or fields:
            raise Refused("an array of records")
        self.order = order

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.text == "O":
            return np.dtype("O")
        kind = np.dtype(self.text)
        return kind.newbyteorder(">") if self.order == ">" else kind.newbyteorder("<")


def plain(value: Any) -> Any:
    """What a reader works with: an `Array` as its numpy array, everything else as it is."""
    return value.value if isinstance(value, Array) else value


def load(file: IO[bytes], *, inert: Iterable[str] = ()) -> Any:
    """The next object of a pickle.

    Args:
        file: Open for reading, at the beginning of the pickle.
        inert: Dotted names of classes that the file may name too; `Left` stands for their objects.

    Raises:
        Refused: The pickle names anything else.
        DataError: It is cut short, or no pickle.
    """
    with within(fault="it is cut short or no pickle"):
        return _Unpickler(file, frozenset(inert)).load()


def load_torch(file: IO[bytes]) -> Any:
    """What ``torch.save`` wrote, in either of its two formats; tensors are `Left` out.

    Raises:
        Refused: See `load`.
        DataError: It is cut short, or not written by ``torch.save``.
    """
    if zipfile.is_zipfile(file):
        with within(), zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(names) != 1:
                raise DataError("the archive is none of torch.save's: it has no data.pkl")
            with open_member(archive, names[0]) as content:
                return load(content)
    file.seek(0)
    if load(file) != _TORCH_MAGIC:
        raise DataError("it was not written by torch.save")
    load(file)  # The protocol's version and the machine's number sizes.
    load(file)
    return load(file)


class _Unpickler(pickle._Unpickler):
    """Python's own machine, with fewer steps; the one in C has neither of the limits.

    It takes three times as long: four minutes more for the largest file, which is read once.
    """

    # Of the base class, which declares none.
    stack: list[Any]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    append: Callable[[Any], None]

    def __init__(self, file: IO[bytes], inert: frozenset[str]) -> None:
        super().__init__(file)
        self._inert = inert
        # By identity: tuples of tuples, kept so that no other object gets their identity, and how
        # many tuples each consists of.
        self._nested: dict[int, tuple[tuple[Any, ...], int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle gets for a name: a function of ours, or a token that does nothing."""
        # The first protocols call them as Python 2 did.
        dotted = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if dotted in _KNOWN:
            return _KNOWN[dotted]
        if module == "torch" and name.endswith("Storage"):
            return "storage"
        if dotted in self._inert:
            return type("LeftOut", (Left,), {"__slots__": ()})
        raise Refused(f"the pickle names {dotted}, which could run code")

    def persistent_load(self, pid: Any) -> Any:
        return Left()  # A storage of torch.save's.

    def weigh(self) -> None:
        """Refuses a tuple whose hash would take too long, or too deep a recursion: a crash."""
        inner = [item for item in self.stack[-1] if type(item) is tuple]
        if not inner:
            return
        weight = 1 + sum(self._nested.get(id(item), (item, 1))[1] for item in inner)
        if weight > _MOST_NESTED:
            raise Refused(f"a tuple has {weight:,} tuples in it, more than any benchmark's")
        self._nested[id(self.stack[-1])] = self.stack[-1], weight


def _build(machine: _Unpickler) -> None:
    """Sets an object's state, only where its class is made for that: others must not be changed."""
    state = machine.stack.pop()
    if not isinstance(machine.stack[-1], Left | Array | _Dtype):
        raise Refused("it is no pickle of plain data: it sets attributes")
    machine.stack[-1].__setstate__(state)


def _global(machine: _Unpickler) -> None:
    module, name = machine.readline(), machine.readline()
    if not name.endswith(b"\n"):
        raise EOFError("a name is cut short")
    machine.append(machine.find_class(module[:-1].decode(), name[:-1].decode()))


def _bytearray8(machine: _Unpickler) -> None:
    # Python's own makes the whole array before it reads.
    (size,) = struct.unpack("<Q", machine.read(8))
    machine.append(bytearray(machine.read(size)))


def _weighed(step: Callable[[Any], None]) -> Callable[[Any], None]:
    def weighed(machine: _Unpickler) -> None:
        step(machine)
        machine.weigh()

    return weighed


# Without those that fetch what other code has registered, or buffers from elsewhere.
_LEFT_OUT = b"".join(
    [pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER]
)
_TUPLES = b"".join([pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3])
_Unpickler.dispatch = {
    code: _weighed(step) if code in _TUPLES else step
    for code, step in pickle._Unpickler.dispatch.items()
    if code not in _LEFT_OUT
} | {pickle.BUILD[0]: _build, pickle.BYTEARRAY8[0]: _bytearray8, pickle.GLOBAL[0]: _global}


def _bytes(content: Any = b"", encoding: str = "latin-1") -> bytearray:
    if isinstance(content, str):
        return bytearray(_latin1(content, encoding))
    if isinstance(content, int):
        raise Refused("bytes of a size instead of a content")
    return bytearray(content)


def _default(factory: Any = None, items: Iterable[Any] = ()) -> dict[Any, Any]:
    return dict(items)


def _latin1(text: str, encoding: str = "latin-1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"a text in the encoding {encoding!r}")
    return str(text).encode("latin-1")


def _tensor(*parts: Any) -> Left:
    return Left()


def _dtype(text: str, *flags: Any) -> _Dtype:
    return _Dtype(text)


def _reconstruct(*parts: Any) -> Array:
    return Array()


def _scalar(dtype: _Dtype, content: Any = b"") -> Any:
    return _array(content, dtype, (), "C").item()


def _frombuffer(content: Any, dtype: _Dtype, shape: Any, order: str) -> Array:
    return Array(_array(content, dtype, shape, order))


# Functions and not the types that they make: a pickle can call a type's other methods.
_KNOWN: dict[str, Any] = {
    "builtins.set": lambda values=(): set(values),
    "builtins.frozenset": lambda values=(): set(values),
    "builtins.list": lambda values=(): list(values),
    "builtins.dict": lambda items=(): dict(items),
    "builtins.bytearray": _bytes,
    "builtins.bytes": _bytes,
    "collections.OrderedDict": lambda items=(): dict(items),
    "collections.defaultdict": _default,
    "_codecs.encode": _latin1,
    "numpy.dtype": _dtype,
    "numpy.ndarray": "ndarray",
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _tensor,
    **{
        f"{core}.{name}": function
        for core in ("numpy.core", "numpy._core")
        for name, function in (
            ("multiarray._reconstruct", _reconstruct),
            ("multiarray.scalar", _scalar),
            ("numeric._frombuffer", _frombuffer),
        )
    },
}


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple | list):
        raise Refused("an array without a type and a shape")
    if dtype.text == "O":
        if not isinstance(content, list):
            raise Refused("an array of objects that are no list")
        flat = np.empty(len(content), dtype=object)
        for place, value in enumerate(map(plain, content)):
            if isinstance(value, np.ndarray) and value.dtype == object:
                raise Refused("an array of arrays of objects")  # Freed by a recursion in C.
            flat[place] = value
    else:
        raw = content.encode("latin-1") if isinstance(content, str) else content
        flat = np.frombuffer(raw, dtype.dtype)
    return flat.reshape([int(size) for size in shape], order="F" if order == "F" else "C")
