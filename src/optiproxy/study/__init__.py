"""Running a search: storage, workers, resuming, comparing. The only place that knows Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optiproxy._lazy import lazy

if TYPE_CHECKING:
    from optiproxy.study._checks import check_cheap_budget, check_confirm, check_evaluation
    from optiproxy.study._storage.identity import default_name
    from optiproxy.study._storage.repair import repair_storage
    from optiproxy.study.asked import Asked
    from optiproxy.study.best import Best
    from optiproxy.study.callbacks import Callback
    from optiproxy.study.comparison.compare import Comparison, SummaryRow, compare
    from optiproxy.study.ray_executor import RayExecutor
    from optiproxy.study.records import Record, Seconds
    from optiproxy.study.study import Study
    from optiproxy.study.tracking import track

__all__ = [
    "Asked", "Best", "Callback", "Comparison", "RayExecutor", "Record", "Seconds", "Study",
    "SummaryRow", "check_cheap_budget", "check_confirm", "check_evaluation", "compare",
    "default_name", "repair_storage", "track",
]  # fmt: skip

# A worker process needs neither torch nor Optuna.
__getattr__, __dir__ = lazy(
    __name__,
    {
        f"{__name__}._checks": ["check_cheap_budget", "check_confirm", "check_evaluation"],
        f"{__name__}._storage.identity": ["default_name"],
        f"{__name__}._storage.repair": ["repair_storage"],
        f"{__name__}.asked": ["Asked"],
        f"{__name__}.callbacks": ["Callback"],
        f"{__name__}.comparison.compare": ["Comparison", "SummaryRow", "compare"],
        f"{__name__}.best": ["Best"],
        f"{__name__}.ray_executor": ["RayExecutor"],
        f"{__name__}.records": ["Record", "Seconds"],
        f"{__name__}.study": ["Study"],
        f"{__name__}.tracking": ["track"],
    },
)
