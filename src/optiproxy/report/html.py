"""One search as one self-contained HTML file.

The page opens with the answer and needs no network. A small script adds hover, sorting and
filtering; without it nothing is missing.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optiproxy.errors import InvalidValueError
from optiproxy.metrics import Constraint, Objective, parse_constraints, parse_objectives
from optiproxy.report import _charts, _findings
from optiproxy.report._findings import full
from optiproxy.report._graph import draw
from optiproxy.report._page import check_page, number, page, write_page
from optiproxy.report._queries import Query, value
from optiproxy.report.diagnostics import WINDOW, diagnose, rank_correlation, variety

# Metrics in a table beside the architectures, where no more of them guide the search.
_COLUMNS = 5

# Letters of an architecture, above which a short table shows only what differs from the best.
_LONG = 80

# Queries in the rank correlation that the report shows, and how few of them say nothing.
_LAST, _CORRELATED = 2 * WINDOW, 10


@dataclass(frozen=True)
class Search:
    """A search as plain values, from which the report is made.

    Attributes:
        name: The study's.
        task: The task's name.
        space: The space in a few words.
        method: The name of the method.
        proxy: Of its model; None where it has none.
        seed: The study's.
        budget: How many queries it was to have.
        objectives: ``METRIC=max`` or ``METRIC=min``; the first one ranks.
        constraints: ``METRIC <= NUMBER`` or ``METRIC >= NUMBER``.
        reported: The metrics that never guided it.
        queries: In order, each as ``Record.plain()`` of `optiproxy.study` gives it.
        texts: The architecture of each query in one line.
        drawings: The best architecture, each as ``Drawing.plain()`` of `optiproxy.spaces` gives it.
        measured: How metrics of the best were measured: metric → field → value.
        load: Texts that say how the best is loaded: commands or lines of a program.
        best: The number of the best query, where it is not simply that of the best value.
        pareto: The numbers of the queries on the front, where there are several objectives.
        optimum: The best value there is, where it is known.
        regret: How far the best is from it, as ``Task.regret`` says.
        initial: How many of the first queries were drawn without looking at results.
        start: What these were: ``random``, or ``initial`` where scores chose some of them.
        dropped: What was measured, broke a limit, and was not trained: as `queries`, each with its
            ``text`` and ``reason``.
        sensitivities: How much each choice matters, with the fields of ``search.sensitivity``.
        judge: The name of the model that they are from.
        seconds: ``total``, ``optimizer`` and ``oracle``.
        seeds: The queries of the same search with other seeds, by seed; its own among them.
        command: What makes this search again; empty for one that was made in a program.
        versions: Package → version, and ``machine``, as the search was begun.
    """

    name: str
    task: str
    space: str
    method: str
    proxy: str | None
    seed: int
    budget: int
    objectives: Sequence[str]
    constraints: Sequence[str]
    reported: Sequence[str]
    queries: Sequence[Query]
    texts: Sequence[str]
    drawings: Sequence[Mapping[str, Any]] = ()
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    load: Sequence[str] = ()
    best: int | None = None
    pareto: Sequence[int] = ()
    optimum: float | None = None
    regret: float | None = None
    initial: int = 0
    start: str = "random"
    dropped: Sequence[Query] = ()
    sensitivities: Sequence[Mapping[str, Any]] = ()
    judge: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    seeds: Mapping[int, Sequence[Query]] = field(default_factory=dict)
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def html_report(search: Search, path: str | os.PathLike[str]) -> Path:
    """Writes the report of a search: the answer, how it was found, and what to doubt.

    Args:
        search: What it is about.
        path: A file ending in ``.html``; written whole.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: The search has no query, the objectives can't be read, or the file has
            another ending or no folder.
    """
    out = check_page(path)
    return write_page(render(search), out)


def render(search: Search) -> str:
    """The report as text; see `html_report`."""
    if not search.queries:
        raise InvalidValueError(f"report: study {search.name!r} has no query yet; run it first")
    search = replace(
        search,
        queries=list(map(_findings.averaged, search.queries)),
        seeds={s: list(map(_findings.averaged, queries)) for s, queries in search.seeds.items()},
    )
    goals = parse_objectives(list(search.objectives))
    goal, limits = goals[0], parse_constraints(list(search.constraints))
    measured = [query for query in search.queries if query["metrics"]]
    order = _findings.ranked(search.queries, goal)
    first = order[0] if order else None
    best = next((query for query in order if query["query"] == search.best), first)
    drawn = search.queries[: search.initial]
    rows = (
        [] if best is None else _findings.metric_rows(best, drawn, goals, limits, search.reported)
    )
    median = next((row.median for row in rows if row.metric == goal.metric), None)
    cost = _findings.cost_metric(search.queries, goals, limits)
    small = _findings.smallest(best, order, goal, cost) if best and cost else None
    front = [query for query in search.queries if query["query"] in set(search.pareto)]
    front.sort(key=lambda query: -goal.sign * value(query, goal.metric))
    knee = _findings.knee(front, goals)
    failed = [query for query in search.queries if _findings.failed(query)]
    stopped = [query for query in search.queries if query.get("stopped")]
    names = list(dict.fromkeys(name for query in measured for name in query["metrics"]))
    texts = {q["query"]: text for q, text in zip(search.queries, search.texts, strict=True)}
    return page(
        "report.html",
        search=search,
        goal=goal,
        limits=[str(limit) for limit in limits],
        metrics=names,
        main=_main(names, goals, limits, search.reported),
        texts=texts,
        changed=lambda query: (
            _findings.differences(query, best)
            if best is not None and len(texts[query["query"]]) > _LONG
            else None
        ),
        best=best,
        nearest=_findings.nearest(measured, limits),
        drawings=[{"title": d.get("title", ""), "svg": draw(d)} for d in search.drawings],
        metric_rows=rows,
        measurements=[(name, how) for name, m in search.measured.items() if (how := _how(m))],
        confirmation=_confirmation(best, goal),
        drawn=[query for query in drawn if query["metrics"]],
        random_median=median,
        gain=lambda found, other: _gain(goal, found, other),
        regret=search.regret,
        cost=cost and cost[0],
        small=small,
        counts={
            "queries": len(search.queries),
            "repeats": sum(len(query.get("repeats") or ()) for query in search.queries),
            "stopped": len(stopped),
            "failed": len(failed),
            "infeasible": sum(not query["feasible"] for query in measured),
        },
        diagnoses=diagnose(
            search.queries,
            objective=goal.metric,
            direction=goal.direction,
            constraints=list(search.constraints),
            initial=search.initial,
        ),
        signs=_signs(search, goal),
        charts=_drawn(
            search, median, {"best": best, "within 1 %": None if small is best else small}, knee
        ),
        front=front,
        knee=knee,
        choices=_choices(search, goal, best),
        top=order[: _findings.TOP],
        shared=_findings.shared_options(order[: _findings.TOP], full(search.queries)),
        failures=_findings.reasons(failed, "failed"),
        stopped=_findings.reasons(stopped, "failed"),
        shares=_findings.time_shares(search.seconds),
        workers=_findings.worker_rows(search.queries),
        slowest=max(search.queries, key=lambda query: query["seconds"]),
        predicted=any(query.get("predicted") is not None for query in search.queries),
        several_workers=len({query.get("worker") for query in search.queries}) > 1,
    )


def _drawn(
    search: Search,
    median: float | None,
    marked: Mapping[str, Query | None],
    knee: Query | None,
) -> dict[str, Any]:
    """The charts by section."""
    goals = parse_objectives(list(search.objectives))
    goal, limits = goals[0], parse_constraints(list(search.constraints))
    trained = full(search.queries) or list(search.queries)
    cost = _findings.cost_metric(trained, goals, limits)
    course = [_charts.course(trained, goal, {f"median of the {search.start} ones": median})]
    points = {label: query for label, query in marked.items() if query is not None}
    if cost is not None and any(math.isfinite(value(q, goal.metric)) for q in trained):
        course.append(_charts.cost(trained, goal, cost[0], limits, points, search.dropped))
    course.append(_charts.seeds(search.seeds, goal, search.optimum))
    front: list[str] = []
    if search.pareto:
        seeds = {seed: full(queries) for seed, queries in search.seeds.items()}
        points = {} if knee is None else {"knee": knee}
        front = _charts.fronts(full(search.queries), goals, seeds, points)
    return {
        "course": [chart for chart in course if chart],
        "front": front,
        "predicted": _charts.predictions(search.queries, goal),
        "variety": _charts.diversity(search.queries),
    }


def _gain(goal: Objective, found: float, other: float) -> str:
    better = goal.sign * (found - other)
    return "equal to" if better == 0 else (
        f"{number(abs(better))} {'better' if better > 0 else 'worse'} than"
    )  # fmt: skip


def _how(fields: Mapping[str, Any]) -> str:
    """How a metric was measured: the fields of a `hardware.Measurement` in words."""
    threads, repeats, iqr = (fields.get(name) for name in ("threads", "repeats", "iqr_ms"))
    versions = fields.get("versions") or {}
    parts = (
        fields.get("runtime") and f"by {fields['runtime']}",
        fields.get("device") and f"on {fields['device']}",
        threads and f"{threads} thread{'s' if threads > 1 else ''}",
        repeats and f"median of {repeats} runs",
        iqr is not None and f"quartiles {iqr:.2g} ms apart",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    )
    return ", ".join(str(part) for part in parts if part)


def _confirmation(best: Query | None, goal: Objective) -> tuple[list[float], float, float] | None:
    """The values of the best in several evaluations, their mean and standard deviation."""
    values = [m[goal.metric] for m in (best or {}).get("evaluations", ()) if goal.metric in m]
    if len(values) < 2:
        return None
    return values, statistics.fmean(values), statistics.stdev(values)


def _main(
    names: Sequence[str],
    goals: Sequence[Objective],
    limits: Sequence[Constraint],
    reported: Sequence[str],
) -> list[str]:
    """The metrics of short tables: what guided the search, what is reported, a few others."""
    first = [*(g.metric for g in goals), *(limit.metric for limit in limits), *reported]
    chosen = [name for name in dict.fromkeys(first) if name in names]
    others = [name for name in names if name not in chosen]
    return [*chosen, *others[: max(0, _COLUMNS - len(chosen))]]


def _signs(search: Search, goal: Objective) -> list[tuple[str, str, str]]:
    """The quantities behind the diagnostics: name, value, and interpretation."""
    led = search.queries[search.initial :]
    signs = []
    course = variety(search.queries)[search.initial :]
    if len(course):
        signs.append((
            f"variety of {WINDOW} queries in a row, least and last",
            f"{course.min():.2f}, {course[-1]:.2f}",
            "1 is as alike as different architectures can be",
        ))  # fmt: skip
    correlation, count = rank_correlation(led[-_LAST:], goal.metric)
    if count >= _CORRELATED and not math.isnan(correlation):
        signs.append((
            f"rank correlation of prediction and measurement, last {count} queries",
            f"{correlation:.2f}",
            f"0 is chance, give or take {1 / math.sqrt(count - 1):.2f}, and 1 is perfect; "
            "among the best candidates alone it is lower than over all",
        ))  # fmt: skip
    measured = [query for query in led if query["metrics"]]
    if search.constraints and measured:
        kept = sum(query["feasible"] for query in measured)
        signs.append((
            "measured queries that keep all limits, without the random ones",
            f"{kept} of {len(measured)}",
            "",
        ))  # fmt: skip
    return signs


def _choices(search: Search, goal: Objective, best: Query | None) -> list[dict[str, Any]]:
    """The choices that matter most first; numbers in order, other options from the best."""
    widest = max(
        (abs(o["worth"]) for s in search.sensitivities for o in s["options"]
         if math.isfinite(o["worth"])),
        default=0.0,
    )  # fmt: skip
    found = []
    for choice in sorted(search.sensitivities, key=lambda s: -s["moves"]):
        options = [
            {
                **option,
                "share": 100 * abs(option["worth"]) / (widest or 1.0),
                "chosen": best is not None
                and repr(best["architecture"].get(choice["choice"])) == repr(option["option"]),
            }
            for option in choice["options"]
            if math.isfinite(option["worth"])
        ]
        if all(type(option["option"]) in (int, float) for option in options):
            options.sort(key=lambda option: option["option"])
        else:
            options.sort(key=lambda option: -goal.sign * option["worth"])
        if options:
            found.append({**choice, "options": options})
    return found
