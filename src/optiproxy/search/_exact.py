"""Exact metrics, which cost nothing: computed for candidates instead of predicted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, OptiProxyError, invalid
from optiproxy.metrics import SAMPLE, Constraint, Function
from optiproxy.scalars import to_float
from optiproxy.search.transforms import LARGEST
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices

# The steps of a walk towards the limits, and the number of rows that walk side by side.
WALK, BEAM = 30, 64


class Exact:
    """The functions of a search's exact metrics, each value computed once.

    Args:
        space: The search space.
        functions: Metric → ``function(arch) → number``.
        needed: The metrics of objectives and constraints.

    Raises:
        InvalidValueError: One is not a function, or its metric is not needed.
    """

    def __init__(
        self, space: Space, functions: Mapping[str, Function], needed: Sequence[str]
    ) -> None:
        for metric, function in functions.items():
            if not callable(function):
                raise invalid(f"exact: {metric}", function, "give a function of an architecture")
            if metric not in needed:
                raise invalid("exact", metric, "no objective and no constraint asks for it")
        self._space = space
        self._functions = dict(functions)
        self._values: dict[str, dict[Architecture, float]] = {name: {} for name in functions}
        # Metric → its first failure; empty once it gave a value.
        self._problems: dict[str, str] = {}

    def on(self, space: Space) -> Exact:
        """The same for the rows of another space of the same architectures."""
        other = copy(self)  # both share the values
        other._space = space
        return other

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self._functions)

    def value(self, metric: str, arch: Architecture) -> float:
        """A metric of one architecture; NaN where its function fails."""
        known = self._values[metric]
        if arch not in known:
            value: Any
            try:
                value = self._functions[metric](arch)
                known[arch] = to_float(value)
            except Exception as error:
                value, known[arch] = error, math.nan
            if math.isfinite(known[arch]):
                self._problems[metric] = ""
            else:
                known[arch] = math.nan
                self._problems.setdefault(metric, _problem(metric, value, arch))
        return known[arch]

    def values(self, metric: str, rows: Indices) -> NDArray[np.float64]:
        """A metric of rows (B, C), (B,); NaN where its function fails.

        Raises:
            InvalidValueError: The function failed for all of many architectures.
        """
        found = np.array([self.value(metric, arch) for arch in self._space.from_indices(rows)])
        many = min(SAMPLE, self._space.count)
        if (problem := self._problems.get(metric)) and len(self._values[metric]) >= many:
            raise InvalidValueError(problem)
        return found

    def function(self, metric: str) -> Function | None:
        """The cached function of a metric; None where it is not exact."""
        return partial(self.value, metric) if metric in self._functions else None

    def violation(self, rows: Indices, constraints: Iterable[Constraint]) -> NDArray[np.float64]:
        """The violations of exact metrics' limits by rows (B, C), summed, relative to the bounds.

        Returns:
            (B,), 0 where all limits are met, infinite where an exact metric has no value.
        """
        total = np.zeros(len(rows))
        for metric in self._functions:
            values = self.values(metric, rows)
            for c in constraints:
                if c.metric == metric:
                    with np.errstate(over="ignore"):
                        excess = c.excess(values) / max(abs(c.bound), 1e-12)
                    total += excess.clip(0.0, LARGEST)
            total[np.isnan(values)] = np.inf
        return total

    def nearest(self, constraint: Constraint) -> float | None:
        """The computed value with the least violation of a limit; None before there is one."""
        known = [v for v in self._values.get(constraint.metric, {}).values() if not math.isnan(v)]
        return min(known, key=constraint.violation, default=None)

    def descend(self, rows: Indices, constraints: tuple[Constraint, ...]) -> Indices:
        """Rows within the limits, reached from `rows` by single changes; none if none is reached.

        It finds them where random architectures hardly ever meet a limit.
        """
        for _ in range(WALK):
            violation = self.violation(rows, constraints)
            if (violation <= 0).sum() >= len(rows) / 2:
                break
            rows = np.unique(np.concatenate([rows, self._space.neighbour_indices(rows)]), axis=0)
            rows = rows[np.argsort(self.violation(rows, constraints), kind="stable")[:BEAM]]
        return rows[self.violation(rows, constraints) <= 0]


def _problem(metric: str, value: object, arch: Architecture) -> str:
    """Of a function that failed, or gave no finite number; our own errors have their remedy."""
    if isinstance(value, OptiProxyError):
        return f"exact: {metric} of {arch!r}: {value}"
    remedy = "give a function that gives finite numbers"
    return str(invalid(f"exact: {metric}", f"{value!r} for {arch!r}", remedy))
