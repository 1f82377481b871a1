"""The figure of a search for several objectives: its front, and the hypervolume over queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid
from optiproxy.metrics import Objective, parse_objectives
from optiproxy.report._figure import (
    GREY,
    PALETTE,
    check_path,
    legend_above,
    panels,
    save,
    worst_shown,
)
from optiproxy.report._queries import Queries, meet_limits, objective_values
from optiproxy.report.hypervolume import draw_hypervolume, stated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Distance of the hypervolume's reference point from the front, as a share of the front's range.
BEHIND = 0.1


def front_figure(
    queries: Queries,
    path: str | Path,
    *,
    objectives: Sequence[str],
    reference: Mapping[str, float] | None = None,
    title: str = "",
) -> Path:
    """Draws all queries with the front that they make, and the hypervolume over queries.

    There is a panel for the first objective against each other one, and one for the hypervolume.

    Args:
        queries: In order, as the ``trajectory`` of ``optiproxy search --json``.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.
        objectives: Two or more, such as ``["val_accuracy=max", "latency_ms=min"]``.
        reference: Metric → the value that has to be beaten to count in the hypervolume; by default
            `reference_behind` the front. The figure states it.
        title: A line above the panels.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: Fewer than two objectives, no feasible query, a reference point that
            lacks an objective, or a format that can't be drawn.
    """
    path = check_path(path)
    goals = parse_objectives(list(objectives))
    if len(goals) < 2:
        raise invalid("front: objectives", list(objectives), "give two or more")
    if reference is None:
        reference = reference_behind([queries], objectives)
    values, kept = objective_values(queries, goals), meet_limits(queries)
    front = on_front(values, kept, goals)

    figure, axes = panels(len(goals))
    for axis, number in zip(axes, range(1, len(goals)), strict=False):
        pair = [0, number]
        _draw_pair(axis, values[:, pair], kept, front, [goals[i] for i in pair])
        if len(goals) == 2:
            _draw_steps(axis, values[front], goals)
    draw_hypervolume(axes[-1], {"": [queries]}, goals, stated(goals, reference))
    if title:
        figure.suptitle(title)
    return save(figure, path)


def on_front(
    values: NDArray[np.float64], feasible: NDArray[np.bool_], goals: Sequence[Objective]
) -> NDArray[np.int64]:
    """The numbers of the feasible points (T, M) that no other dominates."""
    import moocore

    known = np.flatnonzero(feasible & np.isfinite(values).all(axis=1))
    costs = -np.array([goal.sign for goal in goals]) * values[known]
    return known[moocore.is_nondominated(costs)] if len(known) else known


def reference_behind(runs: Sequence[Queries], objectives: Sequence[str]) -> dict[str, float]:
    """The point `behind` the feasible queries of all `runs` together.

    Raises:
        InvalidValueError: No query is feasible, or an objective can't be read.
    """
    goals = parse_objectives(list(objectives))
    every = [query for run in runs for query in run if query["feasible"]]
    values = objective_values(every, goals)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        raise invalid("front: queries", "no feasible one", "give at least one")
    point = behind(values, goals)
    return {goal.metric: float(value) for goal, value in zip(goals, point, strict=True)}


def behind(values: NDArray[np.float64], goals: Sequence[Objective]) -> NDArray[np.float64]:
    """A reference point a tenth of the front's range behind the worst of each objective on it.

    Args:
        values: Finite, (T, M). Where their front has no range in an objective, that of all of them
            stands for it.
        goals: The objectives.

    Returns:
        (M,), in the metrics' units.
    """
    signs = np.array([goal.sign for goal in goals])
    scores = signs * values
    front = scores[on_front(values, np.ones(len(values), dtype=bool), goals)]
    worst, extent = front.min(axis=0), np.ptp(front, axis=0)
    extent = np.where(extent > 0, extent, np.ptp(scores, axis=0))
    extent = np.where(extent > 0, extent, np.maximum(np.abs(worst), 1.0))
    point: NDArray[np.float64] = signs * (worst - BEHIND * extent)
    return point


def _draw_pair(
    axis: Axes,
    points: NDArray[np.float64],
    feasible: NDArray[np.bool_],
    front: NDArray[np.int64],
    goals: Sequence[Objective],
) -> None:
    """All queries in the plane of two objectives; the first one upwards, the other to the right."""
    known: NDArray[np.bool_] = np.array([np.isfinite(point).all() for point in points])
    scores = np.array([goal.sign for goal in goals]) * points
    lowest = [worst_shown(column) for column in scores[known].T] if known.any() else [0.0, 0.0]
    shown = known & np.all(scores >= lowest, axis=1)
    shown[front] = True
    marked = np.zeros(len(points), dtype=bool)
    marked[front] = True
    kinds: list[tuple[NDArray[np.bool_], dict[str, Any]]] = [
        (shown & feasible & ~marked, {"s": 18, "color": PALETTE[5], "label": "query"}),
        (
            shown & ~feasible,
            {"s": 22, "color": GREY, "marker": "x", "label": "breaks a limit"},
        ),
        (
            marked,
            {"s": 34, "color": PALETTE[1], "zorder": 3, "label": f"front ({len(front)})"},
        ),
    ]
    for which, style in kinds:
        if which.any():
            axis.scatter(points[which, 1], points[which, 0], **style)
    outside = int((known & ~shown).sum())
    if outside:
        axis.plot([], [], " ", label=f"{outside} off the scale")
    axis.set_ylabel(_labelled(goals[0]))
    axis.set_xlabel(_labelled(goals[1]))
    legend_above(axis)


def _labelled(goal: Objective) -> str:
    return f"{goal.metric} ({'greater' if goal.sign > 0 else 'smaller'} is better)"


def _draw_steps(axis: Axes, front: NDArray[np.float64], goals: Sequence[Objective]) -> None:
    """What the front of two objectives covers, as a line: from a point on, the next one is worse
    in the one objective before it is better in the other.
    """
    if not len(front):
        return
    order = np.argsort(goals[1].sign * front[:, 1])[::-1]
    x, y = front[order, 1], front[order, 0]
    axis.step(x, y, where="post", color=PALETTE[1], linewidth=1, zorder=2)
