"""Methods as tables and figures name them: one of the user's own by its class, not its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import pyarrow as pa

from optiproxy import proxies
from optiproxy.study._method import split

_Row = TypeVar("_Row", bound=Any)

# Where the rows of statistics have a method.
_FIELDS = ("method", "method_a", "method_b")


def labels(methods: Iterable[str]) -> dict[str, str]:
    """Method → its label: ``path/to/mine.py:Method:gp[n_init=5]`` → ``Method:gp[n_init=5]``.

    Those that would have the same label keep their names.
    """
    found = {method: _label(method) for method in methods}
    counts = Counter(found.values())
    return {method: label if counts[label] == 1 else method for method, label in found.items()}


def labelled_table(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Rows of a comparison with the labels of their methods."""
    at = table.column_names.index("method")
    column = pa.array([names[method] for method in table["method"].to_pylist()], pa.string())
    return table.set_column(at, "method", column)


def labelled_rows(rows: Sequence[_Row], names: Mapping[str, str]) -> list[_Row]:
    """Statistics of a comparison with the labels of their methods."""
    return [
        replace(row, **{f.name: names[getattr(row, f.name)] for f in fields(row)
                        if f.name in _FIELDS})
        for row in rows
    ]  # fmt: skip


def _label(method: str) -> str:
    name, proxy = split(method)
    name, bracket, settings = name.partition("[")
    name = name.rpartition(":")[2]
    if proxy is not None:
        name += f":{proxy.rpartition(':')[2] if proxies.is_own(proxy) else proxy}"
    return f"{name}{bracket}{settings}"
