"""What the baselines with a model of the score share: random queries first, then the model's."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from optiproxy.search.base import Optimizer
from optiproxy.spaces.architecture import Indices


class ModelBased(Optimizer):
    """Draws its first `n_init` queries at random, and goes on until one of them succeeds."""

    n_init = 10

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        known = len(self._queries) + len(self._pending)
        if known < self.n_init or not any(query.metrics is not None for query in self._queries):
            return self.random_new(n, rng)
        return self._promising(n, rng)

    @abstractmethod
    def _promising(self, n: int, rng: np.random.Generator) -> Indices:
        """Up to `n` new rows (n, C), chosen by a model of the results."""

    def _best_rows(self, number: int) -> Indices:
        """Up to `number` evaluated rows, the best first, (number, C)."""
        return self.rows[np.argsort(-self.scores(), kind="stable")[:number]]

    def _filled(self, rows: Indices, n: int, rng: np.random.Generator) -> Indices:
        """`n` rows: new `rows`, and random ones where these are too few."""
        if len(rows) < n:
            rows = np.concatenate([rows, self.random_new(2 * n, rng)])
            rows = rows[self.is_new(rows)]
        return rows[:n]
