"""BANANAS: Bayesian optimisation with an ensemble of networks on the path encoding."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.baselines._model_based import ModelBased
from optiproxy.encodings.path import Path
from optiproxy.search.threads import single_threaded
from optiproxy.search.transforms import fill, standardise
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

Array = NDArray[np.float64]

CANDIDATES = 100
PARENTS = 5
# The networks, as published: layers and width of each, Adam, mean absolute error.
MEMBERS = 5
LAYERS, WIDTH = 10, 20
EPOCHS, MINIBATCH = 150, 32
LEARNING_RATE, BETAS = 0.01, (0.9, 0.99)


class BANANAS(ModelBased):
    """Fits five networks, mutates the best architectures, and proposes the best Thompson draws.

    Reference: White, Neiswanger and Savani, BANANAS, AAAI 2021, https://arxiv.org/abs/1910.11858;
    hyper-parameters of their published code.

    1. The first ten queries are random; the batches have ten.
    2. Five networks learn the score from the path encoding: which sequences of options occur on any
       path from source to sink.
    3. Candidates are mutations of the best architecture, then of the second best where all of those
       are known, and so on.
    4. Independent Thompson sampling: each candidate draws from the normal distribution with the
       networks' mean and deviation; the best draws are the batch.
    """

    batch_size = 10

    def _promising(self, n: int, rng: np.random.Generator) -> Indices:
        candidates = self._candidates(max(CANDIDATES, 2 * n), rng)
        if len(candidates) > n:
            mean, deviation = self._predict(candidates, rng)
            draws = rng.normal(mean, deviation)
            candidates = candidates[np.argsort(-draws)]
        return self._filled(candidates, n, rng)

    def _candidates(self, number: int, rng: np.random.Generator) -> Indices:
        """Up to `number` new mutations of one choice, of the best architectures in turn."""
        mutations = []
        for parent in self._best_rows(PARENTS):
            neighbours = self.space.neighbour_indices(parent[None])
            if len(neighbours):
                mutations.append(neighbours[rng.integers(0, len(neighbours), number)])
        rows = np.concatenate([self.rows[:0], *mutations])
        return rows[self.is_new(rows)][:number]

    def _predict(self, candidates: Indices, rng: np.random.Generator) -> tuple[Array, Array]:
        """The ensemble's mean and deviation for candidates (B, C); each (B,)."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        target = torch.from_numpy(standardise(fill(self.scores()))).float()
        with single_threaded():
            x = _path_encoding(self.space, np.concatenate([self.rows, candidates]))
            networks = _fitted(x[: len(target)], target, generator)
            with torch.no_grad():
                out = _forward(networks, x[len(target) :])  # (K, B)
        return out.mean(0).double().numpy(), out.std(0).double().numpy()


def _path_encoding(space: Space, rows: Indices) -> Tensor:
    """Which sequences of options occur along any path; (B, sequences).

    Paths through choices with the same options share their features, as in the paper; `Path` has
    separate features for each path.
    """
    encoder = Path(space)
    (columns,) = encoder.discrete(torch.from_numpy(rows))
    options = list(space.choices.values())
    shared: dict[tuple[object, ...], Tensor] = {}
    offset = 0
    for path in encoder.paths:
        kind = tuple(options[c] for c in path)
        width = math.prod(int(space.widths[c]) for c in path)
        block = columns[:, offset : offset + width]
        shared[kind] = torch.maximum(shared[kind], block) if kind in shared else block
        offset += width
    return torch.cat(list(shared.values()), 1)


def _fitted(x: Tensor, y: Tensor, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Networks as a list of layers: weights (K, in, out) and biases (K, 1, out)."""
    widths = [x.shape[1], *[WIDTH] * LAYERS, 1]
    networks = []
    for fan_in, fan_out in itertools.pairwise(widths):
        bound = math.sqrt(6 / (fan_in + fan_out))  # Glorot and Bengio, as in the published code
        draw = torch.rand((MEMBERS, fan_in, fan_out), generator=generator)
        weight = (bound * (2 * draw - 1)).requires_grad_()
        networks.append((weight, torch.zeros(MEMBERS, 1, fan_out, requires_grad=True)))
    parameters = [tensor for layer in networks for tensor in layer]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, betas=BETAS, fused=True)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x), generator=generator)
        for part in torch.split(order, MINIBATCH):
            # A sum over members, so that each learns from its own loss.
            loss = (_forward(networks, x[part]) - y[part]).abs().mean(1).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return networks


def _forward(networks: list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """x (B, features) → (K, B)."""
    h = x.expand(MEMBERS, *x.shape)
    for weight, bias in networks[:-1]:
        h = torch.baddbmm(bias, h, weight).relu()
    weight, bias = networks[-1]
    return torch.baddbmm(bias, h, weight)[..., 0]
