"""A graph convolutional network over the encoded cell, as a batched ensemble.

Lyu et al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656: two directed graph convolutions, mean
over vertices, GELU, linear; mean squared error plus a pairwise hinge. Wen et al., Neural predictor,
https://arxiv.org/abs/1912.00848, is where such predictors come from. The members of the ensemble
are one tensor dimension: K networks cost a few larger matrix products, not K loops.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy import encodings
from optiproxy.proxies.base import Proxy
from optiproxy.spaces import Space

HIDDEN = 64  # the published widths, 128 to 186, took four times as long and ranked no better
LAYERS = 2
MEMBERS = 4
EPOCHS = 120
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 5e-4
DROPOUT = 0.1
HINGE_WEIGHT, HINGE_MARGIN = 0.2, 0.1  # METHOD: fit loss


class GCNEnsemble(Proxy):
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

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._encoder = encodings.make("adjacency", space)
        self._weights: dict[str, Tensor] = {}

    def fit(self, p: Tensor, y: Tensor) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        along, against, x = self._graph(p)
        weights = self._initial(x.shape[-1], y.shape[1], generator)
        optimizer = torch.optim.AdamW(
            weights.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.9)
        for _ in range(EPOCHS):
            out = _forward(weights, along, against, x, generator)  # (K, T, M)
            # Summed over members: each has gradients, and a learning rate, of its own.
            loss = ((out - y) ** 2).mean((1, 2)).sum() + HINGE_WEIGHT * _hinge(out, y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        self._weights = {name: w.detach() for name, w in weights.items()}

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        along, against, x = self._graph(p)
        out = _forward(self._weights, along, against, x)
        return out.mean(0), out.std(0)

    def _graph(self, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, x = self._encoder.relaxed(p)
        fixed = self.space.graph.adjacency_terms is None
        return *_normalised(a[0] if fixed else a), x

    def _initial(
        self, features: int, metrics: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}

        def linear(name: str, fan_in: int, fan_out: int) -> None:
            bound = 1 / math.sqrt(fan_in)
            for key, shape in (("w", (MEMBERS, fan_in, fan_out)), ("b", (MEMBERS, 1, fan_out))):
                draw = torch.rand(shape, generator=generator, dtype=self.dtype)
                weights[f"{name}.{key}"] = (bound * (2 * draw - 1)).requires_grad_()

        width = features
        for layer in range(LAYERS):
            linear(f"{layer}.along", width, HIDDEN)
            linear(f"{layer}.against", width, HIDDEN)
            linear(f"{layer}.join", 2 * HIDDEN, HIDDEN)
            width = HIDDEN
        linear("out", HIDDEN, metrics)
        return weights


def _normalised(a: Tensor) -> tuple[Tensor, Tensor]:
    """A and its transpose with self-loops, rows summing to one; each (N, N), or (B, N, N)."""
    loops = a + torch.eye(a.shape[-1], dtype=a.dtype)
    back = loops.transpose(-1, -2)
    return loops / loops.sum(-1, keepdim=True), back / back.sum(-1, keepdim=True)


def _propagate(a: Tensor, h: Tensor) -> Tensor:
    """Sums over neighbours: a (N, N) or (B, N, N), h (K, N, B, H) → (K, N, B, H)."""
    if a.ndim == 2:  # one graph for all: K wide products instead of K·B tiny ones
        return (a @ h.flatten(2)).view_as(h)
    return torch.einsum("bnm,kmbh->knbh", a, h)


def _forward(
    w: dict[str, Tensor],
    along: Tensor,
    against: Tensor,
    x: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Adjacencies (see `_propagate`) and x (B, N, F) → (K, B, M); dropout with a generator."""
    b, n, f = x.shape
    h = x.transpose(0, 1).expand(MEMBERS, n, b, f)

    def linear(name: str, z: Tensor) -> Tensor:  # (K, N, B, in) → (K, N, B, out)
        flat = torch.baddbmm(w[f"{name}.b"], z.reshape(MEMBERS, n * b, -1), w[f"{name}.w"])
        return flat.view(MEMBERS, n, b, -1)

    for layer in range(LAYERS):
        forth = F.relu(_propagate(along, linear(f"{layer}.along", h)))
        back = F.relu(_propagate(against, linear(f"{layer}.against", h)))
        h = linear(f"{layer}.join", torch.cat([forth, back], -1))
        h = F.layer_norm(h, h.shape[-1:])
        if generator is not None:
            # One mask for all vertices of an architecture: as good, and drawn N times faster.
            keep = torch.rand((MEMBERS, 1, b, HIDDEN), generator=generator, dtype=h.dtype)
            h = h * ((keep >= DROPOUT) / (1 - DROPOUT))
    pooled = F.gelu(h.mean(1))  # (K, B, H)
    return torch.baddbmm(w["out.b"], pooled, w["out.w"])


def _hinge(out: Tensor, y: Tensor) -> Tensor:
    """Pairwise ranking loss over all pairs that differ; (K, T, M), (T, M) → scalar over members."""
    better = (y[:, None] > y[None, :]).to(out.dtype)  # (T, T, M): row before column
    gap = out[:, :, None] - out[:, None, :]  # (K, T, T, M)
    loss = (F.relu(HINGE_MARGIN - gap) * better).sum((1, 2, 3))
    return (loss / better.sum().clamp(min=1)).sum()
