"""The charts of one search's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optiproxy.metrics import Constraint, Objective
from optiproxy.report._figure import worst_shown
from optiproxy.report._findings import failed, full
from optiproxy.report._plot import Axis, Plot
from optiproxy.report._queries import (
    Query,
    column,
    meet_limits,
    objective_values,
    together,
    value,
)
from optiproxy.report.diagnostics import WINDOW, rank_correlation, variety
from optiproxy.report.front import on_front, reference_behind
from optiproxy.report.hypervolume import beaten, courses, stated
from optiproxy.report.statistics import best_so_far, bootstrap_interval, mean_std

# Fewer predictions have no rank correlation worth a chart.
LEAST_PREDICTED = 5


def numbers(queries: Sequence[Query]) -> list[int]:
    """The queries' numbers."""
    return [query["query"] for query in queries]


def _shown(values: NDArray[np.float64], sign: float) -> NDArray[np.bool_]:
    """Which values are on the scale: those far below the others would flatten them."""
    finite = np.isfinite(values)
    if not finite.any():
        return finite
    return np.asarray(finite & (sign * values >= worst_shown(sign * values[finite])))


def _points(
    plot: Plot,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    shown: NDArray[np.bool_],
    queries: Sequence[Query],
) -> None:
    """Those of the queries that are shown, apart by whether they keep the limits."""
    kept, at = meet_limits(queries), np.array(numbers(queries))
    for which, kind, label in (
        (shown & ~kept, "broken", "breaks a limit"),
        (shown & kept, "good", "query"),
    ):
        some = np.flatnonzero(which)
        plot.points(x[some], y[some], kind, label, queries=at[some].tolist())


def course(
    queries: Sequence[Query],
    goal: Objective,
    lines: Mapping[str, float | None],
    *,
    links: bool = True,
) -> str:
    """Every query, and the best so far.

    Args:
        queries: Of one fidelity.
        goal: The first objective.
        lines: Label → a value to compare with; None for no line.
        links: Whether the points lead to the rows of their queries.
    """
    values = column(queries, goal.metric)
    shown = _shown(values, goal.sign)
    at = np.array(numbers(queries))
    known = {label: other for label, other in lines.items() if other is not None}
    plot = Plot(
        f"Best {goal.metric} so far",
        Axis.of("query", at, whole=True),
        Axis.of(goal.metric, [*values[shown], *known.values()]),
        links=links,
    )
    for label, other in known.items():
        plot.across(other, "dashed", label)
    _points(plot, at, values, shown, queries)
    plot.line(
        at, best_so_far(values, meet_limits(queries), goal.sign), "best", "best so far", steps=True
    )
    lost = [q for q in queries if failed(q)]
    plot.marks(numbers(lost), "failed", f"failed ({len(lost)})", numbers(lost))
    cut = [q for q in queries if q.get("stopped")]
    plot.marks(numbers(cut), "stopped", f"stopped early ({len(cut)})", numbers(cut))
    if outside := int((np.isfinite(values) & ~shown).sum()):
        plot.note(f"{outside} far {'below' if goal.sign > 0 else 'above'}, not shown")
    return plot.svg()


def cost(
    queries: Sequence[Query],
    goal: Objective,
    metric: str,
    limits: Sequence[Constraint],
    marked: Mapping[str, Query],
    dropped: Sequence[Query],
) -> str:
    """The objective against a cost, with what was dropped before training at the foot.

    Args:
        queries: Of full trainings.
        goal: The first objective.
        metric: The cost.
        limits: All of them; those of `metric` are drawn.
        marked: Label → a query to point out.
        dropped: What was measured and not trained.
    """
    x, y = column(queries, metric), column(queries, goal.metric)
    shown = _shown(y, goal.sign) & np.isfinite(x)
    untrained = column(dropped, metric)
    untrained = untrained[np.isfinite(untrained)]
    plot = Plot(
        f"{goal.metric} against {metric}",
        Axis.of(metric, [*x[shown], *untrained]),
        Axis.of(goal.metric, y[shown]),
    )
    for limit in limits:
        if limit.metric == metric:
            plot.across(limit.bound, "limit", str(limit), upright=True)
    _points(plot, x, y, shown, queries)
    for (label, query), kind in zip(marked.items(), ("star", "ring"), strict=False):
        place = [value(query, metric)], [value(query, goal.metric)]
        plot.points(*place, kind, label, queries=[query["query"]], radius=6)
    if len(untrained):
        plot.rug(untrained.tolist(), "failed", f"dropped untrained ({len(untrained)})")
    return plot.svg()


def fronts(
    queries: Sequence[Query],
    goals: Sequence[Objective],
    seeds: Mapping[int, Sequence[Query]],
    marked: Mapping[str, Query],
) -> list[str]:
    """The first objective against each other one, and the hypervolume over queries."""
    values = objective_values(queries, goals)
    front = on_front(values, meet_limits(queries), goals)
    charts = []
    for other in range(1, len(goals)):
        charts.append(_front(queries, values[:, [0, other]], front,
                             (goals[0], goals[other]), marked, steps=len(goals) == 2))  # fmt: skip
    runs = [run for run in seeds.values() if run] or [queries]
    corner = stated(goals, reference_behind(runs, [goal.text for goal in goals]))
    volumes = courses(runs, goals, corner)
    mean, _ = mean_std(volumes)
    at = np.arange(1, volumes.shape[1] + 1)
    plot = Plot("Hypervolume", Axis.of("query", at, whole=True), Axis.of("hypervolume", volumes))
    if len(runs) > 1:
        plot.band(at, *bootstrap_interval(volumes), "best")
    plot.line(at, mean, "best", f"{len(runs)} seeds" if len(runs) > 1 else "")
    return [*charts, plot.note(f"counts: {beaten(goals, corner)}").svg()]


def _front(
    queries: Sequence[Query],
    points: NDArray[np.float64],
    front: NDArray[np.int64],
    goals: tuple[Objective, Objective],
    marked: Mapping[str, Query],
    *,
    steps: bool,
) -> str:
    shown = _shown(points[:, 0], goals[0].sign) & _shown(points[:, 1], goals[1].sign)
    shown[front] = True
    x, y = points[:, 1], points[:, 0]
    labels = [f"{g.metric} ({'more' if g.sign > 0 else 'less'} is better)" for g in goals]
    plot = Plot(
        f"Front of {goals[0].metric} and {goals[1].metric}",
        Axis.of(labels[1], x[shown]),
        Axis.of(labels[0], y[shown]),
    )
    rest = shown.copy()
    rest[front] = False
    _points(plot, x, y, rest, queries)
    if steps:
        # From one point to the next the second objective is worse before the first is better.
        order = front[np.argsort(-goals[1].sign * x[front])]
        plot.line(x[order], y[order], "front", steps=True)
    on_it = [queries[i]["query"] for i in front]
    plot.points(x[front], y[front], "front", f"front ({len(front)})", queries=on_it, radius=4.2)
    for (label, query), kind in zip(marked.items(), ("star", "ring"), strict=False):
        place = [value(query, goals[1].metric)], [value(query, goals[0].metric)]
        plot.points(*place, kind, label, queries=[query["query"]], radius=7)
    return plot.svg()


def seeds(runs: Mapping[int, Sequence[Query]], goal: Objective, optimum: float | None) -> str:
    """The mean best so far of the same search with several seeds; empty where there is one."""
    if len(runs) < 2:
        return ""
    tracks = []
    for every in runs.values():
        queries = full(every) or list(every)
        values = column(queries, goal.metric)
        tracks.append(best_so_far(values, meet_limits(queries), goal.sign))
    best = together(tracks)
    at = np.arange(1, best.shape[1] + 1)
    mean, _ = mean_std(best)
    low, high = bootstrap_interval(best)
    known = [] if optimum is None else [optimum]
    plot = Plot(
        f"{len(runs)} seeds: mean and 95 % interval",
        Axis.of("query", at, whole=True),
        Axis.of(f"best {goal.metric}", [*low, *high, *mean, *known]),
    )
    if optimum is not None:
        plot.across(optimum, "dashed", "optimum")
    return plot.band(at, low, high, "best").line(at, mean, "best", "mean").svg()


def predictions(queries: Sequence[Query], goal: Objective) -> list[str]:
    """Predicted against measured, and their rank correlation over the search."""
    pairs = [q for q in full(queries) if q.get("predicted") is not None]
    pairs = [q for q in pairs if np.isfinite(value(q, goal.metric))]
    if len(pairs) < LEAST_PREDICTED:
        return []
    predicted = np.array([float(q["predicted"]) for q in pairs])
    measured = column(pairs, goal.metric)
    shown = _shown(measured, goal.sign) & _shown(predicted, goal.sign)
    both = [*predicted[shown], *measured[shown]]
    plot = Plot(
        "Predicted and measured",
        Axis.of(f"predicted {goal.metric}", both),
        Axis.of(f"measured {goal.metric}", both),
    )
    ends = [plot.x.low, plot.x.high]
    plot.line(ends, ends, "dashed", "equal")
    some = np.flatnonzero(shown)
    plot.points(
        predicted[some], measured[some], "good", "query",
        queries=[pairs[i]["query"] for i in some],
    )  # fmt: skip
    window = min(WINDOW, len(pairs))
    steps = range(window, len(pairs) + 1)
    ranks = [rank_correlation(pairs[i - window : i], goal.metric)[0] for i in steps]
    charts = [plot.svg()]
    if len(ranks) > 1:
        at = [pairs[i - 1]["query"] for i in steps]
        trend = Plot(
            f"Rank correlation, {window} queries each",
            Axis.of("query", at, whole=True),
            Axis("Spearman's correlation", -1.02, 1.02),
        )
        trend.across(0, "dashed", "chance")
        charts.append(trend.line(at, ranks, "best").svg())
    return charts


def diversity(queries: Sequence[Query]) -> str:
    """How unlike the queries are, over the search; empty where it is too short."""
    found = variety(queries)
    if len(found) < 2:
        return ""
    at = np.arange(WINDOW, WINDOW + len(found))
    plot = Plot(
        f"Variety of {WINDOW} queries in a row",
        Axis.of("query", at, whole=True),
        Axis("variety", 0, 1.08 * max(float(found.max()), 1.0)),
    )
    return plot.across(1, "dashed", "as alike as can be").line(at, found, "best").svg()
