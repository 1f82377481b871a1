"""Architectures without what is dead: choices that lie on no open path.

An operation on an edge that leads nowhere is never seen in an accuracy, whatever it is. A model
that compares choices one by one has to learn that from examples; here it is told.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.spaces import Space

Indices = NDArray[np.int64]


class Living:
    """Choice probabilities (B, C, O) → (B, C, O + 1): what is dead or cut moves to the last option.

    A choice is alive as far as one of the paths through it is open in all its other choices, and a
    choice is open as far as its option is none of `Space.cuts`. At the corners that is so or not;
    between them the paths count as independent.

    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Cell
    >>> space = Cell(nodes=3, operations=["none", "conv"])  # 0>1, 0>2, 1>2
    >>> cells = [["conv", "conv", "none"], ["none", "conv", "conv"]]
    >>> rows = [[space.operations.index(op) for op in cell] for cell in cells]
    >>> Living(space)(corners(space, torch.tensor(rows))).argmax(-1).tolist()  # both are 0>2 alone
    [[2, 1, 2], [2, 1, 2]]
    """

    def __init__(self, space: Space) -> None:
        self._passing = torch.from_numpy(~space.cuts)
        # A way is a path through a choice without the choice; its places stand in a row that is
        # filled up with the number of a choice that is always open.
        ways = [
            (choice, [other for other in path if other != choice])
            for path in space.paths
            for choice in path
        ]
        self._rests = _table([rest for _, rest in ways], filler=len(space))
        ways_of = [[w for w, (c, _) in enumerate(ways) if c == n] for n in range(len(space))]
        self._ways = _table(ways_of, filler=len(ways))
        # What no path names can't be told to be dead.
        self._unknown = torch.tensor([not found for found in ways_of])

    def __call__(self, p: Tensor) -> Tensor:
        passing = p * self._passing
        ones = p.new_ones(len(p), 1)
        opened = torch.cat([passing.sum(-1), ones], 1)
        blocked = torch.cat([1 - opened[:, self._rests].prod(-1), ones], 1)
        alive = (1 - blocked[:, self._ways].prod(-1)).masked_fill(self._unknown, 1)
        living = alive[:, :, None] * passing
        return torch.cat([living, 1 - living.sum(-1, keepdim=True)], 2)


def _table(rows: list[list[int]], filler: int) -> Tensor:
    """Rows of different lengths, filled up."""
    columns = itertools.zip_longest(*rows, fillvalue=filler)
    return torch.tensor(list(columns), dtype=torch.long).reshape(-1, len(rows)).T
