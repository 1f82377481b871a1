"""The figure of a comparison: the progress of each method over many seeds."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optiproxy.report._courses import Table, read
from optiproxy.report._figure import check_path, common_legend, panels, save, style
from optiproxy.report.statistics import bootstrap_interval, mean_std

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def convergence_figure(
    table: Table,
    path: str | Path,
    *,
    fronts: Collection[str] = (),
    start: float = 0,
    by: str = "query",
    unit: str = "query",
) -> Path:
    """Draws the mean course of each method with its 95 % band over seeds, one panel a task.

    A panel shows the regret on a logarithmic scale where the task's optimum is known, and the best
    value otherwise. The scale is linear below its lowest decade, so that a regret of zero has a
    place. A curve starts where every seed has a feasible query. The band is the bootstrap interval
    of the mean, as in the summary of a comparison.

    Args:
        table: Columns ``task, method, seed, query, best, regret``, one row a query, as in the
            ``results.parquet`` of ``optiproxy compare``.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.
        fronts: Tasks whose ``best`` is a share of a hypervolume.
        start: Where the axes begin: at random queries, before a model has a say, methods differ by
            chance alone.
        by: The column that the curves are over, as of `analyse`.
        unit: What the axis calls it.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: A column is missing, there is no row, a query is there twice, or a
            format that can't be drawn.
    """
    path = check_path(path)
    tasks = read(table, by=by)
    names = list(dict.fromkeys(method for courses in tasks.values() for method in courses))

    figure, axes = panels(len(tasks), height=3.4)
    for axis, (task, courses) in zip(axes, tasks.items(), strict=True):
        known = any(np.isfinite(course.regret).any() for course in courses.values())
        lowest = np.inf
        for method, course in courses.items():
            course = course.since(start)
            x, values = course.queries, course.regret if known else course.best
            mean, _ = mean_std(values)
            low, high = bootstrap_interval(values)
            if (mean > 0).any():
                lowest = min(lowest, float(mean[mean > 0].min()))
            look = style(names.index(method))
            seeds = "seed" if len(values) == 1 else "seeds"
            label = f"{method} ({len(values)} {seeds})"
            # Markers of different methods stand at different places.
            step = max(1, len(x) // 8)
            every = (names.index(method) * step // len(names), step)
            axis.plot(x, mean, label=label, markevery=every, markersize=4, **look)
            axis.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)
        names_of = ("hypervolume", "hypervolume missed") if task in fronts else ("best", "regret")
        _finish(axis, task, names_of[known], unit, lowest, logarithmic=known)
    common_legend(figure, axes)
    return save(figure, path)


def _finish(
    axis: Axes, task: str, measure: str, unit: str, lowest: float, *, logarithmic: bool
) -> None:
    from matplotlib.ticker import MaxNLocator

    if logarithmic:
        # A mean of zero may be 1e-13 by rounding: five decades are enough.
        lowest = max(lowest, axis.get_ylim()[1] / 1e5) if np.isfinite(lowest) else 1.0
        linear = 10.0 ** np.floor(np.log10(lowest))
        axis.set_yscale("symlog", linthresh=linear, linscale=0.5)
        axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_title(task)
    axis.set_xlabel(unit)
    axis.set_ylabel(f"{measure}, mean and 95 %")
