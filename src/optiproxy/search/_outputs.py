"""A proxy in parts: exact metrics are computed, others fitted on the queries that have them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optiproxy.encodings import corners, nearest
from optiproxy.proxies.base import Posterior, Proxy
from optiproxy.search._exact import Exact
from optiproxy.search.transforms import Scale
from optiproxy.spaces import Space

# Random architectures that give the slope of an exact metric between the corners, and the penalty
# that keeps the slope small for options that occur rarely in them.
SLOPE_SAMPLE = 300
RIDGE = 1e-2
# The spread of exact metrics; above zero, since it is a divisor.
KNOWN = 1e-6


@dataclass(frozen=True)
class Column:
    """An exact output: its metric and the scale of its targets."""

    metric: str
    scale: Scale


def groups_of(y: Tensor, columns: Collection[int]) -> list[list[int]]:
    """The outputs of y (T, M) but for exact `columns`, grouped by the queries that have them."""
    groups: dict[bytes, list[int]] = {}
    for output, known in enumerate(torch.isfinite(y).T):
        if output not in columns:
            groups.setdefault(known.numpy().tobytes(), []).append(output)
    return list(groups.values())


class Outputs(Proxy):
    """One model for each group of outputs that the same queries measured, and exact columns.

    At the corners an exact output is the metric. Between them it is a linear function of the
    choices, fitted to a sample of the space, from which the gradient ascent learns its direction.

    Args:
        space: The search space.
        make: A fresh model for a list of outputs.
        exact: The exact metrics' values.
        columns: Output number → exact column.
        dtype: Of the models.
    """

    def __init__(
        self,
        space: Space,
        make: Callable[[list[int]], Proxy],
        exact: Exact,
        columns: Mapping[int, Column],
        dtype: torch.dtype,
    ) -> None:
        super().__init__(space)
        self._make = make
        self._exact = exact
        self._columns = dict(columns)
        self._parts: list[tuple[list[int], Proxy]] = []
        self._slopes: dict[int, tuple[Tensor, Tensor]] = {}
        self._outputs = 0
        self.dtype = dtype

    def fit(self, p: Tensor, y: Tensor) -> None:
        """As `Proxy.fit`; y (T, M) may contain NaN, where a query did not measure an output."""
        self._outputs = y.shape[1]
        self._parts = []
        for outputs in groups_of(y, self._columns):
            rows = torch.isfinite(y[:, outputs[0]])
            model = self._make(outputs) if int(rows.sum()) >= 2 else _Flat(self.space, len(outputs))
            model.fit(p[rows], y[rows][:, outputs])
            self._parts.append((outputs, model))
        self._slopes = {n: self._slope(column) for n, column in self._columns.items()}

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._empty(len(p), p)
        for outputs, model in self._parts:
            mean[:, outputs], spread[:, outputs] = model.predict(p)
        for output, (weights, offset) in self._slopes.items():
            mean[:, output] = p.flatten(1) @ weights + offset
        return mean, spread

    def mean(self, p: Tensor) -> Tensor:
        mean, _ = self._empty(len(p), p)
        for outputs, model in self._parts:
            mean[:, outputs] = model.mean(p)
        for output, (weights, offset) in self._slopes.items():
            mean[:, output] = p.flatten(1) @ weights + offset
        return mean

    def posterior(self, p: Tensor) -> Posterior:
        rows = nearest(self.space, p)
        known = {
            output: torch.from_numpy(column.scale(self._exact.values(column.metric, rows)))
            for output, column in self._columns.items()
        }
        parts = [(outputs, model.posterior(p)) for outputs, model in self._parts]
        mean, spread = self._empty(len(p), p)
        for output, values in known.items():
            mean[:, output] = values.to(p.dtype)
        return _Together(mean, spread, parts)

    def _empty(self, n: int, p: Tensor) -> tuple[Tensor, Tensor]:
        mean = torch.zeros(n, self._outputs, dtype=p.dtype)
        return mean, torch.full_like(mean, KNOWN)

    def _slope(self, column: Column) -> tuple[Tensor, Tensor]:
        """The linear function of a column: weights (C·O,) and offset."""
        rows = self.space.random_indices(SLOPE_SAMPLE, np.random.default_rng(0))
        values = self._exact.values(column.metric, rows)
        rows, values = rows[np.isfinite(values)], values[np.isfinite(values)]
        p = corners(self.space, torch.from_numpy(rows), torch.float64).flatten(1)
        y = torch.from_numpy(column.scale(values))
        centre = p.mean(0)
        square = (p - centre).T @ (p - centre)
        square += RIDGE * len(rows) * torch.eye(len(square), dtype=square.dtype)
        weights = torch.linalg.solve(square, (p - centre).T @ (y - y.mean()))
        return weights.to(self.dtype), (y.mean() - centre @ weights).to(self.dtype)


class _Together(Posterior):
    """The posteriors of all parts; exact columns, which belong to no part, stay as they are."""

    def __init__(
        self, mean: Tensor, spread: Tensor, parts: Sequence[tuple[list[int], Posterior]]
    ) -> None:
        super().__init__(mean, spread)
        self._parts = parts
        for outputs, posterior in parts:
            self.mean[:, outputs] = posterior.mean
            self.spread[:, outputs] = posterior.spread

    def condition_on_mean(self, index: int) -> None:
        for outputs, posterior in self._parts:
            posterior.condition_on_mean(index)
            self.spread[:, outputs] = posterior.spread


class _Flat(Proxy):
    """Outputs that fewer than two queries measured: the mean and deviation of standard targets."""

    def __init__(self, space: Space, outputs: int) -> None:
        super().__init__(space)
        self._outputs = outputs

    def fit(self, p: Tensor, y: Tensor) -> None:
        pass

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        # Zero, but a function of p, since the ascent needs a gradient of every output.
        mean = 0.0 * p.flatten(1).sum(1, keepdim=True).expand(-1, self._outputs)
        return mean, torch.ones_like(mean)
