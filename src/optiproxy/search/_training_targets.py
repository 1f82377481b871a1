"""The proxy's training targets, and the probability of meeting the limits.

The published method ranks out candidates whose predicted metric exceeds the limit by a slack, which
follows the share of violations. Here the log probability of meeting the limit takes its place, in
the ascent and in the ranking (`_batch`). Small weights of it were worse (docs/log.md): they let
accurate networks far beyond the limit attract the search.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.metrics import Constraint, Objective
from optiproxy.proxies.ranks import normal_scores
from optiproxy.search import _failures
from optiproxy.search._acquisition import log_probability_below
from optiproxy.search._outputs import Column
from optiproxy.search.history import Query
from optiproxy.search.transforms import (
    Array,
    Scale,
    bounded,
    of_front,
    of_limit,
    of_objective,
)

# The standardised bound of a metric without any value yet: far above all predictions.
UNKNOWN = 10.0


@dataclass(frozen=True)
class Targets:
    """What the proxy is fitted to.

    Attributes:
        y: (T, M), objectives first (greater is better), then limited metrics (less is better), and
            failure where it can be foreseen; NaN where a query failed, or was dropped before the
            metric was measured.
        objectives: The number of objectives.
        limits: Output number and standardised upper bound.
        feasible: (T,), which queries may be the best.
        scales: For each output but failure, the scale from the metric's unit.
        metrics: For each output but failure.
        failure: The number of the output that is failure, and its bound, as of a limit; none where
            failures can't be foreseen.
    """

    y: Tensor
    objectives: int
    limits: tuple[tuple[int, float], ...]
    feasible: Tensor
    scales: tuple[Scale, ...] = ()
    metrics: tuple[str, ...] = ()
    failure: tuple[tuple[int, float], ...] = ()

    @property
    def best(self) -> float | None:
        """The greatest feasible target of the first objective; None where nothing is feasible."""
        return float(self.y[self.feasible, 0].max()) if self.feasible.any() else None

    def ranked(self) -> Targets:
        """The same with normal scores of the ranks as the first objective."""
        y = self.y.clone()
        known = torch.isfinite(y[:, 0])
        y[known, :1] = normal_scores(y[known, :1])
        return replace(self, y=y)

    def columns(self, exact: Collection[str]) -> dict[int, Column]:
        """The outputs whose metrics are `exact`, with their scales."""
        return {
            output: Column(metric, scale)
            for output, (metric, scale) in enumerate(zip(self.metrics, self.scales, strict=True))
            if metric in exact
        }

    def with_failures(self, failed: Tensor) -> Targets:
        """The same with failure (T,) as one limited output more."""
        y = torch.cat([self.y, _failures.standardised(failed)[:, None]], 1)
        return replace(self, y=y, failure=((self.y.shape[1], _failures.bound(failed)),))


def targets_of(
    values: Callable[[str], Array],
    count: int,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    *,
    feasible: NDArray[np.bool_] | None = None,
    sharp: bool = True,
) -> Targets:
    """The targets of a history.

    Args:
        values: Metric → its values, (T,); NaN where it was not measured, or the query failed.
        count: T, which may be 0.
        objectives: Of the search.
        constraints: With absolute bounds.
        feasible: (T,), by default all.
        sharp: Whether objectives are finest at their best; see `transforms.of_objective`.
    """
    feasible = np.ones(count, dtype=bool) if feasible is None else feasible
    columns: list[Array] = []
    scales: list[Scale] = []
    limits = []
    for objective in objectives:
        y = bounded(values(objective.metric))
        if len(objectives) == 1:
            scale = of_objective(y, objective.sign, feasible, sharp=sharp)
        else:
            scale = of_front(y, objective.sign, sharp=sharp)
        scales.append(scale)
        columns.append(scale(y))
    for constraint in constraints:
        y = bounded(values(constraint.metric))
        (limit,) = bounded(np.array([constraint.bound])).tolist()
        scale = of_limit(y, constraint.sign, limit)
        known = np.isfinite(y).any()
        bound = float(scale(np.array([limit]))[0]) if known else UNKNOWN
        limits.append((len(columns), bound))
        columns.append(scale(y))
        scales.append(scale)
    return Targets(
        torch.from_numpy(np.stack(columns, 1)),
        len(objectives),
        tuple(limits),
        torch.from_numpy(feasible),
        tuple(scales),
        (*(o.metric for o in objectives), *(c.metric for c in constraints)),
    )


def log_feasible(mean: Tensor, spread: Tensor, limits: Sequence[tuple[int, float]]) -> Tensor:
    """Log probability that all limits are met, (B,); zeros where there are none."""
    total = torch.zeros_like(mean[:, 0])
    for output, bound in limits:
        limit = torch.as_tensor(bound, dtype=mean.dtype)
        total = total + log_probability_below(mean[:, output], spread[:, output], limit)
    return total


def repeated(targets: Targets, queries: Sequence[Query]) -> tuple[NDArray[np.int64], Targets]:
    """The query of each evaluation, (R,), and the targets of each.

    A repeated query is there as often as it succeeded, so that a model learns the noise.

    Args:
        targets: Of T queries.
        queries: The same, (T,).
    """
    several = {
        place: [result for result in query.results if result is not None]
        for place, query in enumerate(queries)
        if query.metrics is not None and query.results
    }
    places = range(len(queries))
    if not several:
        return np.array(places, dtype=np.int64), targets
    which = np.repeat(places, [len(several.get(place, ("one",))) for place in places])
    y = targets.y[which].clone()
    for output, (metric, scale) in enumerate(zip(targets.metrics, targets.scales, strict=True)):
        for place, results in several.items():
            values = np.array([result.get(metric, np.nan) for result in results])
            y[which == place, output] = torch.from_numpy(scale(values))
    return which, replace(targets, y=y)
