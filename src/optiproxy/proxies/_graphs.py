"""What networks on graphs read of an architecture."""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy import encodings
from optiproxy.encodings.living import Living
from optiproxy.spaces import Space


class Graphs:
    """Choice probabilities (B, C, O) → adjacency (B, N, N) and vertices (B, N, F).

    Where a space has options that cut, a last feature says how far a vertex is alive: to learn that
    from the operations takes more examples than a search has.

    Args:
        space: The search space.
        told: Whether that feature is read.
    """

    def __init__(self, space: Space, *, told: bool = True) -> None:
        self._encoder = encodings.make("adjacency", space)
        self._living = Living(space) if told and space.cuts.any() else None

    def __call__(self, p: Tensor) -> tuple[Tensor, Tensor]:
        a, x = self._encoder.relaxed(p)
        if self._living is not None:
            (living,) = self._living.relaxed(p)
            _, alive = self._encoder.relaxed(living[..., :-1])
            x = torch.cat([x, alive.sum(-1, keepdim=True)], -1)
        return a, x
