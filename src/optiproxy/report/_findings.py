"""What a report says of a search in words and tables, from its queries alone."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optiproxy.metrics import Constraint, Objective, mean_metrics
from optiproxy.report._queries import Query, value
from optiproxy.report.search import COSTS

# The best architectures that are listed, and how many of them share an option that is named.
TOP, SHARED = 10, 0.8
# The probability below which chance is ruled out.
LUCK = 0.05
# How far the smallest one may lie behind the best, as a share of its value.
NEARLY = 0.01


def full(queries: Sequence[Query]) -> list[Query]:
    """The queries trained in full; low-fidelity values are not comparable with them."""
    return [query for query in queries if query.get("epochs") is None]


def averaged(query: Query) -> Query:
    """The query with the means of all its evaluations as its metrics, where it has several."""
    if not query.get("repeats") or "evaluations" in query:
        return query
    every = [m for m in (query["metrics"], *query["repeats"]) if m]
    every = [{name: v for name, v in m.items() if v is not None} for m in every]
    return {**query, "metrics": mean_metrics(every) or {}, "evaluations": every}


def failed(query: Query) -> bool:
    """Whether its evaluation failed: it has no metrics, and was not stopped."""
    return not query["metrics"] and not query.get("stopped", False)


def ranked(queries: Sequence[Query], goal: Objective) -> list[Query]:
    """The feasible queries of full trainings, the best first."""
    found = [q for q in full(queries) if q["feasible"] and math.isfinite(value(q, goal.metric))]
    return sorted(found, key=lambda q: -goal.sign * value(q, goal.metric))


@dataclass(frozen=True)
class MetricRow:
    """A metric of the best architecture, beside its limits and the random architectures.

    Attributes:
        metric: Its name.
        best: Of the best architecture.
        limits: As texts, and whether the best keeps them.
        median: Of the random architectures; None where there are none.
        random: Of the best one among the random architectures; None where there is none.
        reported: Whether it never guided the search.
    """

    metric: str
    best: float | None
    limits: tuple[tuple[str, bool], ...]
    median: float | None
    random: float | None
    reported: bool


def metric_rows(
    best: Query,
    drawn: Sequence[Query],
    goals: Sequence[Objective],
    limits: Sequence[Constraint],
    reported: Sequence[str],
) -> list[MetricRow]:
    """All metrics of the best query, against those that were drawn at random."""
    if len(full(drawn)) < len(drawn):
        drawn = []  # low-fidelity values do not show what full training would reach
    first = next(iter(ranked(drawn, goals[0])), None)
    rows = []
    for metric, found in best["metrics"].items():
        values = [v for q in drawn if math.isfinite(v := value(q, metric))]
        rows.append(
            MetricRow(
                metric,
                found,
                tuple(
                    (str(limit).removeprefix(metric).strip(), limit.violation(found) <= 0)
                    for limit in limits
                    if limit.metric == metric and found is not None
                ),
                statistics.median(values) if values else None,
                None if first is None else first["metrics"].get(metric),
                metric in reported,
            )
        )
    return rows


def cost_metric(
    queries: Sequence[Query], goals: Sequence[Objective], limits: Sequence[Constraint]
) -> tuple[str, float] | None:
    """The metric that the first objective is set against, and the sign of its better values."""
    candidates = [(g.metric, g.sign) for g in goals[1:]]
    candidates += [(limit.metric, -limit.sign) for limit in limits]
    candidates += [(metric, -1.0) for metric in COSTS]
    for metric, sign in candidates:
        known = any(math.isfinite(value(query, metric)) for query in queries)
        if metric != goals[0].metric and known:
            return metric, sign
    return None


def smallest(
    best: Query, order: Sequence[Query], goal: Objective, cost: tuple[str, float]
) -> Query:
    """Of those within 1 % of the best, the one of the best cost."""
    metric, sign = cost
    worst = goal.sign * value(best, goal.metric) - NEARLY * abs(value(best, goal.metric))
    near = [
        q for q in order
        if goal.sign * value(q, goal.metric) >= worst and math.isfinite(value(q, metric))
    ]  # fmt: skip
    return max(near, key=lambda q: sign * value(q, metric), default=best)


def knee(front: Sequence[Query], goals: Sequence[Objective]) -> Query | None:
    """The query of the front farthest beyond the plane through its ends; None below three.

    Each objective goes from 0, its worst on the front, to 1, its best: of two objectives this is
    the point with the greatest distance from the line between the ends (Das, "On characterizing
    the 'knee' of the Pareto curve", Structural Optimization 18, 1999).
    """
    if len(front) < 3:
        return None
    scores = np.array([[g.sign * value(q, g.metric) for g in goals] for q in front])
    extent = np.ptp(scores, axis=0)
    shares = (scores - scores.min(0)) / np.where(extent > 0, extent, 1)
    return front[int(shares.sum(1).argmax())]


def shared_options(
    top: Sequence[Query], every: Sequence[Query]
) -> list[tuple[str, Any, int, float]]:
    """The options that most of the best have: choice, option, in how many, share in all queries.

    Those that as many of any architectures among the queries may well have (p of 5 % or more) are
    left out, and so are inactive choices, which follow from others.
    """
    from scipy import stats

    found = []
    if len(top) < 3:
        return []
    for choice in top[0]["architecture"]:
        counts = Counter(repr(q["architecture"].get(choice)) for q in top)
        text, count = counts.most_common(1)[0]
        every_count = sum(repr(q["architecture"].get(choice)) == text for q in every)
        share = every_count / len(every)
        luck = stats.hypergeom.sf(count - 1, len(every), every_count, len(top))
        if count >= SHARED * len(top) and luck < LUCK and text != repr(None):
            option = next(
                q["architecture"][choice] for q in top if repr(q["architecture"][choice]) == text
            )
            found.append((choice, option, count, share))
    return sorted(found, key=lambda row: row[3] - row[2] / len(top))


def differences(query: Query, other: Query) -> list[tuple[str, Any]] | None:
    """Its options that differ from those of another, by choice; None for none, or above half."""
    options, others = query["architecture"], other["architecture"]
    found = [(c, option) for c, option in options.items() if repr(option) != repr(others.get(c))]
    return found if 0 < len(found) <= len(options) / 2 else None


def nearest(queries: Sequence[Query], limits: Sequence[Constraint]) -> list[tuple[str, float, int]]:
    """Of each limit that no query keeps: its metric, the nearest value, and the query's number."""
    found = []
    for limit in limits:
        known = [q for q in queries if math.isfinite(value(q, limit.metric))]
        if not known:
            continue
        first = min(known, key=lambda q: limit.violation(value(q, limit.metric)))
        if limit.violation(value(first, limit.metric)) > 0:
            found.append((limit.metric, value(first, limit.metric), first["query"]))
    return found


def reasons(queries: Sequence[Query], key: str) -> list[tuple[str, list[int]]]:
    """Each reason in `key` with the numbers of its queries, the most frequent first."""
    groups: dict[str, list[int]] = {}
    for query in queries:
        groups.setdefault(str(query.get(key) or "no reason given"), []).append(query["query"])
    return sorted(groups.items(), key=lambda group: -len(group[1]))


@dataclass(frozen=True)
class WorkerRow:
    """What a worker did.

    Attributes:
        name: Its number, with its device.
        queries: How many it evaluated.
        failed: How many of these failed.
        seconds: What they took together.
        share: Of all evaluations' time, in %.
    """

    name: str
    queries: int
    failed: int
    seconds: float
    share: float


def worker_rows(queries: Sequence[Query]) -> list[WorkerRow]:
    """The evaluations by worker."""
    groups: dict[str, list[Query]] = {}
    for query in sorted(queries, key=lambda q: (q.get("worker") is None, q.get("worker") or 0)):
        number, device = query.get("worker"), query.get("device")
        name = "this process" if number is None else f"worker {number}"
        groups.setdefault(f"{name}, GPU {device}" if device else name, []).append(query)
    total = sum(query["seconds"] for query in queries) or 1.0
    return [
        WorkerRow(
            name,
            len(some),
            sum(map(failed, some)),
            seconds := sum(query["seconds"] for query in some),
            100 * seconds / total,
        )
        for name, some in groups.items()
    ]


def time_shares(seconds: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """The time of a search by part: name, seconds, and share in %."""
    proposing = seconds.get("optimizer", 0.0)
    evaluating = seconds.get("oracle", 0.0)
    total = max(seconds.get("total", 0.0), proposing)
    # The evaluation time of several workers adds up to more than the duration.
    rest = max(0.0, total - proposing - evaluating)
    whole = (proposing + evaluating + rest) or 1.0
    parts = {"proposing": proposing, "evaluating": evaluating, "storage and waiting": rest}
    return [(name, taken, 100 * taken / whole) for name, taken in parts.items()]
