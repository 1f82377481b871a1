"""Regularised evolution: the oldest architecture leaves the population, not the worst."""

from __future__ import annotations

import numpy as np

from optiproxy.search.base import Optimizer
from optiproxy.spaces.architecture import Indices

POPULATION = 20
TOURNAMENT = 10


class RegularizedEvolution(Optimizer):
    """Mutates the winner of a tournament among the last 20 evaluated architectures.

    Reference: Real et al., Regularized evolution for image classifier architecture search,
    AAAI 2019, https://arxiv.org/abs/1802.01548. Population 20 suits budgets of a hundred queries;
    a mutation changes one choice, and no architecture is repeated.
    """

    n_init = POPULATION

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        missing = self.n_init - len(self._queries) - len(self._pending)
        if missing > 0 or not self._queries:
            return self.random_new(min(n, max(missing, 1)) if self._queries else n, rng)
        population = self.rows[-POPULATION:]
        fitness = self.scores()[-POPULATION:]
        children: list[Indices] = []
        for _ in range(n):
            entrants = rng.choice(len(population), min(TOURNAMENT, len(population)), replace=False)
            parent = population[entrants[np.argmax(fitness[entrants])]]
            mutants = self.space.neighbour_indices(parent[None])
            mutants = mutants[rng.permutation(len(mutants))]
            batch = np.concatenate([*(child[None] for child in children), mutants])
            fresh = self.is_new(batch)[len(children) :]
            if fresh.any():
                children.append(mutants[np.argmax(fresh)])
        if len(children) < n:  # all mutations are known
            rows = self.random_new(2 * n, rng)
            taken = {child.tobytes() for child in children}
            rest = [row for row in rows if row.tobytes() not in taken]
            children += rest[: n - len(children)]
        return np.array(children, dtype=np.int64).reshape(-1, len(self.space))
