"""The figure of a comparison: how fast each method gets how far, over many seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid
from optiproxy.report._figure import LINES, PALETTE, check_path, panels, save
from optiproxy.report.statistics import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = ("task", "method", "seed", "query", "best", "regret")


class Columns(Protocol):
    """A table that gives a column by its name: a dict of lists, a pyarrow or a pandas table."""

    def __getitem__(self, name: str, /) -> Any: ...


def convergence_figure(table: Columns | Mapping[str, Any], path: str | Path) -> Path:
    """Draws the mean course of each method with its 95 % band over seeds, one panel a task.

    A panel shows the regret on a logarithmic scale where the task's optimum is known, and the best
    value otherwise. The scale is linear below its lowest decade, so that a regret of zero has a
    place. A curve starts where every seed has a feasible query.

    Args:
        table: Columns ``task, method, seed, query, best, regret``, one row a query, as in the
            ``results.parquet`` of ``optiproxy compare``.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: A column is missing, there is no row, or a format that can't be drawn.
    """
    path = check_path(path)
    columns = {name: _column(table, name) for name in COLUMNS}
    tasks = list(dict.fromkeys(columns["task"].tolist()))
    methods = list(dict.fromkeys(columns["method"].tolist()))
    if not tasks:
        raise invalid("convergence figure: table", "no rows", "give at least one query")

    figure, axes = panels(len(tasks))
    for axis, task in zip(axes, tasks, strict=True):
        of_task = columns["task"] == task
        measure = "regret" if np.isfinite(columns["regret"][of_task]).any() else "best"
        lowest = np.inf
        for m, method in enumerate(methods):
            rows = of_task & (columns["method"] == method)
            if not rows.any():
                continue
            queries, values = _by_seed(
                columns["seed"][rows], columns["query"][rows], columns[measure][rows]
            )
            mean, half = mean_interval(values)
            if (mean > 0).any():
                lowest = min(lowest, float(mean[mean > 0].min()))
            colour = PALETTE[m % len(PALETTE)]
            style = LINES[m // len(PALETTE) % len(LINES)]
            label = f"{method} ({len(values)} {'seed' if len(values) == 1 else 'seeds'})"
            axis.plot(queries, mean, color=colour, linestyle=style, label=label)
            low = np.maximum(mean - half, 0) if measure == "regret" else mean - half
            axis.fill_between(queries, low, mean + half, color=colour, alpha=0.18, linewidth=0)
        _finish(axis, task, measure, lowest)
    return save(figure, path)


def _finish(axis: Axes, task: str, measure: str, lowest: float) -> None:
    from matplotlib.ticker import MaxNLocator

    if measure == "regret":
        # Rounding can leave a mean of 1e-13 where zero is meant: five decades are enough to read.
        lowest = max(lowest, axis.get_ylim()[1] / 1e5) if np.isfinite(lowest) else 1.0
        linear = 10.0 ** np.floor(np.log10(lowest))
        axis.set_yscale("symlog", linthresh=linear, linscale=0.5)
        axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_title(task)
    axis.set_xlabel("query")
    axis.set_ylabel("regret, mean and 95 %" if measure == "regret" else "best, mean and 95 %")
    axis.legend(fontsize="small")


def _column(table: Columns | Mapping[str, Any], name: str) -> NDArray[Any]:
    try:
        return np.asarray(table[name])
    except KeyError:
        raise invalid(
            "convergence figure: table",
            f"no column {name!r}",
            f"give the columns {', '.join(COLUMNS)}",
        ) from None


def _by_seed(
    seed: NDArray[Any], query: NDArray[Any], value: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The queries (T,) and the values (S, T), NaN where a seed lacks a query."""
    seeds, row = np.unique(seed, return_inverse=True)
    queries, column = np.unique(query, return_inverse=True)
    values = np.full((len(seeds), len(queries)), np.nan)
    values[row, column] = value
    return queries, values
