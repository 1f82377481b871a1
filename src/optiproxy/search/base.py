"""The protocol of all methods: `ask` for architectures, `tell` their results.

The history of queries is the only state. A method implements `_propose`, a function of the history,
of the pending architectures and of a generator seeded by ``(seed, number of results)``. A search
rebuilt from its history therefore continues exactly like the uninterrupted one.
"""

from __future__ import annotations

import contextlib
import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from moocore import pareto_rank
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid, truth, whole_number
from optiproxy.metrics import (
    Constraint,
    Constraints,
    Function,
    Noise,
    Objective,
    Objectives,
    is_feasible,
    mean_metrics,
    parse_constraints,
    parse_objectives,
    resolved,
    sampled,
)
from optiproxy.search._exact import Exact
from optiproxy.search.problem import Problem, number
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.combinations import ENUMERABLE

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


class Optimizer(ABC):
    """Base of all methods, ours and the baselines.

    A method implements `_propose`. What else it can use is declared by class attributes, which a
    study reads before it passes the argument of that name to ``__init__``: `uses_exact`,
    `uses_distinct`, `uses_features`, `uses_warm_start` and `default_proxy`. A subclass inherits
    them, whatever its own ``__init__`` looks like.

    Args:
        space: The search space, or a task, from which all arguments that are not given are taken.
        objectives: Metric → ``"max"`` or ``"min"``, or the ``objectives`` of a task.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``, in the metric's unit, or the
            ``constraints`` of a task.
        seed: Same seed and same history give the same proposals, on one machine.
        exact: Metric → function of an architecture, for objectives and limited metrics that cost
            nothing to compute: results need not contain them, and architectures that break their
            limit are never proposed.
        distinct: Whether architectures that are the same network (`Space.canonical`) count as one,
            so that none is proposed twice. False for a table that lists them one by one.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
    """

    #: Whether ``__init__`` takes `exact`.
    uses_exact: bool = True
    #: Whether ``__init__`` takes `distinct`.
    uses_distinct: bool = True
    #: Whether ``__init__`` takes `features`, training-free scores; see `OptiProxy`.
    uses_features: bool = False
    #: Whether ``__init__`` takes `warm_start`, earlier studies; see `OptiProxy`.
    uses_warm_start: bool = False
    #: The `proxy` that is used if none is given; None for a method whose ``__init__`` takes none.
    default_proxy: str | None = None
    #: How many of the first queries are a design, drawn before any result is used. A search at low
    #: fidelity, which begins with many cheap queries, raises it.
    n_init: int = 0

    def __init__(
        self,
        space: Space | Problem,
        objectives: Objectives | None = None,
        *,
        constraints: Constraints = None,
        seed: int = 0,
        exact: Mapping[str, Function] | None = None,
        distinct: bool | None = None,
    ) -> None:
        known: Mapping[str, Function] = {}
        self.noise: Noise | None = None
        if isinstance(space, Problem):
            self.noise = getattr(space, "noise", None)
            problem = space if constraints is not None else space.resolved()
            space, known = problem.space, problem.exact
            objectives = problem.objectives if objectives is None else objectives
            constraints = problem.constraints if constraints is None else constraints
            distinct = problem.distinct if distinct is None else distinct
        if not isinstance(space, Space):
            remedy = "give a search space, such as optiproxy.spaces.Cell(...), or a task"
            raise invalid("space", space, remedy)
        self.space = space
        self.seed = whole_number("seed", seed, least=0)
        self.distinct = truth("distinct", False if distinct is None else distinct)
        self.objectives: tuple[Objective, ...] = parse_objectives(objectives)  # type: ignore[arg-type]
        limits = parse_constraints(constraints)
        needed = [o.metric for o in self.objectives] + [c.metric for c in limits]
        if exact is None:
            exact = {metric: f for metric, f in known.items() if metric in needed}
        self.exact = functions = Exact(space, exact, needed)
        self.constraints: tuple[Constraint, ...] = resolved(
            limits, lambda metric: sampled(space, metric, functions.function(metric))
        )
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

    # ---- the protocol ----

    @property
    def batch_size(self) -> int:
        """How many queries the method likes to propose at once, now."""
        return 1

    def ask(self, n: int = 1) -> list[Architecture]:
        """Proposes `n` architectures that are neither evaluated nor pending.

        Fewer than `n` come back where the space has no more. It may be called before the results
        of earlier proposals arrive; those are pending and are not proposed again.
        """
        n = whole_number("ask: n", n)
        rng = np.random.default_rng([self.seed, self._results_told, len(self._pending)])
        known = set(self._known)  # a method may add to the set while it chooses
        rows = self._promote(n, rng) if self._low else self._propose(n, rng)
        if self._low and len(rows) < n:  # all low-fidelity queries are evaluated in full
            rows = np.concatenate([rows, self.random_new(n + len(rows), rng)])
        keys = self.keys(rows)
        # Where few architectures are left, a method may choose one twice.
        first = [i for i, key in enumerate(keys) if key not in keys[:i]][:n]
        rows = rows[first]
        for i, row in zip(first, rows, strict=True):
            if keys[i] in known:
                (arch,) = self.space.from_indices(row[None])
                raise InvalidValueError(
                    f"{type(self).__name__} proposes {arch}, which is evaluated or pending; its "
                    "`_propose` must return new rows (`is_new`)"
                )
        self._known.update(keys[i] for i in first)
        self._pending.extend(rows)
        return self.space.from_indices(rows)

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

    @abstractmethod
    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` distinct rows (n, C), all of them new (see `is_new`)."""

    def _promote(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` new rows to evaluate in full: by default the best at low fidelity."""
        low = self.at_low_fidelity()
        best = low.rows[np.argsort(-low.scores(), kind="stable")]
        return best[self.is_new(best)][:n]

    def at_low_fidelity(self) -> Self:
        """This optimiser with the low-fidelity results as its whole history."""
        other = copy.copy(self)
        other.restore(self._low)
        return other

    def predictions(self, archs: Sequence[Architecture]) -> list[float] | None:
        """What the method's model predicts of architectures that the last `ask` proposed.

        Returns:
            The first objective of each, in its unit; None for a method without a model, and where
            one of `archs` was not chosen by the model. This base has no model.
        """
        return None

    # ---- the history ----

    @property
    def queries(self) -> tuple[Query, ...]:
        """All evaluated architectures, in their order."""
        return tuple(self._queries)

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

    def is_new(self, rows: Indices) -> NDArray[np.bool_]:
        """Which of `rows` (B, C) may be proposed, (B,): not evaluated, not pending, not a copy of
        an earlier row, and within the limits of exact metrics.
        """
        seen = set(self._known)
        fresh = np.zeros(len(rows), dtype=bool)
        for i, key in enumerate(self.keys(rows)):
            fresh[i] = key not in seen
            seen.add(key)
        fresh[fresh] = self.allowed(rows[fresh])
        return fresh

    def allowed(self, rows: Indices) -> NDArray[np.bool_]:
        """Which of `rows` (B, C) meet the limits of exact metrics, (B,)."""
        return self.exact.violation(rows, self.constraints) <= 0

    def keys(self, rows: Indices) -> list[bytes]:
        """The identity of each of `rows` (B, C); equal for equal networks if those count as one."""
        if self.distinct and len(rows):
            rows = self.space.canonical(rows)
        return [row.tobytes() for row in np.ascontiguousarray(rows, dtype=np.int64)]

    def random_new(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` distinct new rows, drawn uniformly.

        Fewer come back where fewer are left, and, in a space too large to be listed, where fewer
        are found.
        """
        for draws in (4 * n + 16, 64 * n + 1024):
            rows = self.space.random_indices(draws, rng)
            rows = rows[self.is_new(rows)]
            if len(rows) >= n:
                return rows[:n]
        if len(self._known) + n < self.space.count / 2:
            # Many are left but few within the limits: walk from random rows towards the limits.
            below = self.exact.descend(self.space.random_indices(64, rng), self.constraints)
            rows = np.concatenate([rows, below])
            rows = rows[self.is_new(rows)][:n]
            if len(rows) or self.space.count > ENUMERABLE:
                return rows
        # Nearly exhausted, or few distinct networks: list the whole space to find the last ones.
        rows = self.space.all_indices
        rows = rows[self.is_new(rows)]
        return rows[rng.permutation(len(rows))[:n]]

    def __repr__(self) -> str:
        wanted = ", ".join(f"{o.metric}={o.direction}" for o in self.objectives)
        best = self.best
        found = "" if best is None else f", best {best.metrics}"
        return (
            f"{type(self).__name__}({self.space!r}, {wanted}, {len(self._rows)} evaluated{found})"
        )

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
