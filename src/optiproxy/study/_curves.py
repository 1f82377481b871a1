"""What the curves of finished trainings say of a running one; see `optiproxy.tasks._curve`."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

from optiproxy.study._ledger import Entry, State

# Fewer finished trainings say nothing of what is usual (Optuna's pruner has the same default).
FINISHED = 5


def medians(entries: Iterable[Entry], epochs: int | None) -> dict[int, float]:
    """Epoch → the median of the finished trainings of the same length, where there are enough."""
    values: dict[int, list[float]] = defaultdict(list)
    for entry in entries:
        if entry.state is State.DONE and entry.epochs == epochs:
            for epoch, value in entry.attribute("curve", ()):
                values[epoch].append(value)
    return {e: statistics.median(v) for e, v in sorted(values.items()) if len(v) >= FINISHED}
