"""Random search, the baseline that every method has to beat."""

from __future__ import annotations

import numpy as np

from optiproxy.search.base import Optimizer
from optiproxy.spaces.architecture import Indices


class RandomSearch(Optimizer):
    """Draws architectures uniformly, without repetition.

    Reference: Li and Talwalkar, Random search and reproducibility for NAS, UAI 2019,
    https://arxiv.org/abs/1902.07638.
    """

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        return self.random_new(n, rng)
