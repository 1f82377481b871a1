"""A transformer over the encoded cell's vertices, as a batched ensemble.

Vaswani et al., Attention is all you need, https://arxiv.org/abs/1706.03762, with the graph as an
additive bias on the attention, as Ying et al., Graphormer, https://arxiv.org/abs/2106.05234, have
it. Lyu et al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656, climb a transformer as one of their
proxies.
"""

from __future__ import annotations

import math

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

HIDDEN = 32
HEADS = 4
LAYERS = 1
FEED_FORWARD = 64
MEMBERS = 4
TRAINING = Training(epochs=120, learning_rate=3e-3, weight_decay=5e-4)
DROPOUT = 0.1
# Each head starts with random preferences for successors, predecessors and the vertex itself.
BIAS_SCALE = 2.0


class TransformerEnsemble(Ensemble):
    """K small transformers, fitted side by side from different initial weights.

    >>> import torch
    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    >>> p = corners(space, torch.from_numpy(space.all_indices))
    >>> proxy = TransformerEnsemble(space)
    >>> proxy.fit(p, torch.tensor([[-1.0], [-1.0], [0.0], [0.0], [1.0], [1.0]]))
    >>> mean, spread = proxy.predict(p)
    >>> mean.shape, bool(mean[5] > mean[0])
    (torch.Size([6, 1]), True)

    The logit with which vertex i looks at vertex j is ``q_i k_j / sqrt(d) + s A_ij + t A_ji + u
    [i = j]``, with s, t and u learnt by each head; A may be relaxed. The spread is the members'
    standard deviation.
    """

    members = MEMBERS
    training = TRAINING
    quick = False

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._read = Graphs(space)

    def _inputs(self, p: Tensor) -> tuple[Tensor, ...]:
        """Successors, predecessors and self-loops (3, B or 1, N, N), and vertices (B, N, F)."""
        a, x = self._read(p)
        if self.space.graph.adjacency_terms is None:
            a = a[:1]  # one graph for all
        loops = torch.eye(a.shape[-1], dtype=a.dtype).expand_as(a)
        return torch.stack([a, a.transpose(-1, -2), loops]), x

    def _initial(
        self, inputs: tuple[Tensor, ...], metrics: int, generator: torch.Generator
    ) -> Weights:
        weights = linear_weights("embed", MEMBERS, inputs[1].shape[-1], HIDDEN, generator)
        for layer in range(LAYERS):
            for name, fan_in, fan_out in (
                ("attention", HIDDEN, 3 * HIDDEN),
                ("join", HIDDEN, HIDDEN),
                ("up", HIDDEN, FEED_FORWARD),
                ("down", FEED_FORWARD, HIDDEN),
            ):
                weights |= linear_weights(f"{layer}.{name}", MEMBERS, fan_in, fan_out, generator)
            draw = torch.randn((MEMBERS, HEADS, 3), generator=generator)
            weights[f"{layer}.bias"] = BIAS_SCALE * draw
        return weights | linear_weights("out", MEMBERS, HIDDEN, metrics, generator)

    def _outputs(
        self, weights: Weights, inputs: tuple[Tensor, ...], generator: torch.Generator | None = None
    ) -> Tensor:
        graph, x = inputs

        def drop(z: Tensor) -> Tensor:
            # One mask for all vertices of an architecture, as in the GCN.
            shape = (MEMBERS, len(x), 1, z.shape[-1])
            return z if generator is None else dropout(z, shape, DROPOUT, generator)

        h = linear(weights, "embed", x.expand(MEMBERS, *x.shape))  # (K, B, N, H)
        for layer in range(LAYERS):
            bias = torch.einsum("khs,sbij->kbhij", weights[f"{layer}.bias"], graph)
            z = _attend(linear(weights, f"{layer}.attention", F.layer_norm(h, h.shape[-1:])), bias)
            h = h + drop(linear(weights, f"{layer}.join", z))
            z = F.gelu(linear(weights, f"{layer}.up", F.layer_norm(h, h.shape[-1:])))
            h = h + drop(linear(weights, f"{layer}.down", z))
        pooled = F.gelu(F.layer_norm(h, h.shape[-1:]).mean(2))  # (K, B, H)
        return linear(weights, "out", pooled)


def _attend(qkv: Tensor, bias: Tensor) -> Tensor:
    """Attention over vertices: qkv (K, B, N, 3H), bias (K, B or 1, heads, N, N) → (K, B, N, H)."""
    k, b, n, _ = qkv.shape
    parts = qkv.view(k, b, n, 3, HEADS, -1).permute(3, 0, 1, 4, 2, 5)  # (3, K, B, heads, N, d)
    query, key, value = parts.unbind()
    # Transposed, since a softmax over rows of few vertices takes four times as long in torch.
    logits = (key / math.sqrt(key.shape[-1])) @ query.transpose(-1, -2) + bias.transpose(-1, -2)
    mixed = logits.softmax(-2).transpose(-1, -2) @ value
    return mixed.transpose(2, 3).reshape(k, b, n, -1)
