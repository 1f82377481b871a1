"""What networks on graphs read of an architecture."""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy import encodings
from optiproxy.encodings.active_path import Living
from optiproxy.spaces import Space

# From 30 and 100 networks of two tables the GCN was the better the louder (to 4), the transformer
# best at 2: rank correlations from 30 of Accel-NASBench 0.53 -> 0.77 and 0.62 -> 0.79.
LEVEL_SCALE = 3.0


class Graphs:
    """Choice probabilities (B, C, O) → adjacency (B, N, N) and vertices (B, N, F).

    Where a space has options that cut, one more feature says how far a vertex is alive; where it
    has choices with an order, one says which level a vertex has. To learn either from the options
    takes more examples than a search has.

    Args:
        space: The search space.
        told: Whether those features are read.
    """

    def __init__(self, space: Space, *, told: bool = True) -> None:
        self._encoder = encodings.make("adjacency", space)
        self._living = Living(space) if told and space.zero_options.any() else None
        levels = torch.from_numpy(2 * space.levels - 1)
        self._levels = levels.nan_to_num() if told and not levels.isnan().all() else None

    def __call__(self, p: Tensor) -> tuple[Tensor, Tensor]:
        a, x = self._encoder.relaxed(p)
        features = [x]
        if self._living is not None:
            (living,) = self._living.relaxed(p)
            features.append(self._summed(living[..., :-1]))
        if self._levels is not None:
            features.append(LEVEL_SCALE * self._summed(p * self._levels.to(p.dtype)))
        return a, torch.cat(features, -1)

    def _summed(self, weights: Tensor) -> Tensor:
        """What the options of each vertex come to, (B, N, 1), by their weights (B, C, O)."""
        _, x = self._encoder.relaxed(weights)
        return x.sum(-1, keepdim=True)
