"""Tasks: a search space, an oracle and its objectives. See `base.Task`.

A registered task is named (`get`), one's own is loaded by ``my_module:task`` or
``path/to/file.py:task`` (`load`), a table is one without any code (`Table`). Importing this package
loads neither torch nor pyarrow, and reads no data.
"""

from optiproxy.tasks import data
from optiproxy.tasks._catalogue import TASKS, CatalogueRow, catalogue
from optiproxy.tasks._loading import Reference, evaluate, get, load
from optiproxy.tasks.base import Task
from optiproxy.tasks.evaluation import Evaluation, evaluation_seed
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.table import Table

__all__ = [
    "TASKS", "CatalogueRow", "Evaluation", "Origin", "Reference", "Table", "Task", "catalogue",
    "data", "evaluate", "evaluation_seed", "get", "load",
]  # fmt: skip
