"""NPENAS: evolution whose children are selected by a graph network that predicts their score."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from optiproxy import encodings
from optiproxy.baselines._model_based import ModelBased
from optiproxy.search.threads import single_threaded
from optiproxy.search.transforms import fill, sharpen
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

CANDIDATES = 100
PARENTS, CHILDREN = 50, 10
# The predictor, as published: three graph isomorphism layers, Adam with a cosine.
LAYERS, WIDTH, HEAD = 3, 32, 16
EPOCHS = 300
LEARNING_RATE, WEIGHT_DECAY = 5e-3, 1e-4
DROPOUT = 0.1

Weights = dict[str, Tensor]


class NPENAS(ModelBased):
    """Mutates the best architectures and proposes the children that a graph network rates highest.

    Reference: Wei, Niu, Tang, Wang, Hu and Liang, NPENAS: neural predictor guided evolution for
    neural architecture search, https://arxiv.org/abs/2003.12857, its variant NPENAS-NP;
    hyper-parameters of their published code.

    1. The first ten queries are random; the batches have ten.
    2. A graph isomorphism network learns the score from the cell's graph.
    3. Ten mutations of each of the best architectures are candidates, until there are 100.
    4. Those with the highest predictions are the batch.

    Differences: their output is a sigmoid scaled by the range of good scores, which a search does
    not know; here targets are sharpened as in OptiProxy (docs/log.md). All queries are one
    minibatch, with layer norm.
    """

    batch_size = 10

    def _promising(self, n: int, rng: np.random.Generator) -> Indices:
        candidates = self._candidates(max(CANDIDATES, 2 * n), rng)
        if len(candidates) > n:
            candidates = candidates[np.argsort(-self._predict(candidates, rng))]
        return self._filled(candidates, n, rng)

    def _candidates(self, number: int, rng: np.random.Generator) -> Indices:
        """Up to `number` new mutations of one choice, a few of each parent, the best first."""
        mutations = []
        for parent in self._best_rows(PARENTS):
            neighbours = self.space.neighbour_indices(parent[None])
            mutations.append(rng.permutation(neighbours)[:CHILDREN])
        rows = np.concatenate(mutations)
        return rows[self.is_new(rows)][:number]

    def _predict(self, candidates: Indices, rng: np.random.Generator) -> NDArray[np.float32]:
        """The network's predictions for candidates (B, C), (B,)."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        target = torch.from_numpy(sharpen(fill(self.scores()))).float()
        rows = torch.from_numpy(np.concatenate([self.rows, candidates]))
        with single_threaded():
            graph, x = _graph(self.space, rows)
            t = len(target)
            weights = _fitted(graph[:t], x[:t], target, generator)
            with torch.no_grad():
                return np.asarray(_forward(weights, graph[t:], x[t:]))


def _graph(space: Space, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Each vertex's inputs, itself and its predecessors, (B, N, N), and the vertices (B, N, F)."""
    adjacency, x = encodings.make("adjacency", space).discrete(rows)
    return adjacency.transpose(-1, -2) + torch.eye(adjacency.shape[-1]), x


def _fitted(graph: Tensor, x: Tensor, y: Tensor, generator: torch.Generator) -> Weights:
    weights: Weights = {}
    width = x.shape[-1]
    for layer in range(LAYERS):
        weights |= _linear(f"{layer}.first", width, WIDTH, generator)
        weights |= _linear(f"{layer}.second", WIDTH, WIDTH, generator)
        width = WIDTH
    weights |= _linear("head", WIDTH, HEAD, generator) | _linear("out", HEAD, 1, generator)
    optimizer = torch.optim.Adam(
        weights.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        loss = F.mse_loss(_forward(weights, graph, x, generator), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return weights


def _linear(name: str, fan_in: int, fan_out: int, generator: torch.Generator) -> Weights:
    bound = 1 / math.sqrt(fan_in)
    draws = [torch.rand(shape, generator=generator) for shape in ((fan_out, fan_in), (fan_out,))]
    weight, bias = ((bound * (2 * draw - 1)).requires_grad_() for draw in draws)
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _forward(
    w: Weights, graph: Tensor, x: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Graphs (B, N, N) and vertices (B, N, F) → (B,); dropout with a generator."""

    def linear(name: str, z: Tensor) -> Tensor:
        return F.linear(z, w[f"{name}.weight"], w[f"{name}.bias"])

    h = x
    for layer in range(LAYERS):
        h = linear(f"{layer}.second", linear(f"{layer}.first", graph @ h).relu()).relu()
        h = F.layer_norm(h, h.shape[-1:])
    z = linear("head", h.mean(1)).relu()
    if generator is not None:
        z = z * ((torch.rand(z.shape, generator=generator) >= DROPOUT) / (1 - DROPOUT))
    return linear("out", z)[:, 0]
