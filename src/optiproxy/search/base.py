"""The protocol of all methods: `ask` for architectures, `tell` their results.

The history of queries is the only state. A method implements `_propose`, a function of the history,
of the pending architectures and of a generator seeded by ``(seed, number of results)``. A search
rebuilt from its history therefore continues exactly like the uninterrupted one.
"""

from __future__ import annotations

import copy
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid, truth, whole_number
from optiproxy.metrics import (
    Constraints,
    Function,
    Noise,
    Objectives,
    parse_constraints,
    parse_objectives,
    resolved,
    sampled,
)
from optiproxy.search._exact import Exact
from optiproxy.search.history import History
from optiproxy.search.problem import Problem
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.combinations import ENUMERABLE


class Optimizer(History, ABC):
    """Base of all methods, ours and the baselines.

    A method implements `_propose`. What else it can use is declared by class attributes, which a
    study reads before it passes the argument of that name to ``__init__``: `uses_exact`,
    `uses_distinct`, `uses_features`, `uses_warm_start` and `default_proxy`. A subclass inherits
    them, whatever its own ``__init__`` looks like. One thread uses it at a time; several may use
    a study.

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
        noise: Noise | None = None
        if isinstance(space, Problem):
            noise = getattr(space, "noise", None)
            problem = space if constraints is not None else space.resolved()
            space, known = problem.space, problem.exact
            objectives = problem.objectives if objectives is None else objectives
            constraints = problem.constraints if constraints is None else constraints
            distinct = problem.distinct if distinct is None else distinct
        if not isinstance(space, Space):
            remedy = "give a search space, such as optiproxy.spaces.Cell(...), or a task"
            raise invalid("space", space, remedy)
        seed = whole_number("seed", seed, least=0)
        distinct = truth("distinct", False if distinct is None else distinct)
        goals = parse_objectives(objectives)  # type: ignore[arg-type]
        limits = parse_constraints(constraints)
        needed = [o.metric for o in goals] + [c.metric for c in limits]
        if exact is None:
            exact = {metric: f for metric, f in known.items() if metric in needed}
        functions = Exact(space, exact, needed)
        limits = resolved(limits, lambda metric: sampled(space, metric, functions.function(metric)))
        super().__init__(space, goals, limits, functions, seed=seed, distinct=distinct, noise=noise)

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
        if np.ndim(rows) != 2 or np.shape(rows)[1] != len(self.space):
            raise InvalidValueError(
                f"{type(self).__name__} proposes {reprlib.repr(rows)}; its `_propose` must return "
                f"rows of option numbers, an array (n, {len(self.space)})"
            )
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

    # ---- what may be proposed ----

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
