"""The history of a search: architectures and their results, the only state of a method."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from moocore import pareto_rank
from numpy.typing import NDArray

from optiproxy.errors import invalid
from optiproxy.metrics import Constraint, Noise, Objective, is_feasible, mean_metrics
from optiproxy.search._exact import Exact
from optiproxy.search.problem import number
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices

if TYPE_CHECKING:
    from optiproxy.search.estimates import Estimates

Result = Mapping[str, float] | float | None


@dataclass(frozen=True)
class Query:
    """One evaluated architecture.

    Attributes:
        architecture: What was evaluated.
        metrics: None where the evaluation failed. Where a limited metric was measured first and
            breaks its limit, the evaluation stopped there and the objectives are missing.
        feasible: Whether it succeeded and meets all limits.
        results: Of each evaluation in turn, where there were several: then `metrics` are their
            means, without those that failed.
    """

    architecture: Architecture
    metrics: Mapping[str, float] | None
    feasible: bool
    results: tuple[Mapping[str, float] | None, ...] = ()


class History:
    """The queries of a method, and how repeated and infeasible results are read.

    Args:
        space: What is searched.
        objectives: The first one ranks.
        constraints: With absolute bounds.
        exact: The metrics that are computed, which results need not contain.
        seed: Of the search.
        distinct: Whether architectures that are the same network count as one.
        noise: As of `Task`; None where it is found out by repeated evaluations.
    """

    def __init__(
        self,
        space: Space,
        objectives: tuple[Objective, ...],
        constraints: tuple[Constraint, ...],
        exact: Exact,
        *,
        seed: int,
        distinct: bool,
        noise: Noise | None,
    ) -> None:
        self.space = space
        self.objectives, self.constraints = objectives, constraints
        self.exact = exact
        self.seed, self.distinct = seed, distinct
        self.noise = noise
        self._rows: list[Indices] = []
        self._queries: list[Query] = []
        self._pending: list[Indices] = []
        self._known: set[bytes] = set()
        self._places: dict[bytes, int] = {}  # Of each evaluated network among the queries.
        self._low: list[tuple[Mapping[str, object], Result]] = []
        self._keys: list[bytes] = []  # Of the rows.
        # What the last `restore` read, of which the first queries are, and whether `distinct` then.
        self._restored: list[tuple[Mapping[str, object], Result]] = []
        self._restored_distinct = self.distinct
        self._averages = False  # Whether a query has the mean of several results.

    def tell(self, archs: Iterable[Mapping[str, object]], results: Iterable[Result]) -> None:
        """Adds evaluated architectures to the history, whether `ask` proposed them or not.

        A second result of an architecture is a repeated evaluation, and no other query: the query
        keeps all results, and its metrics are their means.

        Args:
            archs: Architectures of the space (mappings are read and checked).
            results: For each a mapping metric → value, a bare number when there is one objective,
                or None where the evaluation failed. NaN in an objective or a limited metric counts
                as failed. A mapping may lack metrics when another metric breaks its limit.

        Raises:
            InvalidValueError: The lists differ in length, a result lacks an objective's metric, or
                a value is not a number.
        """
        if isinstance(archs, Mapping | str) or not isinstance(archs, Iterable):
            raise invalid("tell: archs", archs, "give a list of architectures, also for one")
        if isinstance(results, Mapping | str) or not isinstance(results, Iterable):
            raise invalid("tell: results", results, "give a list, one result for each architecture")
        checked = self.space.architectures(archs)
        given = list(results)
        if len(given) != len(checked):
            raise invalid(
                "tell: results", f"{len(given)} results", f"give {len(checked)}, one each"
            )
        queries = [self._query(a, r) for a, r in zip(checked, given, strict=True)]
        rows = self.space.to_indices(checked)
        keys = self.keys(rows)
        finished = set(keys)
        pending = zip(self._pending, self.keys(np.array(self._pending)), strict=True)
        self._pending = [row for row, key in pending if key not in finished]
        self._known.update(finished)
        for row, key, query in zip(rows, keys, queries, strict=True):
            place = self._places.setdefault(key, len(self._queries))
            if place == len(self._queries):
                self._rows.append(row)
                self._keys.append(key)
                self._queries.append(query)
            else:
                self._averages = True
                self._queries[place] = self._averaged(self._queries[place], query)

    def restore(
        self,
        evaluated: Iterable[tuple[Mapping[str, object], Result]],
        pending: Iterable[Mapping[str, object]] = (),
        *,
        low: Iterable[tuple[Mapping[str, object], Result]] = (),
    ) -> None:
        """Replaces the whole state by a history, in its order, and by the pending architectures.

        What the last history began with and this one too is kept as it is, which saves the time of
        reading it again.

        Args:
            evaluated: Architectures with their results.
            pending: Architectures whose results are still to come.
            low: Low-fidelity results of architectures, from which the choice of full evaluations
                is learnt. They are not in the history: `ask` may propose the same architectures.
        """
        self._low = list(low)
        pairs = list(evaluated)
        same = self._unchanged(pairs)
        # Copies, since another optimiser may have the same lists.
        self._restored = self._restored[:same]
        self._rows, self._keys = self._rows[:same], self._keys[:same]
        self._queries, self._pending = self._queries[:same], []
        self._known = set(self._keys)
        self._places = {key: place for place, key in enumerate(self._keys)}
        self._averages = False
        self.tell([arch for arch, _ in pairs[same:]], [result for _, result in pairs[same:]])
        self._restored_distinct = self.distinct
        self._restored += [
            (arch, dict(result) if isinstance(result, Mapping) else result)
            for arch, result in pairs[same:]
        ]
        self._pending = list(self.space.to_indices(self.space.architectures(pending)))
        self._known.update(self.keys(np.array(self._pending).reshape(-1, len(self.space))))

    def _unchanged(self, pairs: Sequence[tuple[Mapping[str, object], Result]]) -> int:
        """How many of the first `pairs` the last `restore` has read already."""
        same = 0
        # Values may be arrays, which can't always be compared.
        with contextlib.suppress(ValueError, TypeError, RuntimeError):
            for (arch, result), (known, read) in zip(pairs, self._restored, strict=False):
                if arch is not known or result != read:
                    break
                same += 1
        as_they_are = self._restored_distinct == self.distinct and not self._averages
        return same if as_they_are else 0

    @property
    def queries(self) -> tuple[Query, ...]:
        """All evaluated architectures, in their order."""
        return tuple(self._queries)

    @property
    def rows(self) -> Indices:
        """The evaluated architectures, (T, C)."""
        return np.array(self._rows, dtype=np.int64).reshape(-1, len(self.space))

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric of all queries, (T,); NaN where one failed or lacks the metric."""
        return np.array(
            [
                math.nan if q.metrics is None else q.metrics.get(metric, math.nan)
                for q in self._queries
            ]
        )

    def scores(self) -> NDArray[np.float64]:
        """What a single-objective method maximises, (T,); failures are -inf.

        Feasible queries have the signed objective, or with several objectives minus the rank of
        their front (non-dominated sorting). Infeasible ones lie below all of them, by the sum of
        their violations, each relative to its bound.
        """
        scores = self._ranking()
        scores[np.isnan(scores)] = -np.inf
        if self.constraints and len(scores):
            feasible = np.array([q.feasible for q in self._queries])
            violation = np.array([self._violation(q) for q in self._queries])
            finite = scores[feasible & np.isfinite(scores)]
            floor = finite.min() if len(finite) else 0.0
            scores = np.where(feasible, scores, floor - 1.0 - violation)
        return scores

    def _ranking(self) -> NDArray[np.float64]:
        """The objective, or with several minus the front's rank, (T,); NaN where there is none."""
        y = np.stack([o.sign * self.values(o.metric) for o in self.objectives], axis=1)
        if len(self.objectives) == 1:
            return y[:, 0]
        ranked = np.array([q.feasible for q in self._queries], dtype=bool)
        scores = np.full(len(y), np.nan)
        if ranked.any():
            scores[ranked] = -pareto_rank(-y[ranked]).astype(float)
        return scores

    def keys(self, rows: Indices) -> list[bytes]:
        """The identity of each of `rows` (B, C); equal for equal networks if those count as one."""
        if self.distinct and len(rows):
            rows = self.space.canonical(rows)
        return [row.tobytes() for row in np.ascontiguousarray(rows, dtype=np.int64)]

    @property
    def pareto(self) -> tuple[Query, ...]:
        """The feasible queries that no other one dominates, in order; empty for one objective."""
        if len(self.objectives) == 1:
            return ()
        ranks = self._ranking()
        first = np.max(ranks, initial=-np.inf, where=~np.isnan(ranks))
        return tuple(q for q, r in zip(self._queries, ranks, strict=True) if r == first)

    # ---- the best, also of noisy results ----

    @property
    def best(self) -> Query | None:
        """The best feasible query by the first objective, then the next; None before there is one.

        Of noisy evaluations (`noise`, or an architecture has several results) it is the best by
        its mean as a Gaussian process of all results shrinks it: the greatest single value is the
        luckiest.
        """
        if self.noisy and (place := self._estimates.best()) is not None:
            return self._queries[place]
        fit = [(q, q.metrics) for q in self._queries if q.metrics is not None and q.feasible]
        found = max(
            fit, key=lambda f: [o.sign * f[1][o.metric] for o in self.objectives], default=None
        )
        return None if found is None else found[0]

    @property
    def noisy(self) -> bool:
        """Whether another evaluation of an architecture may give another value."""
        if self.noise is not None:
            return self.noise != "none"
        return any(query.results for query in self._queries)

    @property
    def _results_told(self) -> int:
        """The number of results: of queries, and of repeated evaluations."""
        return sum(max(1, len(query.results)) for query in self._queries)

    @property
    def _estimates(self) -> Estimates:
        from optiproxy.search.estimates import estimates

        return estimates(self.space, self.rows, self._queries, self.objectives[0])

    def to_repeat(self, waiting: Sequence[Architecture] = ()) -> Architecture | None:
        """The architecture whose next evaluation says most about which one is the best.

        Top-two Thompson sampling (Russo, Simple Bayesian algorithms for best-arm identification,
        2016, https://arxiv.org/abs/1602.08448): the architecture that is the best in one draw of
        the model's posterior, or half of the time the best other one of another draw.

        Args:
            waiting: Architectures that are being evaluated again, each as often as it is.

        Returns:
            An evaluated, feasible architecture; None if there is none.
        """
        rng = np.random.default_rng([self.seed, self._results_told, len(waiting), 0x2E9])
        rows = self.space.to_indices(list(waiting))
        places = [self._places[key] for key in self.keys(rows)]
        place = self._estimates.believed(places).top_two(rng)
        return None if place is None else self._queries[place].architecture

    # ---- inside ----

    def _query(self, arch: Architecture, result: Result) -> Query:
        if result is None:
            return Query(arch, None, False)
        if not isinstance(result, Mapping):
            if len(self.objectives) > 1:
                raise invalid(
                    "tell: result", result, "there are several objectives; give a mapping"
                )
            result = {self.objectives[0].metric: result}
        metrics = {name: number(f"tell: result: {name}", value) for name, value in result.items()}
        for metric in self.exact.metrics:
            metrics.setdefault(metric, self.exact.value(metric, arch))
        limited = [c.metric for c in self.constraints]
        needed = [*(o.metric for o in self.objectives), *limited]
        missing = [metric for metric in needed if metric not in metrics]
        if missing and not any(
            c.metric in metrics and c.violation(metrics[c.metric]) > 0 for c in self.constraints
        ):
            raise invalid("tell: result", dict(result), f"the metric {missing[0]!r} is missing")
        if not all(math.isfinite(metrics[metric]) for metric in needed if metric in metrics):
            return Query(arch, None, False)
        return Query(arch, metrics, is_feasible(metrics, self.constraints))

    def _averaged(self, query: Query, again: Query) -> Query:
        """The query with one result more."""
        results = (*(query.results or (query.metrics,)), again.metrics)
        metrics = mean_metrics(results)
        feasible = metrics is not None and is_feasible(metrics, self.constraints)
        return Query(query.architecture, metrics, feasible, results)

    def _violation(self, query: Query) -> float:
        if query.metrics is None:
            return math.inf
        known = [c for c in self.constraints if c.metric in query.metrics]
        # Relative to the bounds, since limits have different units (milliseconds, parameters).
        return sum(
            max(0.0, c.violation(query.metrics[c.metric])) / (abs(c.bound) or 1.0) for c in known
        )
