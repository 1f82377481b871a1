"""Running a search: storage, workers, resuming, comparing. The only place that knows Optuna."""

from optiproxy.study.comparison.compare import Comparison, SummaryRow, compare
from optiproxy.study.records import Found, Record, Seconds
from optiproxy.study.study import Study

__all__ = ["Comparison", "Found", "Record", "Seconds", "Study", "SummaryRow", "compare"]
