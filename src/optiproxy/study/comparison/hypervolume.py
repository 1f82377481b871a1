"""Comparing searches with several objectives, by their hypervolume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from optiproxy.metrics import Objective
from optiproxy.report import hypervolume_so_far
from optiproxy.report.front import behind, on_front
from optiproxy.study.comparison.run import column_of
from optiproxy.tasks import Task


@dataclass(frozen=True)
class Scale:
    """The reference point and the largest hypervolume, so that a hypervolume is a share, 0…1.

    Attributes:
        reference: The reference point, (M,).
        whole: The hypervolume of the whole front, in the product of the units.
        known: Whether that front is of all architectures, and not only of those that were found.
    """

    reference: NDArray[np.float64]
    whole: float
    known: bool


def judged(searches: list[pa.Table], task: Task) -> tuple[list[pa.Table], dict[str, float]]:
    """Replaces ``best`` in the rows of a task's searches by the share of the hypervolume so far.

    The share is of the front of all architectures if the task lists them, and ``regret`` is the
    rest; else it is of the front of all the searches together, and ``regret`` is NaN.

    Returns:
        The rows of each search, and the reference point: metric → value; empty if no query of any
        search was feasible.
    """
    goals = task.objectives
    found = [_values(rows, goals) for rows in searches]
    scale = _scale([values for values, _ in found], [f for _, f in found], task)
    shares = [_share(values, feasible, goals, scale) for values, feasible in found]
    known = scale is not None and scale.known
    regrets = [1 - share if known else np.full_like(share, np.nan) for share in shares]
    rows = [
        _replaced(_replaced(table, "best", share), "regret", regret)
        for table, share, regret in zip(searches, shares, regrets, strict=True)
    ]
    point = [] if scale is None else scale.reference.tolist()
    return rows, {goal.metric: value for goal, value in zip(goals, point, strict=False)}


def _values(
    rows: pa.Table, goals: tuple[Objective, ...]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The objectives of a search's queries, (T, M), and whether each is feasible, (T,)."""

    def column(metric: str) -> NDArray[np.float64]:
        name = column_of(metric)
        if name not in rows.column_names:  # Every query failed.
            return np.full(rows.num_rows, np.nan)
        return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=np.float64)

    values = np.stack([column(goal.metric) for goal in goals], 1)
    return values, rows["feasible"].to_numpy(zero_copy_only=False).astype(bool)


def _scale(
    values: list[NDArray[np.float64]], feasible: list[NDArray[np.bool_]], task: Task
) -> Scale | None:
    every = task.objective_values()
    known = every is not None
    if every is None:
        every = np.concatenate([v[f] for v, f in zip(values, feasible, strict=True)])
        every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        return None
    front = every[on_front(every, np.ones(len(every), dtype=bool), task.objectives)]
    reference = behind(every, task.objectives)
    signs = [goal.sign for goal in task.objectives]
    course = hypervolume_so_far(front, np.ones(len(front), dtype=bool), signs, reference)
    return Scale(reference, float(course[-1]), known)


def _share(
    values: NDArray[np.float64],
    feasible: NDArray[np.bool_],
    goals: tuple[Objective, ...],
    scale: Scale | None,
) -> NDArray[np.float64]:
    if scale is None:
        return np.zeros(len(values))
    signs = [goal.sign for goal in goals]
    return hypervolume_so_far(values, feasible, signs, scale.reference) / scale.whole


def _replaced(rows: pa.Table, name: str, values: NDArray[np.float64]) -> pa.Table:
    at = rows.column_names.index(name)
    return rows.set_column(at, name, pa.array(values, pa.float64()))
