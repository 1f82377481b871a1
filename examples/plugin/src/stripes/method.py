"""A method: it proposes the architectures that are evaluated next."""

import numpy as np

import optiproxy as op


class Neighbours(op.search.Optimizer):
    """Proposes unseen neighbours of the best architecture so far."""

    def _propose(self, n, rng):
        best = self.best
        if best is None:
            return self.random_new(n, rng)
        near = self.space.neighbour_indices(self.space.to_indices([best.architecture]))
        rows = np.concatenate([rng.permutation(near), self.random_new(n, rng)])
        return rows[self.is_new(rows)][:n]
