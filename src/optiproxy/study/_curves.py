"""What the curves of finished trainings say of a running one; see `optiproxy.tasks._curve`."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

from optiproxy.metrics import is_feasible
from optiproxy.study._ledger import Entry, State
from optiproxy.tasks import Task

# Fewer finished trainings say nothing of what is usual (Optuna's pruner has the same default).
FINISHED = 5


def medians(task: Task, entries: Iterable[Entry], epochs: int | None) -> dict[int, float]:
    """Epoch → the median of the finished trainings of the same length, where there are enough.

    Of those alone that meet the limits: a small network that does must not be stopped because
    larger ones that do not are better. With several objectives nothing is behind by one of them.
    """
    values: dict[int, list[float]] = defaultdict(list)
    for entry in entries if len(task.objectives) == 1 else ():
        feasible = entry.state is State.DONE and is_feasible(entry.metrics or {}, task.constraints)
        if feasible and entry.epochs == epochs:
            for epoch, value in entry.attribute("curve", ()):
                values[epoch].append(value)
    return {e: statistics.median(v) for e, v in sorted(values.items()) if len(v) >= FINISHED}
