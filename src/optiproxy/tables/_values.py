"""The different values of a column, and which of them are the same option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.tables.arrow import buffers, readable


def encoded(path: Path, column: Any) -> tuple[NDArray[np.int32], list[Any]]:
    """A column as numbers, (rows,), and the different values that they stand for."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    with readable(path):
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
    values = encoded.dictionary.to_pylist()
    if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
        # The shortest text of a single: 0.1, not 0.10000000149.
        short = column.type.to_pandas_dtype()
        values = [None if value is None else float(str(short(value))) for value in values]
    return buffers(encoded.indices, np.int32), values


# Not a whole number of many digits, which a float would round.
_NUMBER = re.compile(r"[+-]?(\d{1,15}|\d*\.\d+|\d+\.)(e[+-]?\d{1,3})?")


def exactly(value: object) -> tuple[type, object]:
    """A key by which 3, 3.0 and "3" differ."""
    try:
        hash(value)
    except TypeError:
        value = repr(value)
    return type(value), value


def loosely(value: object) -> str:
    """The same text for 3, 3.0 and "3", for 0.1 and "0.100", and for True, "true" and 1."""
    text = str(value).strip().lower()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number.is_integer() and abs(number) < 1e15:
            return str(int(number))
        return repr(number)
    return {"true": "1", "false": "0"}.get(text, text)
