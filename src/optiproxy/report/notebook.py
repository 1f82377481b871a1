"""Parts of a report for a notebook's cell, from plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optiproxy.metrics import parse_objectives
from optiproxy.report import _charts
from optiproxy.report._findings import averaged, failed, full
from optiproxy.report._graph import draw
from optiproxy.report._page import fragment
from optiproxy.report._queries import Query


def best_fragment(
    best: Query,
    *,
    title: str,
    text: str,
    drawings: Sequence[Mapping[str, Any]],
    reported: Sequence[str] = (),
) -> str:
    """An architecture with its metrics, drawn.

    Args:
        best: Its query, as ``Record.plain()`` gives it.
        title: What it is.
        text: The architecture in one line.
        drawings: As ``Drawing.plain()`` of `optiproxy.spaces` gives them.
        reported: The metrics that never guided the search.
    """
    return _fragment(
        title=title, best=averaged(best), text=text, drawings=drawings, reported=reported
    )


def study_fragment(
    queries: Sequence[Query],
    *,
    title: str,
    subtitle: str,
    budget: int,
    objectives: Sequence[str],
    best: Query | None = None,
    text: str = "",
    drawings: Sequence[Mapping[str, Any]] = (),
    reported: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """A search, finished or running: how far it is, its best architecture, the best so far.

    Args:
        queries: In order, as ``Record.plain()`` gives them.
        title: The study's name.
        subtitle: What is searched, and how.
        budget: How many queries it is to have.
        objectives: ``METRIC=max`` or ``METRIC=min``; the first one ranks.
        best: The best query; None before there is one.
        text: Its architecture in one line.
        drawings: See `best_fragment`.
        reported: See there.
        notes: Warnings.
    """
    goal = parse_objectives(list(objectives))[0]
    queries = list(map(averaged, queries))
    trained = full(queries) or list(queries)
    counts = [
        f"{count} {what}"
        for what, count in (
            ("failed", sum(map(failed, queries))),
            ("stopped early", sum(bool(q.get("stopped")) for q in queries)),
            ("broke a limit", sum(bool(q["metrics"]) and not q["feasible"] for q in queries)),
        )
        if count
    ]
    return _fragment(
        title=title,
        subtitle=subtitle,
        budget=max(budget, len(queries)),
        done=len(queries),
        counts=counts,
        best=None if best is None else averaged(best),
        text=text,
        drawings=drawings,
        reported=reported,
        # A cell has no table of queries that a point could lead to.
        chart=_charts.course(trained, goal, {}, links=False) if trained else "",
        notes=notes,
    )


def _fragment(*, drawings: Sequence[Mapping[str, Any]], **content: Any) -> str:
    empty = {"subtitle": "", "budget": 0, "done": 0, "counts": (), "chart": "", "notes": ()}
    return fragment("fragment.html", drawings=list(map(draw, drawings)), **{**empty, **content})
