"""The figure of one search: every query, the best so far, and the value against a cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid
from optiproxy.metrics import Constraint, Objective, parse_constraints, parse_objectives
from optiproxy.report._figure import (
    GREY,
    PALETTE,
    check_path,
    legend_above,
    panels,
    save,
    worst_shown,
)
from optiproxy.report._queries import Queries, column, meet_limits
from optiproxy.report.statistics import best_so_far

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Metrics for the second panel when no constraint names one, in order of preference.
COSTS = ("latency_ms", "params", "flops", "size_mb")


def search_figure(
    queries: Queries,
    path: str | Path,
    *,
    objective: str,
    direction: str = "max",
    constraints: Sequence[str] = (),
    title: str = "",
) -> Path:
    """Draws a search: each query's value and the best so far, and the value against a cost.

    The second panel is there when the queries have a metric to set the objective against: the first
    constrained one, else a latency, parameters or FLOPs.

    Args:
        queries: In order, as the ``trajectory`` of ``optiproxy search --json``:
            ``{"query": 1, "architecture": {...}, "metrics": {...}, "feasible": True}``. Queries
            without metrics (an empty mapping, or None) failed or, with ``"stopped": True``, were
            stopped early; they are marked at the foot.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.
        objective: The metric that ranks.
        direction: ``"max"`` or ``"min"``.
        constraints: Texts such as ``"latency_ms <= 5"``, drawn as limits.
        title: A line above the panels.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: No query at all, a format, direction or constraint that can't be read.
    """
    path = check_path(path)
    if not queries:
        raise invalid("search figure: queries", list(queries), "give at least one")
    goal = parse_objectives({objective: direction})[0]
    limits = parse_constraints(list(constraints))
    value = column(queries, goal.metric)
    course = _Course(
        goal=goal,
        number=np.array([int(query["query"]) for query in queries]),
        value=value,
        feasible=meet_limits(queries) & ~np.isnan(value),
        stopped=np.array([bool(query.get("stopped")) for query in queries]),
    )
    cost = _cost(queries, goal, limits)

    figure, axes = panels(1 if cost is None else 2)
    _draw_course(axes[0], course)
    if cost is not None:
        _draw_cost(figure, axes[1], course, cost, column(queries, cost), limits)
    if title:
        figure.suptitle(title)
    return save(figure, path)


@dataclass(frozen=True)
class _Course:
    """The queries' numbers, values (NaN where they failed) and feasibility, each (T,)."""

    goal: Objective
    number: NDArray[np.int64]
    value: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    stopped: NDArray[np.bool_]

    @cached_property
    def view(self) -> tuple[float, float]:
        """The worst and the best value to show; NaN when every query failed."""
        score = self.goal.sign * self.value[np.isfinite(self.value)]
        if not len(score):
            return math.nan, math.nan
        return self.goal.sign * worst_shown(score), self.goal.sign * float(score.max())

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        return self.goal.sign * self.value >= self.goal.sign * self.view[0]


def _cost(queries: Queries, goal: Objective, limits: Sequence[Constraint]) -> str | None:
    for metric in [*(limit.metric for limit in limits), *COSTS]:
        if metric != goal.metric and np.isfinite(column(queries, metric)).any():
            return metric
    return None


def _draw_course(axis: Axes, course: _Course) -> None:
    from matplotlib.ticker import MaxNLocator

    number, value, upward = course.number, course.value, course.goal.sign > 0
    good = course.shown & course.feasible
    if good.any():
        axis.scatter(number[good], value[good], s=18, color=PALETTE[5], label="query")
    bad = course.shown & ~course.feasible
    if bad.any():
        axis.scatter(number[bad], value[bad], s=22, color=GREY, marker="x", label="breaks a limit")
    best = best_so_far(value, course.feasible, course.goal.sign)
    axis.step(number, best, where="post", color=PALETTE[0], label="best so far")
    low, high = sorted(course.view)
    if low < high:
        margin = 0.06 * (high - low)
        axis.set_ylim(low - margin, high + margin)

    failed = np.isnan(value)
    outside = ~course.shown & ~failed
    # Heights are the panel's own, 0 to 1: the border on the side of the bad values, and the foot.
    _mark(axis, number[outside], 0.02 if upward else 0.98, "v" if upward else "^", "off the scale")
    stopped = failed & course.stopped
    _mark(axis, number[failed & ~stopped], 0.0, "|", "failed")
    _mark(axis, number[stopped], 0.0, "1", "stopped early")
    # Set explicitly, since matplotlib's limits ignore the marks at the border.
    axis.set_xlim(number.min() - 1, number.max() + 1)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("query")
    axis.set_ylabel(course.goal.metric)
    legend_above(axis)


def _mark(axis: Axes, at: NDArray[np.int64], height: float, marker: str, label: str) -> None:
    if len(at):
        axis.scatter(
            at,
            np.full(len(at), height),
            transform=axis.get_xaxis_transform(),
            clip_on=False,
            marker=marker,
            s=24,
            color=PALETTE[1],
            label=f"{label} ({len(at)})",
        )


def _draw_cost(
    figure: Figure,
    axis: Axes,
    course: _Course,
    metric: str,
    cost: NDArray[np.float64],
    limits: Sequence[Constraint],
) -> None:
    both = course.shown & np.isfinite(cost)
    points = axis.scatter(cost[both], course.value[both], c=course.number[both], s=18)
    figure.colorbar(points, ax=axis, label="query")
    for limit in limits:
        if limit.metric == metric:
            axis.axvline(limit.bound, color=PALETTE[1], linestyle="--", label=str(limit))
    ranked = np.flatnonzero(course.feasible & np.isfinite(cost))
    if len(ranked):
        top = ranked[np.argmax(course.goal.sign * course.value[ranked])]
        axis.scatter(
            cost[top],
            course.value[top],
            marker="*",
            s=220,
            facecolor="none",
            edgecolor=PALETTE[1],
            label=f"best: {course.value[top]:.4g}",
        )
    axis.set_xlabel(metric)
    axis.set_ylabel(course.goal.metric)
    legend_above(axis)
