"""A comparison of methods as one self-contained HTML file."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optiproxy.report._courses import Course, Table, read
from optiproxy.report._page import check_page, page, short, write_page
from optiproxy.report._plot import Axis, Plot
from optiproxy.report.analysis import ALL, Analysis, RankRow, SummaryRow
from optiproxy.report.statistics import bootstrap_interval, mean_std
from optiproxy.report.tables import mean_and_std

# Colours that a page has; further methods repeat them with broken lines.
_COLOURS = 7
# Room between the bars of neighbouring methods, as a share of the axis.
_APART = 0.012


def comparison_report(
    table: Table,
    analysis: Analysis,
    path: str | os.PathLike[str],
    *,
    statements: Sequence[str] = (),
    run: Mapping[str, Any] | None = None,
    fronts: Collection[str] = (),
    by: str = "query",
    unit: str = "queries",
    start: float = 0,
) -> Path:
    """Writes a comparison: who is ahead, the ranks, each task with its convergence, the tests.

    Args:
        table: As of `analyse`.
        analysis: What `analyse` made of it.
        path: A file ending in ``.html``; written whole.
        statements: What the numbers say, a line each.
        run: The content of ``run.json``: the command, the machine, the versions.
        fronts: Tasks whose ``best`` is a share of a hypervolume.
        by: The column that budgets refer to, as of `analyse`.
        unit: Of the budgets.
        start: Where the curves begin; see `convergence_figure`.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: A column is missing, there is no row, or the file has another ending or
            no folder.
    """
    out = check_page(path)
    run = run or {}
    courses = read(table, by=by)
    methods = list(dict.fromkeys(method for own in courses.values() for method in own))
    budgets = list(dict.fromkeys(row.budget for row in analysis.summary))
    kinds = {method: _kind(number) for number, method in enumerate(methods)}
    goals = {t["name"]: ", ".join([*t["objectives"], *t["constraints"]])
             for t in run.get("tasks", [])}  # fmt: skip
    tasks = []
    for task, own in courses.items():
        rows = [row for row in analysis.summary if row.task == task]
        chart = _convergence(task, own, kinds, task in fronts, unit, start)
        tasks.append({"name": task, "goal": goals.get(task, ""), "chart": chart}
                     | _task(rows, budgets, task in fronts, unit))  # fmt: skip
    title = f"{_count(len(methods), 'method')} on {_count(len(courses), 'task')}"
    text = page(
        "comparison.html",
        title=title,
        methods=methods,
        seeds=min(row.seeds for row in analysis.summary),
        budgets=budgets,
        unit=unit,
        answer=_answer(analysis, methods, unit),
        statements=statements,
        ranks=_by_method(analysis.ranks),
        mean_and_std=mean_and_std,
        rank_chart=_rank_chart(analysis.ranks, kinds, unit),
        tasks=tasks,
        differences=analysis.differences,
        every=ALL,
        run=run,
    )
    return write_page(text, out)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _kind(number: int) -> str:
    again = number // _COLOURS
    return f"c{number % _COLOURS}" + (f" d{min(again, 2)}" if again else "")


def _answer(analysis: Analysis, methods: Sequence[str], unit: str) -> str:
    last = max((row.budget for row in analysis.ranks), default=None)
    if last is None:
        return f"{methods[0]} alone; see its tasks below."
    rows = sorted((r for r in analysis.ranks if r.budget == last), key=lambda row: row.mean_rank)
    first, second = rows[0], rows[1]
    ahead = second.mean_rank - first.mean_rank
    if ahead == 0:
        return f"After {short(last)} {unit} {first.method} and {second.method} are level."
    clear = "more" if ahead > first.critical_difference else "less"
    return (
        f"After {short(last)} {unit} {first.method} has the best mean rank, {first.mean_rank:.2f} "
        f"of {len(rows)}; next is {second.method} with {second.mean_rank:.2f}, {clear} than the "
        f"critical difference ({first.critical_difference:.2f}) away."
    )


def _by_method(ranks: Sequence[RankRow]) -> dict[str, dict[float, RankRow]]:
    """The rows of each method by budget, the best at the last budget first."""
    found: dict[str, dict[float, RankRow]] = {}
    for row in sorted(ranks, key=lambda row: (-row.budget, row.mean_rank)):
        found.setdefault(row.method, {})[row.budget] = row
    return found


def _task(
    rows: Sequence[SummaryRow], budgets: Sequence[float], front: bool, unit: str
) -> dict[str, Any]:
    """A task's table: rows by method and budget, and what is measured."""
    known = any(not math.isnan(row.regret) for row in rows)
    by_method: dict[str, dict[float, dict[str, Any]]] = {}
    for row in rows:
        shown = row.regret if known else row.mean
        others = [r.regret for r in rows if r.budget == row.budget and not math.isnan(r.regret)]
        leads = known and row.regret == min(others, default=math.nan)
        entry = {"row": row, "shown": shown, "leads": leads}
        by_method.setdefault(row.method, {})[row.budget] = entry
    measures = {
        (False, False): "Best value",
        (True, False): "Regret, the distance of the best from the optimum",
        (False, True): "Share of the hypervolume of all searches",
        (True, True): "Share of the hypervolume missed",
    }
    last = {row.method: row for row in rows if row.budget == budgets[-1]}
    return {
        "rows": by_method,
        "known": known,
        "measure": measures[known, front],
        "after": {
            method: short(row.queries_to_optimum) if math.isfinite(row.queries_to_optimum)
            else f"over {short(row.budget)}"
            for method, row in last.items()
        },
        "reported": list(dict.fromkeys(name for row in last.values() for name in row.reported)),
    }  # fmt: skip


def _convergence(
    task: str,
    courses: Mapping[str, Course],
    kinds: Mapping[str, str],
    front: bool,
    unit: str,
    start: float,
) -> str:
    """The mean course of each method with its interval; logarithmic where the optimum is known."""
    known = any(np.isfinite(course.regret).any() for course in courses.values())
    lines = []
    for method, course in courses.items():
        course = course.since(start)
        values = course.regret if known else course.best
        mean, _ = mean_std(values)
        lines.append((method, course.queries, mean, *bootstrap_interval(values)))
    measure = ("hypervolume", "hypervolume missed") if front else ("best", "regret")
    spread = np.concatenate([values for line in lines for values in line[2:]])
    plot = Plot(
        f"{task}: convergence",
        Axis.of(unit, np.concatenate([line[1] for line in lines]), whole=True),
        Axis.of(f"{measure[known]}, mean and 95 %", spread, log=known),
    )
    for method, x, _, low, high in lines:
        plot.band(x, low, high, kinds[method])
    for method, x, mean, _, _ in lines:
        plot.line(x, mean, kinds[method], method)
    if known and any((line[2] <= 0).any() for line in lines):
        plot.note("a regret of 0 is at the foot")
    return plot.svg()


def _rank_chart(ranks: Sequence[RankRow], kinds: Mapping[str, str], unit: str) -> str:
    """The mean ranks over budgets, each with a bar as long as the critical difference."""
    if not ranks:
        return ""
    budgets = sorted({row.budget for row in ranks})
    methods = _by_method(ranks)
    ends = [end for row in ranks for end in _bar(row)]
    x = Axis.of(unit, budgets, whole=True)
    apart = _APART * (x.high - x.low)
    room = apart * len(methods)
    wide = Axis(unit, x.low - room, x.high + room, whole=True)
    plot = Plot("Mean ranks", wide, Axis.of("mean rank, 1 is the best", ends))
    for number, (method, rows) in enumerate(methods.items()):
        shift = apart * (number - (len(methods) - 1) / 2)
        places = [budget for budget in budgets if budget in rows]
        at = [budget + shift for budget in places]
        means = [rows[budget].mean_rank for budget in places]
        for place, budget in zip(at, places, strict=True):
            plot.line([place, place], _bar(rows[budget]), kinds[method])
        plot.line(at, means, kinds[method], method)
        plot.points(at, means, kinds[method])
    return plot.svg()


def _bar(row: RankRow) -> list[float]:
    half = row.critical_difference / 2
    return [row.mean_rank - half, row.mean_rank + half]
