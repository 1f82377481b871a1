"""Hypervolume over queries: the volume of the objective space that a front dominates.

References: Zitzler and Thiele, IEEE TEC 1999, https://doi.org/10.1109/4235.797969; computed exactly
by moocore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optiproxy.errors import invalid
from optiproxy.metrics import Objective, parse_objectives
from optiproxy.report._figure import LINES, PALETTE, check_path, panels, save
from optiproxy.report._queries import Queries, meet_limits, objective_values, together
from optiproxy.report.statistics import bootstrap_interval, mean_std

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Characters of a line below the axis.
LABEL_WIDTH = 48


def hypervolume_so_far(
    values: ArrayLike, feasible: ArrayLike, signs: ArrayLike, reference: ArrayLike
) -> NDArray[np.float64]:
    """The hypervolume that the feasible queries up to each one cover, (T,).

    Args:
        values: The objectives in their units, (T, M); NaN where the query failed.
        feasible: Whether the constraints hold, (T,).
        signs: +1 where greater is better, -1 where smaller is, (M,).
        reference: The point that a query must beat in every objective to count, in the metrics'
            units, (M,).

    Returns:
        In the product of the metrics' units; 0 before a query counts.
    """
    import moocore

    sign = np.asarray(signs, dtype=np.float64)
    # moocore minimises.
    points = -sign * np.asarray(values, dtype=np.float64).reshape(-1, len(sign))
    corner = -sign * np.asarray(reference, dtype=np.float64)
    counts = np.asarray(feasible, dtype=bool) & (points < corner).all(axis=1)
    volume = moocore.Hypervolume(ref=corner)
    course = np.zeros(len(points))
    front = points[:0]
    for query in range(len(points)):
        course[query] = course[query - 1] if query else 0.0
        if counts[query] and not (front <= points[query]).all(axis=1).any():
            front = np.vstack([front, points[query]])
            front = front[moocore.is_nondominated(front)]
            course[query] = volume(front)
    return course


def reference_of(
    searches: Mapping[str, Sequence[Queries]], objectives: Sequence[str]
) -> dict[str, float]:
    """The worst value of each objective among all feasible queries of all searches.

    Raises:
        InvalidValueError: No query is feasible, or an objective can't be read.
    """
    goals = parse_objectives(list(objectives))
    every = [q for runs in searches.values() for run in runs for q in run if q["feasible"]]
    if not every:
        raise invalid("hypervolume: searches", "no feasible query", "give the reference point")
    signs = np.array([goal.sign for goal in goals])
    worst = signs * np.nanmin(signs * objective_values(every, goals), axis=0)
    return {goal.metric: float(value) for goal, value in zip(goals, worst, strict=True)}


def hypervolume_figure(
    searches: Mapping[str, Sequence[Queries]],
    path: str | Path,
    *,
    objectives: Sequence[str],
    reference: Mapping[str, float] | None = None,
    title: str = "",
) -> Path:
    """Draws the hypervolume over queries: the mean of each method's searches and its 95 % interval.

    Args:
        searches: Label (such as a method) → its searches, each as the ``trajectory`` of
            ``optiproxy search --json``.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.
        objectives: Two or more, such as ``["val_accuracy=max", "latency_ms=min"]``.
        reference: Metric → the value that has to be beaten; by default `reference_of` the searches.
            The figure states it.
        title: A line above the panel.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: No search, fewer than two objectives, a reference point that lacks one,
            or a format that can't be drawn.
    """
    path = check_path(path)
    goals = parse_objectives(list(objectives))
    if len(goals) < 2:
        raise invalid("hypervolume: objectives", list(objectives), "give two or more")
    if not searches or not all(runs and all(runs) for runs in searches.values()):
        raise invalid("hypervolume: searches", dict(searches), "give at least one query each")
    if reference is None:
        reference = reference_of(searches, objectives)
    corner = stated(goals, reference)
    figure, (axis,) = panels(1)
    draw_hypervolume(axis, searches, goals, corner)
    if title:
        figure.suptitle(title)
    return save(figure, path)


def stated(goals: Sequence[Objective], reference: Mapping[str, float]) -> list[float]:
    """The reference point in the objectives' order.

    Raises:
        InvalidValueError: It lacks an objective.
    """
    missing = [goal.metric for goal in goals if goal.metric not in reference]
    if missing:
        raise invalid("hypervolume: reference", dict(reference), f"give {missing[0]} too")
    return [float(reference[goal.metric]) for goal in goals]


def draw_hypervolume(
    axis: Axes,
    searches: Mapping[str, Sequence[Queries]],
    goals: Sequence[Objective],
    corner: list[float],
) -> None:
    """Draws the mean course of each label's searches with its interval; states the reference.

    Args:
        axis: Where.
        searches: See `hypervolume_figure`; an empty label names the number of seeds alone, and
            nothing where there is one.
        goals: The objectives.
        corner: The reference point, in their order.
    """
    from matplotlib.ticker import MaxNLocator

    for number, (label, runs) in enumerate(searches.items()):
        volumes = courses(runs, goals, corner)
        mean, _ = mean_std(volumes)
        colour = PALETTE[number % len(PALETTE)]
        style = LINES[number // len(PALETTE) % len(LINES)]
        at = np.arange(1, volumes.shape[1] + 1)
        seeds = f"{len(runs)} {'seed' if len(runs) == 1 else 'seeds'}"
        name = f"{label} ({seeds})" if label else seeds
        axis.plot(at, mean, color=colour, linestyle=style, label=name)
        if len(runs) > 1:
            low, high = bootstrap_interval(volumes)
            axis.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    # below the axis, where there is room
    axis.set_xlabel("query\n" + fill(f"(what counts: {beaten(goals, corner)})", LABEL_WIDTH))
    axis.set_ylabel("hypervolume")
    if [*searches] != [""] or len(searches[""]) > 1:
        axis.legend(fontsize="small")


def courses(
    runs: Sequence[Queries], goals: Sequence[Objective], corner: list[float]
) -> NDArray[np.float64]:
    """The hypervolume of each search over its queries, (S, T); `corner` is the reference point."""
    signs = [goal.sign for goal in goals]
    return together(
        [
            hypervolume_so_far(objective_values(run, goals), meet_limits(run), signs, corner)
            for run in runs
        ]
    )


def beaten(goals: Sequence[Objective], corner: Sequence[float]) -> str:
    """What counts in a hypervolume, in words."""
    return ", ".join(
        f"{goal.metric} {'>' if goal.sign > 0 else '<'} {value:.4g}"
        for goal, value in zip(goals, corner, strict=True)
    )
