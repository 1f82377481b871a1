"""SMAC: sequential model-based optimisation with a random forest. Needs the extra ``smac``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.baselines._model_based import ModelBased
from optiproxy.baselines._order import Order
from optiproxy.search.transforms import fill
from optiproxy.spaces.architecture import Indices

Array = NDArray[np.float64]

RANDOM_SHARE = 0.2  # as in SMAC's facade for hyper-parameters


class SMAC(ModelBased):
    """SMAC3's random forest, expected improvement and local search, put together as it does.

    Reference: Lindauer et al., SMAC3: a versatile Bayesian optimization package for hyperparameter
    optimization, JMLR 2022, https://arxiv.org/abs/2109.09831.

    SMAC keeps the state of its loop in a folder. Here its model, acquisition function and maximiser
    are built from the history for each `ask`, with the settings of its
    `HyperparameterOptimizationFacade`: ten trees learn the logarithm of scaled costs, one proposal
    in five is random, and eight come from one model. Its initial design (ten Sobol points for each
    choice, or a quarter of the budget) would leave few other queries of a hundred; ten random ones
    replace it.
    """

    batch_size = 8

    def _promising(self, n: int, rng: np.random.Generator) -> Indices:
        from joblib import parallel_config  # what scikit-learn, and so SMAC, grows its trees with

        spare = self.random_new(2 * n, rng)
        # Ten small trees are faster without threads, and equal.
        with parallel_config(backend="sequential"):
            found = self.space.repair(self._maximised(rng))  # SMAC knows no conditions and no pool
        found = found[self.is_new(found)]
        # With probability `RANDOM_SHARE`, and where rows are missing, a random one takes the place.
        chosen = np.concatenate([found[:n], spare[: max(0, n - len(found))]])[:n]
        random = rng.random(len(chosen)) < RANDOM_SHARE
        chosen[random] = spare[len(spare) - random.sum() :]
        rows = np.concatenate([chosen, found, spare])
        return rows[self.is_new(rows)][:n]

    def _maximised(self, rng: np.random.Generator) -> Indices:
        """The configurations that SMAC's maximiser finds, the best first, (B, C)."""
        from ConfigSpace import Categorical, Configuration, ConfigurationSpace, Float, Integer
        from smac.acquisition.function import EI
        from smac.acquisition.maximizer import LocalAndSortedRandomSearch, LocalSearch
        from smac.model.random_forest import RandomForest

        class Ordered(LocalSearch):
            # SMAC takes the starting points from a set, whose order differs between processes.
            def _get_init_points_from_previous_configs(self, *arguments: Any) -> list[Any]:
                points = super()._get_init_points_from_previous_configs(*arguments)
                return sorted(points, key=lambda config: config.get_array().tolist())

        seeds = rng.integers(2**31, size=3).tolist()
        space = ConfigurationSpace(seed=seeds[0])
        names = [f"c{i:04}" for i in range(len(self.space))]  # it sorts them
        order = Order(self.space)
        for choice, (name, size) in enumerate(zip(names, self.space.sizes.tolist(), strict=True)):
            if choice in self.space.numbers:
                space.add(Float(name, (0.0, 1.0)))
            else:
                ordered = order.ordered[choice]
                space.add(
                    Integer(name, (0, size - 1)) if ordered else Categorical(name, range(size))
                )

        def configuration(row: Indices) -> Any:
            return Configuration(space, values=dict(zip(names, order.parameters(row), strict=True)))

        evaluated = [configuration(row) for row in self._rows]
        x = np.array([config.get_array() for config in evaluated])
        y = _log_scaled(-fill(self.scores()))
        model = RandomForest(
            space, n_trees=10, ratio_features=1.0, min_samples_split=2, min_samples_leaf=1,
            log_y=True, seed=seeds[1],
        )  # fmt: skip
        model.train(x, y[:, None])
        acquisition = EI(log=True)
        acquisition.update(model=model, eta=float(y.min()), X=x, num_data=len(x))
        search = LocalAndSortedRandomSearch(space, acquisition, challengers=1000, seed=seeds[2])
        search._local_search = Ordered(space, acquisition, seed=seeds[2])
        found = search.maximize(evaluated, n_points=1000)
        rows = [order.row([config[name] for name in names]) for config in found]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.space))


def _log_scaled(cost: Array) -> Array:
    """SMAC's log scaling: zero lies as far below the best cost as the fifth percentile above it."""
    lowest = 2 * cost.min() - np.percentile(cost, 5) - 1e-10
    scaled: Array = np.log((cost - lowest) / max(cost.max() - lowest, 1e-10))
    return scaled
