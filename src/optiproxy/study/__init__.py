"""Running a search: storage, workers, resuming, comparing. The only place that knows Optuna."""

from optiproxy.study._checks import check_cheap_budget
from optiproxy.study._storage.identity import default_name
from optiproxy.study.comparison.compare import Comparison, SummaryRow, compare
from optiproxy.study.records import Best, Record, Seconds
from optiproxy.study.study import Study

__all__ = [
    "Best", "Comparison", "Record", "Seconds", "Study", "SummaryRow", "check_cheap_budget",
    "compare", "default_name",
]  # fmt: skip
