"""Tasks: a search space, an evaluator and its objectives. See `task.Task`.

A registered task is found by its name (`get`), one's own by ``my_module:task`` or
``path/to/file.py:task`` (`load`); a table is a task without any code (`Table`). Importing this
package loads neither torch nor pyarrow, and reads no data.
"""

from __future__ import annotations

import importlib
from typing import Any

from optiproxy.tasks.evaluation import Evaluation, evaluation_seed, repeated_seed
from optiproxy.tasks.loading import Reference, evaluate, get, load
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.registry import TASKS
from optiproxy.tasks.task import Task

# Names that users know from before tables had a folder of their own, loaded on first use.
_TABLES = {
    "CatalogueRow": ("optiproxy.tables.catalogue", "CatalogueRow"),
    "Table": ("optiproxy.tables.table", "Table"),
    "catalogue": ("optiproxy.tables.catalogue", "catalogue"),
    "data": ("optiproxy.tables.store", ""),
}

__all__ = [
    "TASKS", "Evaluation", "Origin", "Reference", "Task", "evaluate", "evaluation_seed", "get",
    "load", "repeated_seed",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _TABLES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _TABLES[name]
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted([*__all__, *_TABLES])
