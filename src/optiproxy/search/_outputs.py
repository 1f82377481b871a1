"""A proxy made of parts: exact metrics are computed, the others fitted on what measured them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.search._exact import Exact
from optiproxy.search._scales import Scale
from optiproxy.spaces import Space

# Random architectures from which the climb learns the slope of an exact metric, and what keeps that
# slope in place for options that they rarely have.
SLOPE_SAMPLE = 300
RIDGE = 1e-2
# The spread of what is known: above zero, for everything divides by it.
KNOWN = 1e-6


@dataclass(frozen=True)
class Column:
    """An exact output: its metric, and the scale of its targets."""

    metric: str
    scale: Scale


class Outputs(Proxy):
    """One model for each set of queries that measured the same outputs, and exact columns.

    Between the corners an exact metric is a linear function of the choices, fitted to a sample of
    the space: enough for a climb to know which way it falls. At the corners it is the metric.

    Args:
        space: The search space.
        make: A fresh model for a list of outputs.
        exact: The exact metrics' values.
        columns: Output number → exact column.
    """

    def __init__(
        self,
        space: Space,
        make: Callable[[list[int]], Proxy],
        exact: Exact,
        columns: Mapping[int, Column],
    ) -> None:
        super().__init__(space)
        self._make = make
        self._exact = exact
        self._columns = dict(columns)
        self._parts: list[tuple[list[int], Proxy]] = []
        self._slopes: dict[int, tuple[Tensor, Tensor]] = {}
        self._outputs = 0
        self.dtype = make([]).dtype

    def fit(self, p: Tensor, y: Tensor) -> None:
        """As `Proxy.fit`; y (T, M) may hold NaN, where a query did not measure an output."""
        self._outputs = y.shape[1]
        groups: dict[bytes, list[int]] = {}
        known = torch.isfinite(y)
        for output in range(self._outputs):
            if output not in self._columns:
                groups.setdefault(known[:, output].numpy().tobytes(), []).append(output)
        self._parts = []
        for outputs in groups.values():
            rows = known[:, outputs[0]]
            model = (
                self._make(outputs) if int(rows.sum()) >= 2 else _Nothing(self.space, len(outputs))
            )
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

    def beliefs(self, p: Tensor) -> Beliefs:
        rows = p.argmax(-1).numpy()
        known = {
            output: torch.from_numpy(column.scale(self._exact.values(column.metric, rows)))
            for output, column in self._columns.items()
        }
        parts = [(outputs, model.beliefs(p)) for outputs, model in self._parts]
        mean, spread = self._empty(len(p), p)
        for output, values in known.items():
            mean[:, output] = values.to(p.dtype)
        return _Together(mean, spread, parts)

    def _empty(self, n: int, p: Tensor) -> tuple[Tensor, Tensor]:
        mean = torch.zeros(n, self._outputs, dtype=p.dtype)
        return mean, torch.full_like(mean, KNOWN)

    def _slope(self, column: Column) -> tuple[Tensor, Tensor]:
        """The weights (C·O,) and the offset of the linear function."""
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


class _Together(Beliefs):
    """The beliefs of all parts; exact columns (those of no part) stay as they are."""

    def __init__(
        self, mean: Tensor, spread: Tensor, parts: Sequence[tuple[list[int], Beliefs]]
    ) -> None:
        super().__init__(mean, spread)
        self._parts = parts
        for outputs, beliefs in parts:
            self.mean[:, outputs] = beliefs.mean
            self.spread[:, outputs] = beliefs.spread
            if beliefs.second is not None and 0 in outputs:
                # Places are ranked by the first output, so its part is asked.
                self.second, self.share = self.mean.clone(), beliefs.share
                self.second[:, outputs] = beliefs.second

    def believe(self, index: int) -> None:
        for outputs, beliefs in self._parts:
            beliefs.believe(index)
            self.spread[:, outputs] = beliefs.spread


class _Nothing(Proxy):
    """What is known of outputs that fewer than two queries measured: the targets' own moments."""

    def __init__(self, space: Space, outputs: int) -> None:
        super().__init__(space)
        self._outputs = outputs

    def fit(self, p: Tensor, y: Tensor) -> None:
        pass

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        # Zero, but tied to p: the climb takes gradients through every output.
        mean = 0.0 * p.flatten(1).sum(1, keepdim=True).expand(-1, self._outputs)
        return mean, torch.ones_like(mean)
