"""What a study of another space teaches: which counts of operations and lengths of paths go well.

Its networks and those of this search are compared by their descriptions (`spaces.description`). A
linear model of the study's results gives each network of this search a score, which is used like
any other training-free score: its weight is learnt, and it is dropped where it misleads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata, spearmanr

from optiproxy.proxies.prior import FOLDS, USEFUL
from optiproxy.proxies.training_free import SAMPLE, SEED
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.description import description

Array = NDArray[np.float64]

# The penalty of ridge regression on standardised descriptions, for each of the study's results.
PENALTY = 0.1


class Lesson:
    """A linear model of an earlier study's results, for architectures of another space.

    Descriptions are standardised within each space, since "many convolutions" is relative to what a
    space allows, and results are normal scores of their ranks, since units and ranges differ.

    Args:
        space: The space of the search.
        descriptions: Of the study's T architectures.
        y: (T,), its results; greater is better.

    Attributes:
        names: The parts of the descriptions that vary in both; without any nothing is learnt.
        useful: Whether cross-validated predictions rank the study's own results.
    """

    def __init__(self, space: Space, descriptions: Sequence[Mapping[str, float]], y: Array) -> None:
        self._space = space
        here = sample_of(space)
        self.names = in_common(descriptions, here)
        there, new = _table(descriptions, self.names), _table(here, self.names)
        self._mean, self._spread = new.mean(0), new.std(0)
        z = (there - there.mean(0)) / there.std(0)
        scores = norm.ppf((rankdata(y) - 0.5) / len(y))
        folds = np.arange(len(y)) % FOLDS
        left_out = np.zeros(len(y))
        for fold in np.unique(folds):
            inside = folds == fold
            left_out[inside] = z[inside] @ _slopes(z[~inside], scores[~inside])
        self._slopes = _slopes(z, scores)
        varies = np.ptp(left_out) > 0 and np.ptp(scores) > 0 and np.ptp(new @ self._slopes) > 0
        self.useful = bool(varies and spearmanr(left_out, scores).statistic >= USEFUL)

    def __call__(self, arch: Architecture) -> float:
        """The predicted result, as a normal score."""
        described = _table([description(self._space, arch)], self.names)[0]
        return float((described - self._mean) / self._spread @ self._slopes)


def sample_of(space: Space) -> list[dict[str, float]]:
    """Descriptions of the random architectures that give training-free scores their scale."""
    rows = np.unique(space.random_indices(SAMPLE, np.random.default_rng(SEED)), axis=0)
    return [description(space, arch) for arch in space.from_indices(rows)]


def in_common(*lists: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """The parts of descriptions that vary in each of some lists, by their names."""
    names = sorted({name for descriptions in lists for d in descriptions for name in d})
    varied = np.all([np.ptp(_table(descriptions, names), 0) > 0 for descriptions in lists], 0)
    return tuple(name for name, kept in zip(names, varied, strict=True) if kept)


def _table(descriptions: Sequence[Mapping[str, float]], names: Sequence[str]) -> Array:
    """(B, N); zero for what an architecture has not."""
    found = [[d.get(name, 0.0) for name in names] for d in descriptions]
    return np.array(found, dtype=np.float64).reshape(len(descriptions), len(names))


def _slopes(z: Array, y: Array) -> Array:
    """Ridge regression of y (T,) on z (T, N)."""
    centred = z - z.mean(0)
    gram = centred.T @ centred + PENALTY * len(z) * np.eye(z.shape[1])
    return np.asarray(np.linalg.solve(gram, centred.T @ (y - y.mean())))
