"""Running a search: storage, workers, resuming, comparing. The only place that knows Optuna."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optiproxy.study._checks import check_cheap_budget, check_evaluation
    from optiproxy.study._storage.identity import default_name
    from optiproxy.study.comparison.compare import Comparison, SummaryRow, compare
    from optiproxy.study.records import Best, Record, Seconds
    from optiproxy.study.study import Study

__all__ = [
    "Best", "Comparison", "Record", "Seconds", "Study", "SummaryRow", "check_cheap_budget",
    "check_evaluation", "compare", "default_name",
]  # fmt: skip

# Name → where it lives, resolved on first use: a worker process needs neither torch nor Optuna.
_LAZY = {
    "Best": "records",
    "Comparison": "comparison.compare",
    "Record": "records",
    "Seconds": "records",
    "Study": "study",
    "SummaryRow": "comparison.compare",
    "check_cheap_budget": "_checks",
    "check_evaluation": "_checks",
    "compare": "comparison.compare",
    "default_name": "_storage.identity",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
