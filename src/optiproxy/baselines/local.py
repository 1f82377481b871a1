"""Local search: move to the first better neighbour, restart where there is none."""

from __future__ import annotations

import numpy as np

from optiproxy.search.base import Optimizer
from optiproxy.spaces.architecture import Indices


class LocalSearch(Optimizer):
    """First-improvement hill climbing with random restarts.

    Reference: White et al., Exploring the loss landscape in neural architecture search, UAI 2021,
    https://arxiv.org/abs/2005.02960. The position follows from the history: it moves to every
    evaluated neighbour that is better, and restarts at the first architecture that is evaluated
    after all neighbours are known.
    """

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        position = self._position()
        if position is None:
            return self.random_new(n, rng)
        rows = self.space.neighbour_indices(position[None])
        rows = rows[self.is_new(rows)]
        rows = rows[rng.permutation(len(rows))[:n]]
        if len(rows) < n:
            extra = self.random_new(n, rng)
            both = np.concatenate([rows, extra])
            rows = both[self.is_new(both)][:n]
        return rows

    def _position(self) -> Indices | None:
        """Where the walk stands; None where it has to start or restart."""
        here: Indices | None = None
        score = -np.inf
        seen: set[bytes] = set()
        around: set[bytes] = set()
        for row, key, value in zip(self._rows, self.keys(self.rows), self.scores(), strict=True):
            seen.add(key)
            # After the last neighbour, the next query is the new start, wherever it lies.
            ended = here is None or around <= seen - {key}
            if ended or (key in around and value > score):
                here, score = row, float(value)
                around = set(self.keys(self.space.neighbour_indices(row[None])))
        return None if here is None or around <= self._known else here
