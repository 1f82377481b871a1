"""Tasks that answer by look-up: the rows, where the files lie, and one file for each benchmark.

Importing this package loads neither torch nor pyarrow, and reads no data.
"""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {
    "CatalogueRow": ("optiproxy.tables.catalogue", "CatalogueRow"),
    "Table": ("optiproxy.tables.table", "Table"),
    "catalogue": ("optiproxy.tables.catalogue", "catalogue"),
    "store": ("optiproxy.tables.store", ""),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found
