"""The optimiser's protocol: `ask` for architectures, `tell` what they measured.

The history of queries is the only state. A method implements `_propose`, a function of the history,
of what is pending and of a generator that is seeded by ``(seed, number of queries)``; so a search
that is rebuilt from its history goes on exactly as the one that was never interrupted.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from moocore import pareto_rank
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid, truth, whole_number
from optiproxy.metrics import (
    Constraint,
    Function,
    Objective,
    is_feasible,
    parse_constraints,
    parse_objectives,
    resolved,
    sampled,
)
from optiproxy.search._exact import Exact
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.base import ENUMERABLE

Result = Mapping[str, float] | float | None


@dataclass(frozen=True)
class Query:
    """One evaluated architecture. `metrics` is None where the evaluation failed.

    Where a limited metric was measured beforehand and breaks its limit, the architecture was not
    evaluated further: `metrics` lacks the objectives, and `feasible` is False.
    """

    architecture: Architecture
    metrics: Mapping[str, float] | None
    feasible: bool


class Optimizer(ABC):
    """Base of all methods, ours and the baselines.

    Args:
        space: What is searched.
        objectives: Metric → ``"max"`` or ``"min"``.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``, in the metric's unit.
        seed: Same seed and same history give the same proposals, on one machine.
        exact: Metric → function of an architecture, for objectives and limited metrics that cost
            nothing to compute: they need not be told, and what breaks their limit is never
            proposed.
        distinct: Whether architectures that come to the same network (`Space.canonical`) count as
            one, so that none is asked for twice. Off for a table that lists them one by one.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
    """

    #: How many of the first queries are drawn before anything is learnt; a short training costs
    #: little, so a search that begins with many of them raises it.
    n_init: int = 0

    def __init__(
        self,
        space: Space,
        objectives: Mapping[str, str] | Sequence[str] | str,
        *,
        constraints: Mapping[str, str] | Sequence[str] | str | None = None,
        seed: int = 0,
        exact: Mapping[str, Function] | None = None,
        distinct: bool = False,
    ) -> None:
        if not isinstance(space, Space):
            raise invalid("space", space, "give a search space, such as optiproxy.spaces.Cell(...)")
        seed = whole_number("seed", seed, least=0)
        self.space = space
        self.objectives: tuple[Objective, ...] = parse_objectives(objectives)
        needed = [o.metric for o in self.objectives]
        limits = parse_constraints(constraints)
        needed += [c.metric for c in limits]
        self.exact = Exact(space, exact or {}, needed)
        self.constraints: tuple[Constraint, ...] = resolved(
            limits, lambda metric: sampled(space, metric, self.exact.function(metric))
        )
        self.seed = seed
        self.distinct = truth("distinct", distinct)
        self._rows: list[Indices] = []
        self._queries: list[Query] = []
        self._pending: list[Indices] = []
        self._known: set[bytes] = set()
        self._low: list[tuple[Mapping[str, object], Result]] = []

    # ---- the protocol ----

    @property
    def batch_size(self) -> int:
        """How many queries the method likes to propose at once, now."""
        return 1

    def ask(self, n: int = 1) -> list[Architecture]:
        """Proposes `n` architectures, none of them told or pending; fewer at the space's end.

        May be called while earlier answers are still out: those count as known.
        """
        n = whole_number("ask: n", n)
        rng = np.random.default_rng([self.seed, len(self._queries), len(self._pending)])
        known = set(self._known)  # Before a method notes what it takes itself.
        rows = self._promote(n, rng) if self._low else self._propose(n, rng)
        if self._low and len(rows) < n:  # All that had a cheap answer is known.
            rows = np.concatenate([rows, self.random_new(n + len(rows), rng)])
        keys = self.keys(rows)
        # At the space's end a method may have taken one twice.
        first = [i for i, key in enumerate(keys) if key not in keys[:i]][:n]
        rows = rows[first]
        for i, row in zip(first, rows, strict=True):
            if keys[i] in known:
                (arch,) = self.space.from_indices(row[None])
                raise InvalidValueError(
                    f"{type(self).__name__} proposes {arch}, which was told or is pending; its "
                    "`_propose` must return rows that are new (`is_new`)"
                )
        self._known.update(keys[i] for i in first)
        self._pending.extend(rows)
        return self.space.from_indices(rows)

    def tell(self, archs: Iterable[Mapping[str, object]], results: Iterable[Result]) -> None:
        """Adds evaluated architectures to the history, asked for or not.

        Args:
            archs: Architectures of the space (mappings are read and checked).
            results: For each a mapping metric → value, a bare number when there is one objective,
                or None where the evaluation failed. NaN in an objective or a constrained metric
                counts as failed. A mapping may lack metrics when another one breaks its limit.

        Raises:
            InvalidValueError: Lists of different length, a result without an objective's metric, or
                one that is no number.
        """
        if isinstance(archs, Mapping | str) or not isinstance(archs, Iterable):
            raise invalid("tell: archs", archs, "give a list of architectures, also for one")
        if isinstance(results, Mapping | str) or not isinstance(results, Iterable):
            raise invalid("tell: results", results, "give a list, one result for each architecture")
        checked = self.space.architectures(archs)
        told = list(results)
        if len(told) != len(checked):
            raise invalid("tell: results", f"{len(told)} results", f"give {len(checked)}, one each")
        queries = [self._query(a, r) for a, r in zip(checked, told, strict=True)]
        rows = self.space.to_indices(checked)
        over = set(self.keys(rows))
        waiting = zip(self._pending, self.keys(np.array(self._pending)), strict=True)
        self._pending = [row for row, key in waiting if key not in over]
        self._known.update(over)
        self._rows.extend(rows)
        self._queries.extend(queries)

    def restore(
        self,
        told: Iterable[tuple[Mapping[str, object], Result]],
        pending: Iterable[Mapping[str, object]] = (),
        *,
        low: Iterable[tuple[Mapping[str, object], Result]] = (),
    ) -> None:
        """Replaces the whole state by a history in its order, and by what is still out.

        Args:
            told: Architectures with their results.
            pending: What is still out.
            low: Cheap answers to the same questions (short trainings), which guide what is asked
                in full: they are not known, and `ask` may propose them.
        """
        self._low = list(low)
        self._rows, self._queries, self._pending, self._known = [], [], [], set()
        pairs = list(told)
        self.tell([arch for arch, _ in pairs], [result for _, result in pairs])
        self._pending = list(self.space.to_indices(self.space.architectures(pending)))
        self._known.update(self.keys(np.array(self._pending).reshape(-1, len(self.space))))

    @abstractmethod
    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` distinct rows (n, C), none of them known (see `is_new`)."""

    def _promote(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` new rows to be answered in full: by default those of the best cheap answers."""
        cheap = self.at_low_fidelity()
        best = cheap.rows[np.argsort(-cheap.scores(), kind="stable")]
        return best[self.is_new(best)][:n]

    def at_low_fidelity(self) -> Self:
        """This optimiser with the cheap answers as its whole history."""
        other = copy.copy(self)
        other.restore(self._low)
        return other

    # ---- what is known ----

    @property
    def queries(self) -> tuple[Query, ...]:
        """All that was told, in its order."""
        return tuple(self._queries)

    @property
    def best(self) -> Query | None:
        """The best feasible query by the first objective; None before there is one."""
        sign, metric = self.objectives[0].sign, self.objectives[0].metric
        fit = [q for q in self._queries if q.metrics is not None and q.feasible]
        return max(fit, key=lambda q: sign * q.metrics[metric], default=None)  # type: ignore[index]

    @property
    def rows(self) -> Indices:
        """The told architectures, (T, C)."""
        return np.array(self._rows, dtype=np.int64).reshape(-1, len(self.space))

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric of all that was told, (T,); NaN where it failed or lacks the metric."""
        return np.array(
            [
                math.nan if q.metrics is None else q.metrics.get(metric, math.nan)
                for q in self._queries
            ]
        )

    def scores(self) -> NDArray[np.float64]:
        """What a single-objective method climbs, (T,): greater is better, failures are -inf.

        Feasible queries rank by the objective; of several objectives, by how many fronts of better
        queries lie before them (non-dominated sorting). Infeasible ones rank below all of them, by
        the sum of their violations, each taken relative to its bound.
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
        """The objective, or minus the rank among the feasible by several, (T,); NaN without one."""
        y = np.stack([o.sign * self.values(o.metric) for o in self.objectives], axis=1)
        if len(self.objectives) == 1:
            return y[:, 0]
        ranked = np.array([q.feasible for q in self._queries], dtype=bool)
        scores = np.full(len(y), np.nan)
        if ranked.any():
            scores[ranked] = -pareto_rank(-y[ranked]).astype(float)
        return scores

    def is_new(self, rows: Indices) -> NDArray[np.bool_]:
        """Which of `rows` (B, C) may be proposed, (B,): neither told nor pending nor an earlier
        row, and within the limits of exact metrics.
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
        """What an architecture is known by, for each of `rows` (B, C); equal for equal networks."""
        if self.distinct and len(rows):
            rows = self.space.canonical(rows)
        return [row.tobytes() for row in np.ascontiguousarray(rows, dtype=np.int64)]

    def random_new(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` distinct new rows drawn uniformly; fewer where few are left, none where none is
        (in a space too large to be listed: where none is met).
        """
        for draws in (4 * n + 16, 64 * n + 1024):
            rows = self.space.random_indices(draws, rng)
            rows = rows[self.is_new(rows)]
            if len(rows) >= n:
                return rows[:n]
        if len(self._known) + n < self.space.count / 2:
            # Enough is left: what is found so far, and what lies downhill to the allowed.
            below = self.exact.descend(self.space.random_indices(64, rng), self.constraints)
            rows = np.concatenate([rows, below])
            rows = rows[self.is_new(rows)][:n]
            # Of many architectures few may be networks of their own, or allowed.
            if len(rows) or self.space.count > ENUMERABLE:
                return rows
        # Nearly exhausted: list what is left, so that the last ones are found too.
        rows = self.space.all_indices
        rows = rows[self.is_new(rows)]
        return rows[rng.permutation(len(rows))[:n]]

    def __repr__(self) -> str:
        wanted = ", ".join(f"{o.metric}={o.direction}" for o in self.objectives)
        best = self.best
        found = "" if best is None else f", best {best.metrics}"
        return f"{type(self).__name__}({self.space!r}, {wanted}, {len(self._rows)} told{found})"

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

    def _violation(self, query: Query) -> float:
        if query.metrics is None:
            return math.inf
        known = [c for c in self.constraints if c.metric in query.metrics]
        # Relative to the bounds, as limits have unlike units: milliseconds, parameters.
        return sum(
            max(0.0, c.violation(query.metrics[c.metric])) / (abs(c.bound) or 1.0) for c in known
        )


def number(field: str, value: object) -> float:
    """A metric that somebody gives as a float; one that is none is told with its `field`."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise invalid(field, value, "give a number, or None for the result if it failed") from None
