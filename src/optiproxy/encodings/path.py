"""Path encoding: one feature for each sequence of options along each of the space's paths.

Reference: White et al., BANANAS, AAAI 2021, https://arxiv.org/abs/1910.11858. Theirs has one
feature for a sequence on any path; here each path has its own, so that the encoding is multilinear
in the choice probabilities and exact at the corners.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed, corners
from optiproxy.spaces import Space

# Long paths have many sequences, each of them rare; BANANAS truncates its encoding too.
MAX_FEATURES = 6_000


class Path(Encoder):
    """One tensor (B, sequences); paths in the space's order until `MAX_FEATURES` are filled.

    A choice on none of these paths becomes a path by itself.
    """

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(space, dtype)
        self.paths: list[tuple[int, ...]] = []
        self._widths: list[int] = []
        for path in space.paths:
            width = math.prod(int(space.widths[c]) for c in path)
            if sum(self._widths) + width <= MAX_FEATURES:
                self.paths.append(path)
                self._widths.append(width)
        for choice in sorted(set(range(len(space))).difference(*self.paths)):
            self.paths.append((choice,))
            self._widths.append(int(space.widths[choice]))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((sum(self._widths),),)

    def discrete(self, indices: Tensor) -> Encoded:
        if self.space.numbers:
            return self.relaxed(corners(self.space, indices, self.dtype))
        columns, offset = [], 0
        for path, width in zip(self.paths, self._widths, strict=True):
            number = torch.zeros(len(indices), dtype=torch.long)
            for c in path:
                number = number * int(self.space.sizes[c]) + indices[:, c]
            columns.append(number + offset)
            offset += width
        x = torch.zeros(len(indices), offset, dtype=self.dtype)
        return (x.scatter_(1, torch.stack(columns, 1), 1.0),)

    def relaxed(self, p: Tensor) -> Encoded:
        check_relaxed(self.space, p)
        blocks = []
        for path in self.paths:
            block = p.new_ones(len(p), 1)
            for c in path:  # (B, sequences so far) x (B, options of c)
                options = p[:, c, : int(self.space.widths[c])]
                block = (block[:, :, None] * options[:, None, :]).flatten(1)
            blocks.append(block)
        return (torch.cat(blocks, 1),)
