"""One search as one self-contained HTML file, without scripts."""

from __future__ import annotations

import math
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy._atomic_write import whole
from optiproxy.errors import InvalidValueError, invalid
from optiproxy.metrics import Objective, parse_objectives
from optiproxy.report._figure import data_uri, panels
from optiproxy.report.convergence import draw_convergence
from optiproxy.report.diagnostics import WINDOW, diagnose, rank_correlation, variety
from optiproxy.report.front import draw_front
from optiproxy.report.search import draw_search
from optiproxy.report.statistics import best_so_far

if TYPE_CHECKING:
    import jinja2

# Queries in the rank correlation that the report shows.
_LAST = 2 * WINDOW


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
        picture: The best architecture, drawn in a few lines of text.
        pareto: The numbers of the queries on the front, where there are several objectives.
        optimum: The best value there is, where it is known.
        initial: How many of the first queries were drawn without looking at results.
        dropped: How many architectures were measured, broke a limit, and were not trained.
        seconds: ``total``, ``optimizer`` and ``oracle``.
        seeds: The queries of the same search with other seeds, by seed; its own among them.
        command: What makes this search again; empty for one that was made in a program.
        versions: Package → version.
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
    queries: Sequence[Mapping[str, Any]]
    texts: Sequence[str]
    picture: str = ""
    pareto: Sequence[int] = ()
    optimum: float | None = None
    initial: int = 0
    dropped: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    seeds: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def html_report(search: Search, path: str | os.PathLike[str]) -> Path:
    """Writes the report of a search: results, course and diagnostics.

    Args:
        search: What it is about.
        path: A file ending in ``.html``; written whole.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: The search has no query, the objectives can't be read, or the file has
            another ending or no folder.
    """
    out = Path(path)
    if out.suffix.lower() not in (".html", ".htm"):
        raise invalid("report", str(out), "give a file that ends in .html")
    if not out.parent.is_dir():
        raise invalid("report", str(out), "its folder does not exist; make it first")
    text = render(search)
    with whole(out) as unfinished:
        unfinished.write_text(text, "utf-8")
    return out


def _failed(query: Mapping[str, Any]) -> bool:
    return not query["metrics"] and not query.get("stopped", False)


def render(search: Search) -> str:
    """The report as text; see `html_report`."""
    if not search.queries:
        raise InvalidValueError(f"report: study {search.name!r} has no query yet; run it first")
    goal = parse_objectives(list(search.objectives))[0]
    measured = [query for query in search.queries if query["metrics"]]
    metrics = list(dict.fromkeys(name for query in measured for name in query["metrics"]))
    best = _best(search, goal)
    return _template().render(
        search=search,
        goal=goal,
        metrics=metrics,
        best=best,
        best_text=None if best is None else search.texts[search.queries.index(best)],
        random_median=_median(search, goal),
        regret=_regret(search, goal, best),
        counts={
            "queries": len(search.queries),
            "stopped": sum(query.get("stopped", False) for query in search.queries),
            "failed": sum(map(_failed, search.queries)),
            "infeasible": sum(not query["feasible"] for query in measured),
        },
        failures=Counter(q["failed"] for q in search.queries if _failed(q)).most_common(5),
        diagnoses=diagnose(
            search.queries,
            objective=goal.metric,
            direction=goal.direction,
            constraints=list(search.constraints),
            initial=search.initial,
        ),
        signs=_signs(search, goal),
        course=data_uri(
            draw_search(
                _full(search.queries) or search.queries,
                objective=goal.metric,
                direction=goal.direction,
                constraints=list(search.constraints),
            )
        ),
        seeds=_seeds(search, goal),
        variety=_variety(search),
        front=[query for query in search.queries if query["query"] in set(search.pareto)],
        front_figure=_front(search),
        shares=_shares(search),
        slowest=max(search.queries, key=lambda query: query["seconds"]),
        predicted=any(query.get("predicted") is not None for query in search.queries),
        workers=len({query.get("worker") for query in search.queries}) > 1,
    )


def _best(search: Search, goal: Objective) -> Mapping[str, Any] | None:
    feasible = [query for query in _full(search.queries) if query["feasible"] and query["metrics"]]
    return max(feasible, key=lambda q: goal.sign * q["metrics"][goal.metric], default=None)


def _regret(search: Search, goal: Objective, best: Mapping[str, Any] | None) -> float | None:
    if best is None or search.optimum is None:
        return None
    return goal.sign * (search.optimum - float(best["metrics"][goal.metric]))


def _median(search: Search, goal: Objective) -> float | None:
    first = search.queries[: search.initial]
    if len(_full(first)) < len(first):
        return None  # low-fidelity values do not show what full training would reach
    drawn = [q["metrics"][goal.metric] for q in first if q["metrics"]]
    return statistics.median(drawn) if drawn else None


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
    if not math.isnan(correlation):
        signs.append((
            f"rank correlation of prediction and measurement, last {count} queries",
            f"{correlation:.2f}",
            "0 is chance, 1 is perfect; among the best candidates alone it is lower than over all",
        ))  # fmt: skip
    measured = [query for query in led if query["metrics"]]
    if search.constraints and measured:
        share = sum(query["feasible"] for query in measured) / len(measured)
        signs.append((
            "measured queries that keep all limits, without the random ones",
            f"{100 * share:.0f} %",
            "",
        ))  # fmt: skip
    return signs


def _seeds(search: Search, goal: Objective) -> str:
    """The mean course over seeds with its band; empty where there is one seed."""
    if len(search.seeds) < 2:
        return ""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("task", "method", "seed", "query", "best", "regret")
    }
    for seed, every in search.seeds.items():
        queries = _full(every) or every
        values = [(query["metrics"] or {}).get(goal.metric, math.nan) for query in queries]
        best = best_so_far(values, [query["feasible"] for query in queries], goal.sign)
        optimum = math.nan if search.optimum is None else search.optimum
        columns["task"] += [search.task] * len(queries)
        columns["method"] += [search.method] * len(queries)
        columns["seed"] += [seed] * len(queries)
        columns["query"] += list(range(1, len(queries) + 1))
        columns["best"] += best.tolist()
        columns["regret"] += (goal.sign * (optimum - best)).tolist()
    return data_uri(draw_convergence(columns))


def _front(search: Search) -> str:
    """The front and the hypervolume over queries; empty for one objective or without a front."""
    if not search.pareto:
        return ""
    full = {seed: _full(queries) for seed, queries in search.seeds.items()}
    # A search with another seed may have no feasible query yet: its hypervolume is 0.
    return data_uri(
        draw_front(
            _full(search.queries),
            objectives=list(search.objectives),
            seeds={seed: queries for seed, queries in full.items() if queries} or None,
        )
    )


def _full(queries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The queries trained in full; low-fidelity values are not comparable with them."""
    return [query for query in queries if query.get("epochs") is None]


def _variety(search: Search) -> str:
    """The diversity of the queries over the search; empty where it is too short."""
    from matplotlib.ticker import MaxNLocator

    course = variety(search.queries)
    if len(course) < 2:
        return ""
    figure, (axis,) = panels(1, width=7.0, height=2.4)
    axis.plot(range(WINDOW, WINDOW + len(course)), course)
    axis.axhline(1, linestyle="--", linewidth=1, color="#888888")
    axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("query")
    axis.set_ylabel(f"variety of the last {WINDOW}")
    return data_uri(figure)


def _shares(search: Search) -> list[tuple[str, float, float]]:
    """The time of the search by part: name, seconds, and share in %."""
    proposing = search.seconds.get("optimizer", 0.0)
    evaluating = search.seconds.get("oracle", 0.0)
    total = max(search.seconds.get("total", 0.0), proposing)
    # The evaluation time of several workers adds up to more than the duration.
    rest = max(0.0, total - proposing - evaluating)
    whole = (proposing + evaluating + rest) or 1.0
    parts = {"proposing": proposing, "evaluating": evaluating, "storage and waiting": rest}
    return [(name, seconds, 100 * seconds / whole) for name, seconds in parts.items()]


def _number(value: object) -> str:
    """Whole numbers with thousands separators, others with six digits; a dash for None."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else f"{value:.6g}"


def _time(seconds: float) -> str:
    if seconds < 1:
        return "0 s" if seconds == 0 else f"{max(1, round(1000 * seconds))} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


@cache
def _template() -> jinja2.Template:
    import jinja2

    text = resources.files("optiproxy.report").joinpath("report.html").read_text("utf-8")
    # Names, options and errors of users are escaped.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, time=_time)
    return environment.from_string(text)
