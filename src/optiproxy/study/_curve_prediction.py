"""Learning curves of finished trainings as a reference for others, for early stopping."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from optiproxy.metrics import is_feasible
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.tasks import Task

# The least number of finished trainings for a median (Optuna's pruner has the same default).
FINISHED = 5


def medians(task: Task, trials: Iterable[StoredTrial], epochs: int | None) -> dict[int, float]:
    """Epoch → the median of the finished trainings of the same length, if there are enough.

    Only feasible trainings count: a small network that meets a limit must not be stopped because
    larger ones that break it are better. Empty for several objectives, of which a curve has one.
    """
    values: dict[int, list[float]] = defaultdict(list)
    for trial in trials if len(task.objectives) == 1 else ():
        feasible = trial.state is State.DONE and is_feasible(trial.metrics or {}, task.constraints)
        if feasible and trial.epochs == epochs:
            for epoch, value in trial.curve:
                values[epoch].append(value)
    return {e: statistics.median(v) for e, v in sorted(values.items()) if len(v) >= FINISHED}


class CurvePrediction:
    """Predicts the final value of stopped trainings, for a method to learn from.

    A stopped training is expected to end at the same quantile of the finished ones that it had at
    its last epoch. Counting it as a failure, as bad as the worst, misleads a model: on
    SpikeNAS-Bench searches were then worse than without any stopping.

    Args:
        task: What is searched.
        trials: Queries of one fidelity.
    """

    def __init__(self, task: Task, trials: Iterable[StoredTrial]) -> None:
        self._task = task
        self._pairs: dict[int, list[tuple[float, float]]] = defaultdict(list)
        if not task.reports_curve:
            return
        for trial in trials:
            if trial.state is State.DONE and trial.metrics is not None:
                end = trial.metrics[task.objectives[0].metric]
                for epoch, value in trial.curve:
                    self._pairs[epoch].append((value, end))

    def metrics(self, trial: StoredTrial) -> dict[str, float] | None:
        """The metrics that a method learns of a query, measured or predicted; None if it failed."""
        if trial.visible is not None:
            return trial.visible
        epoch, value = next(reversed(trial.curve), (0, math.nan))
        if not trial.stopped or epoch not in self._pairs:
            return None
        values, ends = zip(*self._pairs[epoch], strict=True)
        predicted = float(np.interp(value, np.sort(values), np.sort(ends)))
        metrics = {**trial.attribute("known", {}), self._task.objectives[0].metric: predicted}
        return self._task.visible(metrics) if metrics.keys() >= {*self._task.needed} else None
