"""Reading a pickle without running anything that it names.

A pickle is a program: it may call whatever function it names. Here the names are looked up in a
short list of our own, never imported. Containers become plain ones; numpy's arrays and scalars are
put together from their parts, after a look at each; tensors are left out (benchmark files carry
them as trained weights at most). Every other name is refused, and with it the whole file. What a
hostile file can still do is to ask for more memory than there is.

The format is that of Python's `pickletools`, the containers around it those of PyTorch
(`torch.save`, the zip archive and the older plain file) and bz2.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Iterable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError

# The first pickle of PyTorch's older plain file (torch/serialization.py).
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
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
    try:
        return _Unpickler(file, frozenset(inert)).load()
    except DataError:
        raise
    except MemoryError:
        raise DataError("it does not fit into memory") from None
    except Exception as error:
        # A broken pickle raises almost anything.
        raise DataError(f"it is cut short or no pickle ({type(error).__name__}: {error})") from None


def load_torch(file: IO[bytes]) -> Any:
    """What ``torch.save`` wrote, in either of its two formats; tensors are `Left` out.

    Raises:
        Refused: See `load`.
        DataError: It is cut short, or not written by ``torch.save``.
    """
    if zipfile.is_zipfile(file):
        try:
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                if len(names) != 1:
                    raise DataError("the archive is none of torch.save's: it has no data.pkl")
                with archive.open(names[0]) as content:
                    return load(io.BufferedReader(content))  # type: ignore[type-var]
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"it is cut short or altered ({error})") from None
    file.seek(0)
    if load(file) != _TORCH_MAGIC:
        raise DataError("it was not written by torch.save")
    load(file)  # The protocol's version and the machine's number sizes.
    load(file)
    return load(file)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], inert: frozenset[str]) -> None:
        super().__init__(file)
        self._inert = inert
        self._known: dict[str, Any] = {
            "builtins.set": self._set,
            "builtins.frozenset": self._set,
            "builtins.list": self._list,
            "builtins.dict": self._dict,
            "builtins.bytearray": self._bytes,
            "builtins.bytes": self._bytes,
            "collections.OrderedDict": self._dict,
            "collections.defaultdict": self._default,
            "_codecs.encode": self._latin1,
            "numpy.dtype": self._dtype,
            "numpy.ndarray": "ndarray",
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": self._tensor,
        }
        for core in ("numpy.core", "numpy._core"):
            self._known[f"{core}.multiarray._reconstruct"] = self._reconstruct
            self._known[f"{core}.multiarray.scalar"] = self._scalar
            self._known[f"{core}.numeric._frombuffer"] = self._frombuffer

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle gets for a name: a method of ours, or a token that does nothing.

        Methods, since nothing that a pickle sets on them stays; classes are made anew each time.
        """
        # The first protocols call them as Python 2 did.
        dotted = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if dotted in self._known:
            return self._known[dotted]
        if module == "torch" and name.endswith("Storage"):
            return "storage"
        if dotted in self._inert:
            return type("LeftOut", (Left,), {"__slots__": ()})
        raise Refused(f"the pickle names {dotted}, which could run code")

    def persistent_load(self, pid: Any) -> Any:
        return Left()  # A storage of torch.save's.

    def _set(self, values: Iterable[Any] = ()) -> set[Any]:
        return set(values)

    def _list(self, values: Iterable[Any] = ()) -> list[Any]:
        return list(values)

    def _bytes(self, content: Any = b"", encoding: str = "latin-1") -> bytearray:
        return bytearray(self._latin1(content, encoding) if isinstance(content, str) else content)

    def _dict(self, items: Iterable[Any] = ()) -> dict[Any, Any]:
        return dict(items)

    def _default(self, factory: Any = None, items: Iterable[Any] = ()) -> dict[Any, Any]:
        return dict(items)

    def _latin1(self, text: str, encoding: str = "latin-1") -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise Refused(f"a text in the encoding {encoding!r}")
        return str(text).encode("latin-1")

    def _tensor(self, *parts: Any) -> Left:
        return Left()

    def _dtype(self, text: str, *flags: Any) -> _Dtype:
        return _Dtype(text)

    def _reconstruct(self, *parts: Any) -> Array:
        return Array()

    def _scalar(self, dtype: _Dtype, content: Any = b"") -> Any:
        return _array(content, dtype, (), "C").item()

    def _frombuffer(self, content: Any, dtype: _Dtype, shape: Any, order: str) -> Array:
        return Array(_array(content, dtype, shape, order))


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple | list):
        raise Refused("an array without a type and a shape")
    if dtype.text == "O":
        if not isinstance(content, list):
            raise Refused("an array of objects that are no list")
        flat = np.empty(len(content), dtype=object)
        flat[:] = [plain(value) for value in content]
    else:
        raw = content.encode("latin-1") if isinstance(content, str) else content
        flat = np.frombuffer(raw, dtype.dtype)
    return flat.reshape([int(size) for size in shape], order="F" if order == "F" else "C")
