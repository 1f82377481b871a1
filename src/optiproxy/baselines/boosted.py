"""Boosted trees that predict the score, and a local search on it. Needs the extra ``sklearn``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from optiproxy import encodings
from optiproxy.baselines._model_based import ModelBased
from optiproxy.encodings.ordinal import Ordinal
from optiproxy.search.threads import single_threaded
from optiproxy.search.transforms import fill, sharpen
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

Array = NDArray[np.float64]

TREES, DEPTH, RATE, SHARE = 100, 3, 0.1, 0.8
# The local search: how many are expanded in a round, rounds, and neighbours of a round.
WIDTH, ROUNDS, NEIGHBOURS = 10, 20, 1000
TOP = 30  # of which the batch is drawn


class Boosted(ModelBased):
    """Draws from the architectures that boosted trees rate highest, found by a local search.

    References: Wu, Dai, Chen, Chen, Liu, Yu, Wang and Liu, Stronger NAS with weaker predictors,
    NeurIPS 2021, https://arxiv.org/abs/2102.10490 (WeakNAS); Luo, Tan, Wang, Qin, Chen and Liu,
    Accuracy prediction with non-neural model for neural architecture search, 2020,
    https://arxiv.org/abs/2007.04785 (GBDT-NAS).

    1. The first ten queries are random; the batches have ten.
    2. scikit-learn's gradient-boosted trees learn the score from the options and their levels.
    3. A local search starts at the best architectures and at random ones, and rates the neighbours
       of those with the highest predictions until all neighbours of these are rated.
    4. The batch is drawn from the thirty highest predictions.

    Differences: WeakNAS rates every architecture of a table; the local search also works in spaces
    that can't be listed. Targets are sharpened as in OptiProxy (docs/log.md).
    """

    batch_size = 10

    def _promising(self, n: int, rng: np.random.Generator) -> Indices:
        with single_threaded():
            top = self._climbed(rng)[: max(TOP, n)]
        return rng.permutation(top)[:n]

    def _climbed(self, rng: np.random.Generator) -> Indices:
        """New rows, those with the highest predictions first; (B, C)."""
        predict = self._fitted(rng)
        rows = np.concatenate([self._best_rows(WIDTH), self.random_new(TOP, rng)])
        values, seen = predict(rows), set(self.keys(rows))
        expanded: set[int] = set()
        for _ in range(ROUNDS):
            highest = np.argsort(-values, kind="stable")[:WIDTH].tolist()
            if expanded.issuperset(highest):
                break
            near = self.space.neighbour_indices(rows[[i for i in highest if i not in expanded]])
            near = rng.permutation(near)[:NEIGHBOURS]
            fresh = dict(zip(self.keys(near), near, strict=True))
            near = np.array([row for key, row in fresh.items() if key not in seen], dtype=np.int64)
            near = near.reshape(-1, len(self.space))
            near = near[self.allowed(near)]
            rows, values = np.concatenate([rows, near]), np.append(values, predict(near))
            seen.update(fresh)
            expanded.update(highest)
        rows = rows[np.argsort(-values, kind="stable")]
        return rows[self.is_new(rows)]

    def _fitted(self, rng: np.random.Generator) -> Callable[[Indices], Array]:
        """The trees' predictions of rows (B, C), (B,)."""
        from sklearn.ensemble import GradientBoostingRegressor

        trees = GradientBoostingRegressor(
            n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, subsample=SHARE,
            random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        trees.fit(_options(self.space, self.rows), sharpen(fill(self.scores())))

        def predict(rows: Indices) -> Array:
            return np.asarray(trees.predict(_options(self.space, rows)) if len(rows) else [])

        return predict


def _options(space: Space, rows: Indices) -> NDArray[np.float32]:
    """One-hot options, then levels of ordered choices; (B, F)."""
    indices = torch.from_numpy(rows)
    encoders = (encodings.make("onehot", space), Ordinal(space))
    return torch.cat([encoder.discrete(indices)[0] for encoder in encoders], 1).float().numpy()
