"""How much sooner a method is done with more workers: a table and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optiproxy.report._figure import check_path, common_legend, panels, save, style
from optiproxy.report.statistics import HIT, NEAR


@dataclass(frozen=True)
class ParallelRow:
    """A task and a method with so many workers, over all seeds.

    Attributes:
        reached: The part of the seeds that came within 0.1 % of the optimum.
        hours: The median of the simulated hours until then; infinite if more than half did not.
        speed_up: Of that median over the one with the fewest workers.
        queries: The median of the trainings that had ended by then, with those that never came
            near counted as infinite.
        cpu_seconds: What the method took to propose one query, on average.
    """

    task: str
    method: str
    workers: int
    seeds: int
    reached: float
    hours: float
    speed_up: float
    queries: float
    cpu_seconds: float


def parallel_rows(table: Any, optima: Mapping[str, float]) -> list[ParallelRow]:
    """The summary of a table.

    Args:
        table: Columns ``task, method, workers, seed, query, hours, regret, cpu_seconds``, one row a
            query, in the order in which the trainings of a search ended.
        optima: Task → the best value there is.
    """
    groups: dict[tuple[str, str, int], dict[int, list[tuple[float, ...]]]] = {}
    names = ("task", "method", "workers", "seed", "query", "hours", "regret", "cpu_seconds")
    columns = (np.asarray(table[name]).tolist() for name in names)
    for task, method, workers, seed, *values in zip(*columns, strict=True):
        groups.setdefault((task, method, workers), {}).setdefault(seed, []).append(tuple(values))
    found: list[ParallelRow] = []
    first: dict[tuple[str, str], float] = {}
    for (task, method, workers), seeds in groups.items():
        near = NEAR * abs(optima[task]) + HIT
        ends = [
            next(((q, hours) for q, hours, regret, _ in rows if regret <= near), (math.inf,) * 2)
            for rows in seeds.values()
        ]
        hours = _median([end[1] for end in ends])
        before = first.setdefault((task, method), hours)
        known = math.isfinite(hours) and math.isfinite(before)
        found.append(
            ParallelRow(
                task,
                method,
                workers,
                seeds=len(ends),
                reached=sum(math.isfinite(end[1]) for end in ends) / len(ends),
                hours=hours,
                speed_up=before / hours if known and hours else math.nan,
                queries=_median([end[0] for end in ends]),
                cpu_seconds=float(np.mean([row[3] for rows in seeds.values() for row in rows])),
            )
        )
    return found


def parallel_figure(rows: Sequence[ParallelRow], path: str | Path) -> Path:
    """Draws the hours against the workers, one panel a task, with the ideal of the first method.

    Args:
        rows: As of `parallel_rows`.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: A format that can't be drawn.
    """
    path = check_path(path)
    tasks = list(dict.fromkeys(row.task for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    counts = sorted({row.workers for row in rows})
    figure, axes = panels(len(tasks), height=3.4)
    for axis, task in zip(axes, tasks, strict=True):
        for m, method in enumerate(methods):
            own = [r for r in rows if (r.task, r.method) == (task, method) and r.hours < math.inf]
            if not own:
                continue
            x, y = [row.workers for row in own], [row.hours for row in own]
            axis.plot(x, y, label=method, **style(m))
            if m == 0:
                ideal = [y[0] * x[0] / workers for workers in x]
                axis.plot(x, ideal, color="#888888", linewidth=0.8, label="as many times sooner")
        if axis.lines:
            axis.set_xscale("log", base=2)
            axis.set_xticks(counts, [str(count) for count in counts])
            axis.set_yscale("log")
        else:
            axis.text(0.5, 0.5, "no method came within 0.1 %", ha="center")
        axis.set_title(task)
        axis.set_xlabel("workers")
        axis.set_ylabel("hours to 0.1 % regret, median")
    common_legend(figure, axes)
    return save(figure, path)


def _median(values: Sequence[float]) -> float:
    """The lower median, which may be infinite."""
    return sorted(values)[(len(values) - 1) // 2]
