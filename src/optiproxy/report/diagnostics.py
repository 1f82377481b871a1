"""Diagnostics of a search: whether it explores, predicts well, and finds feasible networks.

Everything is computed from the history alone, so that it can be said of any finished search. The
thresholds are this package's own: they lie outside of what searches that go well show (see each
constant).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.metrics import Constraint, parse_constraints, parse_objectives
from optiproxy.report._findings import averaged
from optiproxy.report._hindsight import hindsight

# Queries of one diagnosis; there is none for fewer.
WINDOW = 20

# The least `variety`. Measured over 60 queries by the default configuration on NB201,
# NAS-Bench-Macro, NAS-Bench-Graph, SpikeNAS and a space of 20 choices (2 seeds each): 1.30 or more;
# by local search, which walks from neighbour to neighbour: 1.22 or more.
COLLAPSED = 1.15
# A collapse also has less than this part of the variety of the random queries that keep the limits:
# a small space, or tight limits, leave architectures that are all alike.
HALF = 0.5
# So many random queries must keep the limits, else what these leave is not known.
FEW = 5

# The share of a search in which it should explore.
EARLY = 0.5

# The least rank correlation (Spearman) of predictions and measurements. Queries are those that the
# proxy ranks highest, so the correlation among them is far lower than over the whole space.
# Measured over the last 30 of 100 queries on NB201, NAS-Bench-Macro, NAS-Bench-Graph and SpikeNAS
# (15 searches): 0.01 to 0.87, median 0.49; over the first 30 after the random ones: -0.37 to 0.51.
UNLED = 0.05
# The least rank correlation in hindsight: what is predicted of each from all others. It is twice
# the standard error for 40 values that are noise. Measured on the last 40 of 100 queries of six
# tables (28 searches): -0.21 to 0.89, median 0.61; on values that are noise alone: up to 0.31.
LEARNABLE = 0.32

# The share of the last WINDOW results that may break a limit. A successful search close to its
# limit breaks it in about half of its queries.
MOSTLY = 0.8


@dataclass(frozen=True)
class Diagnosis:
    """A possible problem of a search.

    Attributes:
        kind: ``"mode collapse"``, ``"proxy-reality gap"`` or ``"constraint"``.
        finding: What was seen, with its numbers.
        remedy: What may help.
    """

    kind: str
    finding: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.finding}; {self.remedy}"


def diagnose(
    queries: Sequence[Mapping[str, Any]],
    *,
    objective: str,
    direction: str = "max",
    constraints: Sequence[str] = (),
    initial: int = 0,
) -> list[Diagnosis]:
    """The possible problems of a search.

    Args:
        queries: In order, as the ``trajectory`` of ``optiproxy search --json``; each may say what
            was ``predicted`` of the objective when it was proposed. Of several evaluations the
            means count.
        objective: The metric that ranks.
        direction: ``"max"`` or ``"min"``.
        constraints: Texts such as ``"latency_ms <= 5"``.
        initial: How many of the first queries were drawn without looking at results.

    Raises:
        InvalidValueError: A direction or a constraint that can't be read.
    """
    goal = parse_objectives({objective: direction})[0]
    queries = [averaged(query) for query in queries]
    led = queries[initial:]
    found = [
        _collapse(queries, initial),
        _gap(led, goal.metric),
        *(_unsatisfied(queries, initial, limit) for limit in parse_constraints(list(constraints))),
    ]
    return [diagnosis for diagnosis in found if diagnosis is not None]


def variety(queries: Sequence[Mapping[str, Any]], window: int = WINDOW) -> NDArray[np.float64]:
    """The diversity of neighbouring queries, (T - window + 1,); empty for T < window.

    The entropies of the choices' options among `window` queries in a row, added up, over the
    logarithm of `window`. That is the least they can be for different architectures (the entropy of
    all choices together is at most the sum): 1 means that they are as alike as can be, below 1
    architectures are repeated. Options drawn uniformly have the number of choices times the
    logarithm of their number, over that of `window`: 3.2 in NB201.

    Args:
        queries: As for `diagnose`.
        window: How many queries in a row.
    """
    if len(queries) < window:
        return np.empty(0)
    total = np.zeros(len(queries) - window + 1)
    for options in _codes([query["architecture"] for query in queries]).T:
        chosen = options[:, None] == np.arange(options.max() + 1)  # (T, options)
        until = np.vstack([np.zeros((1, chosen.shape[1]), np.int64), chosen.cumsum(axis=0)])
        share = (until[window:] - until[:-window]) / window
        total -= (share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    return total / math.log(window)


def _codes(archs: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    """The options as numbers, (T, C)."""
    columns = []
    for name in archs[0]:
        # By text: options may be of any type, and 1 differs from True.
        texts = [repr(arch.get(name)) for arch in archs]
        numbers = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        columns.append([numbers[text] for text in texts])
    return np.array(columns, dtype=np.int64).T


def rank_correlation(queries: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, int]:
    """Spearman's correlation of predictions and measurements, and the number of queries.

    Of several fidelities it is that of the most frequent one: low-fidelity trainings are worse, and
    predicted to be, which says nothing of the proxy. NaN where fewer than three queries have both
    values, or one of them is constant.
    """
    from scipy import stats

    pairs = [
        (query["predicted"], value)
        for query in _of_one_fidelity(queries)
        if query.get("predicted") is not None
        and (value := (query["metrics"] or {}).get(metric)) is not None
    ]
    predicted, measured = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else (
        np.empty(0), np.empty(0)
    )  # fmt: skip
    if len(pairs) < 3 or np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return math.nan, len(pairs)
    return float(stats.spearmanr(predicted, measured).statistic), len(pairs)


def _of_one_fidelity(queries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The queries of the most frequent fidelity."""
    return [queries[place] for place in _places_of_one_fidelity(queries)]


def _places_of_one_fidelity(queries: Sequence[Mapping[str, Any]]) -> list[int]:
    if not queries:
        return []
    ((most, _),) = Counter(query.get("epochs") for query in queries).most_common(1)
    return [place for place, query in enumerate(queries) if query.get("epochs") == most]


def _collapse(queries: Sequence[Mapping[str, Any]], initial: int) -> Diagnosis | None:
    if not queries:
        return None
    # Architectures selected at a low fidelity are trained again in full, which is no collapse.
    places = _places_of_one_fidelity(queries)
    queries = [queries[place] for place in places]
    initial = sum(place < initial for place in places)
    kept = [query for query in queries[:initial] if query["feasible"]]
    led = len(queries) - initial
    early = initial + max(WINDOW, math.ceil(EARLY * led))
    course = variety(queries)[initial : early - WINDOW + 1]
    if len(kept) < FEW or not len(course):
        return None
    if course.min() >= min(COLLAPSED, HALF * variety(kept, len(kept))[0]):
        return None
    first = initial + int(course.argmin())
    near = _near([query["architecture"] for query in queries[first : first + WINDOW]])
    return Diagnosis(
        "mode collapse",
        f"queries {places[first] + 1} to {places[first + WINDOW - 1] + 1} are nearly the same: "
        f"{100 * near:.0f} % of them differ from an earlier one in a single choice, and their "
        f"variety is {course.min():.2f}, where 1 is the least of different architectures",
        "start with more random queries (n_init), use another proxy or seed, and see whether "
        "the evaluation tells architectures apart at all",
    )


def _near(archs: Sequence[Mapping[str, Any]]) -> float:
    """The share of architectures that differ from an earlier one in at most one choice."""
    rows = _codes(archs)
    close = (rows[:, None] != rows[None]).sum(-1) <= 1  # (T, T)
    return float(np.tril(close, -1).any(axis=1).mean())


def _gap(led: Sequence[Mapping[str, Any]], metric: str) -> Diagnosis | None:
    predicted = _of_one_fidelity(
        [q for q in led if q.get("predicted") is not None and q["metrics"]]
    )
    correlation, count = rank_correlation(predicted[-2 * WINDOW :], metric)
    if count < 2 * WINDOW or math.isnan(correlation) or correlation >= UNLED:
        return None
    # Values that differ by noise alone can't be predicted by any proxy.
    learnable = hindsight(predicted, metric, count)
    if not learnable >= LEARNABLE:
        return None
    return Diagnosis(
        "proxy-reality gap",
        f"what the proxy predicted of the last {count} queries and what was measured have a rank "
        f"correlation of {correlation:.2f}; predicted from the results of similar architectures, "
        f"in hindsight, it is {learnable:.2f}",
        "use another proxy, or average the evaluation over several seeds if it is noisy",
    )


def _unsatisfied(
    queries: Sequence[Mapping[str, Any]], initial: int, limit: Constraint
) -> Diagnosis | None:
    values = _measured(queries, limit.metric)
    kept = sum(limit.violation(value) <= 0 for value in values)
    # That random architectures break a tight limit is no fault, unless nothing keeps it.
    last = (_measured(queries[initial:], limit.metric) if kept else values)[-WINDOW:]
    broken = sum(limit.violation(value) > 0 for value in last)
    if len(last) < WINDOW or broken <= MOSTLY * WINDOW:
        return None
    nearest = min(values, key=limit.violation)
    reached = (
        f"{kept} of all {len(values)} keep it"
        if kept
        else f"the nearest to it in the whole search is {nearest:.4g}"
    )
    return Diagnosis(
        "constraint",
        f"{broken} of the last {WINDOW} results break {limit}; {reached}",
        "loosen the limit if it may be (and check its unit), or take options with a "
        f"{'smaller' if limit.sign > 0 else 'larger'} {limit.metric} into the space",
    )


def _measured(queries: Sequence[Mapping[str, Any]], metric: str) -> list[float]:
    """The metric of the queries that have it."""
    values = [(query["metrics"] or {}).get(metric) for query in queries]
    return [float(value) for value in values if value is not None]
