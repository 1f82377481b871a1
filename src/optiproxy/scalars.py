"""The number in what a user's function returned: a plain one, or a container of exactly one."""

from __future__ import annotations

import math
import struct
from typing import Any

# Containers in containers, such as an array in a list; a list that holds itself is deeper.
_DEPTH = 32
# The formats of `struct` for numbers of few digits.
_CODES = {"float32": "f", "float16": "e"}


def to_float(value: Any) -> float:
    """`value` as a float: a number, or an array, tensor, Series or list that holds exactly one.

    >>> to_float([[0.93]])
    0.93

    A number of single or half precision is read as it is written: 3.2, not 3.2000000476837158,
    which would break a limit of 3.2.

    Raises:
        TypeError: It is no number; for a container of several values the message has its shape.
        ValueError: It is a text that is no number.
        OverflowError: It is a whole number too large for a float.
    """
    value = item(value)
    if "complex" in str(getattr(value, "dtype", "")):
        raise TypeError(f"{value!r} is complex")  # float() would drop a part of it.
    return float(_plain(value))


def item(value: Any) -> Any:
    """The only value in a container of one, however nested; any other value as it is.

    Raises:
        TypeError: The container is empty or holds several values; the message has its shape.
    """
    outer = value
    for _ in range(_DEPTH):
        if hasattr(value, "detach"):  # torch warns where a gradient is lost.
            value = value.detach()
        elif hasattr(value, "filled"):  # numpy: what is masked was not measured.
            value = value.astype(float).filled(math.nan)
        shape = _shape(value)
        if shape is None:
            return value
        if math.prod(shape) != 1:
            raise TypeError(f"{type(outer).__name__} of shape {shape}, not one number")
        if isinstance(value, list | tuple):
            value = value[0]
        elif hasattr(value, "item"):  # numpy, torch, JAX, Series
            value = _plain(value)
        elif hasattr(value, "to_numpy"):  # DataFrame
            value = _plain(value.to_numpy())
        elif hasattr(value, "numpy"):  # TensorFlow
            value = _plain(value.numpy())
        else:
            return value
    raise TypeError(f"{type(outer).__name__} nested more than {_DEPTH} deep, not one number")


def _plain(value: Any) -> Any:
    """The number in an array or tensor of one, by its shortest text; anything else as it is."""
    number = value.item() if hasattr(value, "item") else value
    code = _CODES.get(str(getattr(value, "dtype", "")).removeprefix("torch."))
    # Whole numbers are exact, and the shortest text of a large one would have others.
    if code is None or not math.isfinite(number) or number.is_integer():
        return number
    shorter = (float(f"{number:.{digits}g}") for digits in range(1, 10))
    return next(
        (x for x in shorter if struct.unpack(code, struct.pack(code, x))[0] == number), number
    )


def is_number(value: Any) -> bool:
    """Whether it can be read by `to_float`, also if it is a container of several values."""
    return hasattr(value, "__float__") or _shape(value) is not None


def _shape(value: Any) -> tuple[int, ...] | None:
    """The lengths of a container; None for anything else."""
    if isinstance(value, list | tuple):
        return (len(value),)
    shape = getattr(value, "shape", None)
    try:
        found = None if shape is None else tuple(int(size) for size in shape)
    except (TypeError, ValueError):
        return None
    # A scalar of numpy or torch is a number by itself; a 0-d array of objects is not.
    objects = str(getattr(value, "dtype", "")) == "object"
    return None if found == () and not objects else found
