"""How far up each choice stands whose options are numbers: widths, depths, kernel sizes.

One-hot, 24 and 32 channels are as unlike as 24 and 512, and what was measured of one option says
nothing of the next. By its level, a choice of sixteen widths has one slope to be learnt. Proxies
read it beside an encoding that tells all architectures apart, which this one does not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed, corners
from optiproxy.spaces import Space


class Levels(Encoder):
    """One tensor (B, T): the level of each choice that has an order, from -1 to 1, then sums.

    The sums are of choices that share their options, over the root of how many they are, so that
    they vary as much as one choice does: wider everywhere, or deeper. The order is that of
    `Space.levels`; a space without one has no entries.

    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"op": ["conv", "pool"], "depth": [1, 2, 3], "width": [16, 32, 64, 128, 256]})
    >>> archs = [{"op": "conv", "depth": 1, "width": 256}, {"op": "pool", "depth": 2, "width": 32}]
    >>> Levels(space).encode(archs)[0].tolist()
    [[-1.0, 1.0], [0.0, -0.5]]
    """

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(space, dtype)
        #: (C,), which choices have an order.
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
