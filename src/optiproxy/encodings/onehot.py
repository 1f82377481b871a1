"""One-hot encoding: the options of every choice side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed, corners
from optiproxy.spaces import Space


class OneHot(Encoder):
    """One tensor (B, all options); a relaxed row holds the probabilities themselves."""

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(space, dtype)
        self._mask = torch.from_numpy(space.mask)
        sizes = torch.from_numpy(space.sizes)
        self._offsets = sizes.cumsum(0) - sizes

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((int(self.space.widths.sum()),),)

    def discrete(self, indices: Tensor) -> Encoded:
        if self.space.numbers:
            return self.relaxed(corners(self.space, indices, self.dtype))
        x = torch.zeros(len(indices), *self.shapes[0], dtype=self.dtype)
        return (x.scatter_(1, indices.long() + self._offsets, 1.0),)

    def relaxed(self, p: Tensor) -> Encoded:
        check_relaxed(self.space, p)
        return (p[:, self._mask],)
