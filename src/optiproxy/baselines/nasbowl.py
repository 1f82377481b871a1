"""NAS-BOWL: Bayesian optimisation with a Weisfeiler-Lehman kernel between architectures' graphs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from optiproxy import encodings
from optiproxy.baselines._model_based import ModelBased
from optiproxy.search.threads import single_threaded
from optiproxy.search.transforms import fill, sharpen
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

Array = NDArray[np.float64]
Labels = NDArray[np.uint64]

POOL, PARENTS = 100, 10
DEPTHS = (0, 1, 2, 3)  # of the subtrees
NOISES = np.geomspace(1e-5, 1e-2, 8)  # as a share of the signal's variance
# A number of a range has no label of its own; it gets that of the nearest of so many levels.
LEVELS = 8


class NASBOWL(ModelBased):
    """Proposes mutations and random architectures of the greatest expected improvement.

    Reference: Ru, Wan, Dong and Osborne, Interpretable neural architecture search via Bayesian
    optimisation with Weisfeiler-Lehman kernels, ICLR 2021, https://arxiv.org/abs/2006.07556;
    hyper-parameters of their published code.

    1. The first ten queries are random; the batches have five.
    2. A Gaussian process learns the score. Its kernel counts the subtrees that two graphs share,
       normalised; the subtrees' depth and the noise are those of the greatest marginal likelihood.
    3. Of 100 candidates half are mutations of the ten best architectures, half are random.
    4. Those with the greatest expected improvement are the batch.

    Differences: their target is the logarithm of the error, which not every metric has; here it is
    sharpened as in OptiProxy (docs/log.md), and the signal's variance is the likeliest. They begin
    with 30 random queries. Depths are 0 to 3, since a chain of choices may need no more than its
    labels; theirs are 1 and 2, for cells. Counts of subtrees are multiplied, as they do on
    NAS-Bench-201.
    """

    batch_size = 5

    def _promising(self, n: int, rng: np.random.Generator) -> Indices:
        half = max(POOL // 2, n)
        candidates = np.concatenate([self._mutations(half, rng), self.random_new(half, rng)])
        candidates = candidates[self.is_new(candidates)]
        if len(candidates) > n:
            with single_threaded():
                improvement = self._expected_improvement(candidates)
            candidates = candidates[np.argsort(-improvement, kind="stable")[:n]]
        return candidates

    def _mutations(self, number: int, rng: np.random.Generator) -> Indices:
        """Up to `number` new mutations of one choice, of the best architectures."""
        rows = rng.permutation(self.space.neighbour_indices(self._best_rows(PARENTS)))
        return rows[self.is_new(rows)][:number]

    def _expected_improvement(self, candidates: Indices) -> Array:
        """Of candidates (B, C), (B,), on the scale of the targets."""
        y = sharpen(fill(self.scores()))
        mean, deviation = _predict(self.space, self.rows, y, candidates)
        gain = (mean - y.max()) / deviation
        improvement: Array = deviation * (gain * norm.cdf(gain) + norm.pdf(gain))
        return improvement


def _predict(space: Space, known: Indices, y: Array, rows: Indices) -> tuple[Array, Array]:
    """Mean and deviation of the process at `rows` (B, C), each (B,), from targets y (T,)."""
    counts = _subtrees(space, np.concatenate([known, rows]))
    kernels = np.cumsum([(c[: len(y)] @ c.T).toarray() for c in counts], 0)  # (depths, T, T + B)
    sizes = np.cumsum([c.multiply(c).sum(1) for c in counts], 0)  # (depths, T + B)
    kernels /= np.sqrt(sizes[:, : len(y), None] * sizes[:, None, :])
    fits = (_fitted(kernel[:, : len(y)], y) for kernel in kernels)
    best, kernel = max(zip(fits, kernels, strict=True), key=lambda pair: pair[0].likelihood)
    between = best.vectors.T @ kernel[:, len(y) :]  # (T, B)
    mean = between.T @ (best.vectors.T @ y / best.values)
    rest = 1 - (between**2 / best.values[:, None]).sum(0)
    return mean, np.sqrt(best.variance * rest.clip(1e-9))


class _Fit(NamedTuple):
    """The likeliest noise of one kernel: its inverse by eigenvalues (noise included)."""

    likelihood: float
    variance: float
    values: Array
    vectors: Array


def _fitted(kernel: Array, y: Array) -> _Fit:
    values, vectors = np.linalg.eigh(kernel)
    with_noise = values.clip(0) + NOISES[:, None]  # (noises, T)
    variance = ((vectors.T @ y) ** 2 / with_noise).mean(1).clip(1e-12)  # the likeliest, for each
    likelihood = -(len(y) * np.log(variance) + np.log(with_noise).sum(1)) / 2
    i = int(likelihood.argmax())
    return _Fit(float(likelihood[i]), float(variance[i]), with_noise[i], vectors)


def _subtrees(space: Space, rows: Indices) -> list[csr_array]:
    """How often each subtree occurs in the graphs of rows (B, C): (B, subtrees) for each depth.

    The next depth's label of a vertex joins its own label and those of its predecessors.
    """
    incoming, labels, exists = _graph(space, rows)
    counts = []
    for depth in DEPTHS:
        if depth:
            labels = _mixed(np.uint64(3) * labels + (incoming @ labels[..., None])[..., 0])
        subtrees, columns = np.unique(labels[exists], return_inverse=True)
        ends = np.concatenate([[0], exists.sum(1).cumsum()])
        count = csr_array((np.ones(len(columns)), columns, ends), shape=(len(rows), len(subtrees)))
        count.sum_duplicates()
        counts.append(count)
    return counts


def _graph(space: Space, rows: Indices) -> tuple[Labels, Labels, NDArray[np.bool_]]:
    """Predecessors (B, N, N), labels (B, N), and which vertices exist (B, N).

    Vertices without features do not exist: those of an inactive choice.
    """
    encoder, indices = encodings.make("adjacency", space), torch.from_numpy(rows)
    if space.zero_options.any():
        (active,) = encodings.make("active_path", space).discrete(indices)
        adjacency, features = encoder.relaxed(active[..., :-1])
    else:
        adjacency, features = encoder.discrete(indices)
    x = (features.numpy() * (LEVELS - 1)).round().astype(np.int64).view(np.uint64)
    exists: NDArray[np.bool_] = np.any(features.numpy(), -1)
    incoming = (adjacency.numpy() > 0).transpose(0, 2, 1) & exists[:, :, None] & exists[:, None, :]
    weights = _mixed(np.arange(1, x.shape[-1] + 1, dtype=np.uint64))
    return incoming.astype(np.uint64), _mixed(x @ weights), exists


def _mixed(x: Labels) -> Labels:
    """A hash of each number, whose sums tell sets of numbers apart (Steele et al., SplitMix)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
