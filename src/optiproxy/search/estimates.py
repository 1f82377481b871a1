"""Which evaluated architecture is the best, where evaluations are noisy.

A Gaussian process is fitted to every single result: an architecture that was evaluated twice is in
the data twice, so that the noise is learnt from the differences where there are some, and else from
how much like architectures differ. Its posterior mean at an evaluated architecture is the mean of
the results, shrunk towards what architectures like it have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from optiproxy.encodings import corners
from optiproxy.metrics import Objective
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.search.threads import single_threaded
from optiproxy.search.transforms import bounded, of_objective
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

Array = NDArray[np.float64]

# Draws among which another architecture than the first one is looked for.
_DRAWS = 100


class Evaluated(Protocol):
    """What is read of a query; see `search.Query`."""

    @property
    def metrics(self) -> Mapping[str, float] | None: ...
    @property
    def feasible(self) -> bool: ...
    @property
    def results(self) -> Sequence[Mapping[str, float] | None]: ...


@dataclass(frozen=True)
class Estimates:
    """What is believed of the feasible architectures among T evaluated ones.

    Attributes:
        space: Of them.
        rows: All of them, (T, C).
        candidates: The numbers of the feasible ones, (F,).
        which: The number of the architecture of each single result, (R,).
        values: The results as targets, (R,); greater is better.
        mean: The posterior mean of each candidate, (F,).
        spread: Its standard deviation, (F,).
    """

    space: Space
    rows: Indices
    candidates: NDArray[np.int64]
    which: NDArray[np.int64]
    values: Array
    mean: Array
    spread: Array

    def best(self) -> int | None:
        """The number of the architecture with the best mean; None if none is feasible."""
        return int(self.candidates[self.mean.argmax()]) if len(self.candidates) else None

    def believed(self, places: Sequence[int]) -> Estimates:
        """The same as if each of `places` had been evaluated once more, at its mean."""
        if not places:
            return self
        at = dict(zip(self.candidates.tolist(), self.mean, strict=True))
        more = [place for place in places if place in at]
        which = np.append(self.which, np.array(more, dtype=np.int64))
        values = np.append(self.values, [at[place] for place in more])
        return _fitted(self.space, self.rows, self.candidates, which, values)

    def top_two(self, rng: np.random.Generator) -> int | None:
        """The number of an architecture to evaluate again; None if none is feasible."""
        if not len(self.candidates):
            return None
        first = int(rng.normal(self.mean, self.spread).argmax())
        if rng.random() < 0.5:
            draws = rng.normal(self.mean, self.spread, (_DRAWS, len(self.mean))).argmax(1)
            first = int(next((other for other in draws if other != first), first))
        return int(self.candidates[first])


def estimates(
    space: Space, rows: Indices, queries: Sequence[Evaluated], objective: Objective
) -> Estimates:
    """The estimates of the architectures of `rows` (T, C), in the order of their queries."""
    results = [_values(query, objective.metric) for query in queries]
    which = np.repeat(np.arange(len(rows)), [len(values) for values in results])
    values = bounded(np.array([value for values in results for value in values], dtype=np.float64))
    feasible = np.array([query.feasible for query in queries], dtype=bool)
    known = np.array([len(values) > 0 for values in results], dtype=bool)
    candidates = np.flatnonzero(feasible & known)
    means = np.array([np.mean(v) if len(v) else np.nan for v in results])
    if not len(candidates):
        return Estimates(space, rows, candidates, which, values, values[:0], values[:0])
    scale = of_objective(means, objective.sign, feasible)
    return _fitted(space, rows, candidates, which, scale(values))


def _values(query: Evaluated, metric: str) -> list[float]:
    """The objective in each successful evaluation of a query."""
    every = query.results or (query.metrics,)
    return [float(result[metric]) for result in every if result and metric in result]


def _fitted(
    space: Space, rows: Indices, candidates: NDArray[np.int64], which: NDArray[np.int64], y: Array
) -> Estimates:
    def at(places: NDArray[np.int64]) -> torch.Tensor:
        return corners(space, torch.from_numpy(rows[places]), torch.float64)

    if len(y) < 2:
        return Estimates(space, rows, candidates, which, y, y, np.ones_like(y))
    with single_threaded(), torch.no_grad():
        model = GaussianProcess(space)
        model.fit(at(which), torch.from_numpy(y)[:, None])
        mean, spread = model.predict(at(candidates))
    return Estimates(space, rows, candidates, which, y, mean[:, 0].numpy(), spread[:, 0].numpy())
