"""Choices whose options are numbers (widths, depths, kernel sizes) by the level of the option.

One-hot, 24 and 32 channels differ as much as 24 and 512. By its level, a choice of sixteen widths
has a single slope to learn. It does not distinguish all architectures, so that proxies read it
beside another encoding, and it is not registered as an encoding of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed, corners
from optiproxy.spaces import Space


class Ordinal(Encoder):
    """One tensor (B, T): the level of each ordered choice, from -1 to 1, then sums of levels.

    Choices that share their options are summed and divided by the square root of their number, so
    that a sum varies as much as one choice: wider everywhere, or deeper. The order is that of
    `Space.levels`; in a space without one the tensor is empty.

    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"op": ["conv", "pool"], "depth": [1, 2, 3], "width": [16, 32, 64, 128, 256]})
    >>> archs = [{"op": "conv", "depth": 1, "width": 256}, {"op": "pool", "depth": 2, "width": 32}]
    >>> Ordinal(space).encode(archs)[0].tolist()
    [[-1.0, 1.0], [0.0, -0.5]]
    """

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(space, dtype)
        #: (C,), which choices are ordered.
        self.ordered = torch.from_numpy(~np.isnan(space.levels).all(1))
        self._choices = self.ordered.nonzero()[:, 0]
        self._levels = torch.from_numpy(np.nan_to_num(space.levels))[self._choices]
        kinds = F.one_hot(torch.from_numpy(space.option_groups))[self._choices].double()
        shared = kinds[:, kinds.sum(0) > 1]
        self._sums = shared / shared.sum(0).sqrt()

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((sum(self._sums.shape),),)

    def discrete(self, indices: Tensor) -> Encoded:
        return self.relaxed(corners(self.space, indices, self.dtype))

    def relaxed(self, p: Tensor) -> Encoded:
        check_relaxed(self.space, p)
        x = 2 * (p[:, self._choices] * self._levels.to(p.dtype)).sum(-1) - 1
        return (torch.cat([x, x @ self._sums.to(p.dtype)], 1),)
