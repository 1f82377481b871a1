"""Architectures in the forms that the authors' code hands over, as plain data.

Plain data are mappings, lists, text, numbers, booleans and None. `Space.parse_form` reads them.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

_DEPTH = 20
_LONGEST = 100_000  # characters of a text
_MANY = 1_000  # numbers of a range
# What such a function returns is printed as its argument.
_CONVERSIONS = ("int", "uint", "float", "bool", "str", "array", "tensor", "list", "tuple", "dict")


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """Named tuples become mappings, tuples and arrays lists, and numpy's numbers Python's."""
    if depth and hasattr(value, "tolist"):  # arrays, tensors and their numbers
        return plain(value.tolist(), depth - 1)
    if depth and hasattr(value, "_asdict"):
        value = value._asdict()
    if depth and isinstance(value, Mapping):
        return {name: plain(inner, depth - 1) for name, inner in value.items()}
    if depth and isinstance(value, range):
        value = value[:_MANY]
    if depth and isinstance(value, list | tuple | range):
        return [plain(inner, depth - 1) for inner in value]
    return value


def literal(text: str) -> Any:
    """The plain data in a text: JSON, or what Python prints.

    ``NAME = …`` is read as its value, ``Genotype(normal=…)`` and ``genotypes.Genotype(normal=…)``
    as a mapping of the arguments, ``np.int64(3)`` as its argument, ``range(2, 6)`` as a list. The
    text is parsed and never run.

    Raises:
        ValueError: It is neither.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = str(error)
    try:
        if len(text) > _LONGEST:
            raise ValueError
        (line,) = ast.parse(text.strip()).body
        return _value(line.value)  # type: ignore[attr-defined]
    except _BadArgument as error:
        raise ValueError(f"{error} must be numbers, text, or a list or range of them") from None
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        raise ValueError(problem) from None


class _BadArgument(Exception):
    """An argument of a call that is no plain data."""


def _value(node: Any) -> Any:
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(part) for part in node.elts]
    if isinstance(node, ast.Dict):
        return {_value(k): _value(v) for k, v in zip(node.keys, node.values, strict=True)}
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = getattr(node.func, "id", getattr(node.func, "attr", None))
    arguments = [_value(part) for part in node.args]
    if name == "range":
        return list(range(*arguments)[:_MANY])
    if node.keywords and not arguments:
        return {str(keyword.arg): _argument(keyword) for keyword in node.keywords}
    if len(arguments) == 1 and not node.keywords and str(name).startswith(_CONVERSIONS):
        return arguments[0]
    if len(arguments) < 2 or node.keywords:
        raise ValueError
    return arguments


def _argument(keyword: ast.keyword) -> Any:
    try:
        return _value(keyword.value)
    except (ValueError, TypeError):
        raise _BadArgument(keyword.arg) from None
