"""The optimiser, pure ask/tell: no files, no clock, no Optuna."""

import importlib
from typing import Any

from optiproxy.search.base import Optimizer
from optiproxy.search.history import Query

__all__ = ["Optimizer", "Query"]


def __getattr__(name: str) -> Any:
    if name == "METHODS":  # where it was before it had a module of its own
        return importlib.import_module("optiproxy.methods").METHODS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
