"""What the curves of finished trainings say of others; see `optiproxy.tasks._early_stopping`."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from optiproxy.metrics import is_feasible
from optiproxy.study._storage.trials import Entry, State
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


class Foresight:
    """What stopped trainings would have come to, for a method to learn from.

    Among the finished trainings a stopped one has a place by its last value, and is expected to end
    at the same place. Taken for a failure, as bad as the worst, it would mislead a model: on
    SpikeNAS-Bench searches were then worse than without any stopping.

    Args:
        task: What is searched.
        entries: Queries of one fidelity.
    """

    def __init__(self, task: Task, entries: Iterable[Entry]) -> None:
        self._task = task
        self._pairs: dict[int, list[tuple[float, float]]] = defaultdict(list)
        if not task.reports_curve:
            return
        for entry in entries:
            if entry.state is State.DONE and entry.metrics is not None:
                end = entry.metrics[task.objectives[0].metric]
                for epoch, value in entry.attribute("curve", ()):
                    self._pairs[epoch].append((value, end))

    def metrics(self, entry: Entry) -> dict[str, float] | None:
        """What a method is told of a query: measured, foreseen, or None where neither can be."""
        if entry.metrics is not None:
            return self._task.visible(entry.metrics)
        epoch, value = next(reversed(entry.attribute("curve", ())), (0, math.nan))
        if not entry.stopped or epoch not in self._pairs:
            return None
        values, ends = zip(*self._pairs[epoch], strict=True)
        foreseen = float(np.interp(value, np.sort(values), np.sort(ends)))
        metrics = {**entry.attribute("known", {}), self._task.objectives[0].metric: foreseen}
        return self._task.visible(metrics) if metrics.keys() >= {*self._task.needed} else None
