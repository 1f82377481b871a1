"""The inputs of networks on graphs."""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy import encodings
from optiproxy.encodings.active_path import ActivePath
from optiproxy.spaces import Space

# A compromise: the GCN predicts best with 4, the transformer with 2 (docs/log.md).
LEVEL_SCALE = 3.0


class Graphs:
    """Choice probabilities (B, C, O) → adjacency (B, N, N) and vertices (B, N, F).

    In a space with `zero_options` each vertex has one more feature, which says whether it is
    active; with ordered choices another one is its level. To learn either from the options would
    take more queries than a search has.

    Args:
        space: The search space.
        prune_dead: Whether these features are used.
    """

    def __init__(self, space: Space, *, prune_dead: bool = True) -> None:
        self._encoder = encodings.make("adjacency", space)
        self._active = ActivePath(space) if prune_dead and space.zero_options.any() else None
        levels = torch.from_numpy(2 * space.levels - 1)
        self._levels = levels.nan_to_num() if prune_dead and not levels.isnan().all() else None

    def __call__(self, p: Tensor) -> tuple[Tensor, Tensor]:
        a, x = self._encoder.relaxed(p)
        features = [x]
        if self._active is not None:
            (active,) = self._active.relaxed(p)
            features.append(self._summed(active[..., :-1]))
        if self._levels is not None:
            features.append(LEVEL_SCALE * self._summed(p * self._levels.to(p.dtype)))
        return a, torch.cat(features, -1)

    def _summed(self, weights: Tensor) -> Tensor:
        """The sum over the options of each vertex, (B, N, 1), with weights (B, C, O)."""
        _, x = self._encoder.relaxed(weights)
        return x.sum(-1, keepdim=True)
