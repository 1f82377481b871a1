"""A graph convolutional network over the encoded cell, as a batched ensemble.

Lyu et al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656: two directed graph convolutions, mean
over vertices, GELU, linear; mean squared error plus a pairwise hinge. Wen et al., Neural predictor,
https://arxiv.org/abs/1912.00848, is where such predictors come from. The members of the ensemble
are one tensor dimension: K networks cost a few larger matrix products, not K loops.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy.proxies._graphs import Graphs
from optiproxy.proxies.ensemble import (
    Ensemble,
    Training,
    Weights,
    dropout,
    linear,
    linear_weights,
)
from optiproxy.spaces import Space

HIDDEN = 32  # better than 64 in half the time (docs/log.md); published: 128 to 186
LAYERS = 2
MEMBERS = 4
TRAINING = Training(epochs=120, learning_rate=5e-3, weight_decay=5e-4)
DROPOUT = 0.1


class GCNEnsemble(Ensemble):
    """K graph convolutional networks, fitted side by side from different initial weights.

    >>> import torch
    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    >>> p = corners(space, torch.from_numpy(space.all_indices))
    >>> proxy = GCNEnsemble(space)
    >>> proxy.fit(p, torch.tensor([[-1.0], [-1.0], [0.0], [0.0], [1.0], [1.0]]))
    >>> mean, spread = proxy.predict(p)
    >>> mean.shape, bool(mean[5] > mean[0])
    (torch.Size([6, 1]), True)

    The spread is the members' standard deviation.
    """

    members = MEMBERS
    hidden = HIDDEN
    training = TRAINING
    quick = False
    #: Whether vertices have the features "active" and "level", see `_graphs`.
    prune_dead = True

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._read = Graphs(space, prune_dead=self.prune_dead)

    def _inputs(self, p: Tensor) -> tuple[Tensor, ...]:
        """The graph (see `_directions`), and the vertices' features (B, N, F)."""
        a, x = self._read(p)
        fixed = self.space.graph.adjacency_terms is None
        return _directions(a[0] if fixed else a), x

    def _initial(
        self, inputs: tuple[Tensor, ...], metrics: int, generator: torch.Generator
    ) -> Weights:
        members, hidden, width = self.members, self.hidden, inputs[1].shape[-1]
        weights: Weights = {}
        for layer in range(LAYERS):
            # Each member has a layer for each direction: 2K layers.
            weights |= linear_weights(f"{layer}.directions", 2 * members, width, hidden, generator)
            weights |= linear_weights(f"{layer}.join", members, 2 * hidden, hidden, generator)
            width = hidden
        return weights | linear_weights("out", members, hidden, metrics, generator)

    def _outputs(
        self, weights: Weights, inputs: tuple[Tensor, ...], generator: torch.Generator | None = None
    ) -> Tensor:
        graph, x = inputs
        members, hidden, _ = weights["out.w"].shape
        h = x.transpose(0, 1)[None]  # (1, N, B, F): the same for all members in the first layer
        for layer in range(LAYERS):
            # The rows of the graph sum to one, so that the bias may be added afterwards.
            z = _propagate(graph, h).expand(members, -1, -1, -1, -1).flatten(0, 1)  # (2K, N, B, ·)
            z = F.relu(linear(weights, f"{layer}.directions", z))
            h = _join(weights, f"{layer}.join", *z.view(members, 2, *z.shape[1:]).unbind(1))
            h = F.layer_norm(h, h.shape[-1:])
            if generator is not None:
                # One mask for all vertices of an architecture: as good, and N times faster to draw.
                h = dropout(h, (members, 1, len(x), hidden), DROPOUT, generator)
        return linear(weights, "out", F.gelu(h.mean(1)))  # (K, B, H) → (K, B, M)


def _directions(a: Tensor) -> Tensor:
    """A and its transpose with self-loops, rows summing to one; (2, N, N), or (2, B, N, N)."""
    loops = a + torch.eye(a.shape[-1], dtype=a.dtype)
    both = torch.stack([loops, loops.transpose(-1, -2)])
    return both / both.sum(-1, keepdim=True)


def _propagate(graph: Tensor, h: Tensor) -> Tensor:
    """Means over neighbours: graph (see `_directions`), h (K, N, B, H) → (K, 2, N, B, H)."""
    if graph.ndim == 3:  # one graph for all: K wide products instead of K·B tiny ones
        k, n, b, width = h.shape
        return (graph.flatten(0, 1) @ h.reshape(k, n, -1)).view(k, 2, n, b, width)
    return torch.einsum("sbnm,kmbh->ksnbh", graph, h)


def _join(w: Weights, name: str, forth: Tensor, back: Tensor) -> Tensor:
    """`linear` of both directions side by side, (K, N, B, H) each, without a copy of them."""
    first, second = w[f"{name}.w"].chunk(2, 1)
    half = torch.baddbmm(w[f"{name}.b"], forth.flatten(1, 2), first)
    return torch.baddbmm(half, back.flatten(1, 2), second).view(*forth.shape[:-1], -1)
