"""One-hot encoding in which choices on no open path are marked as inactive.

An operation on an edge that leads nowhere does not affect the accuracy. A model that compares
choices one by one would have to learn that from examples; this encoding states it.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed, corners
from optiproxy.spaces import Space


class ActivePath(Encoder):
    """One tensor (B, C, O + 1): the options of each choice, and one more entry for "inactive".

    A choice is active if one of the paths through it is open at all its other choices; an option is
    open unless it is one of `Space.zero_options`. At the corners that is 0 or 1; between them, the
    paths are treated as independent.

    >>> from optiproxy.spaces import Cell
    >>> space = Cell(nodes=3, operations=["none", "conv"])  # edges 0>1, 0>2, 1>2
    >>> cells = [["conv", "conv", "none"], ["none", "conv", "conv"]]  # both come to 0>2 alone
    >>> archs = [space.architecture(dict(zip(space.names, cell))) for cell in cells]
    >>> ActivePath(space).encode(archs)[0].argmax(-1).tolist()
    [[2, 1, 2], [2, 1, 2]]
    """

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(space, dtype)
        self._passing = torch.from_numpy(~space.zero_options)
        # A way is a path through a choice, without that choice. Rows are padded with the number of
        # an extra choice that is always open.
        ways = [
            (choice, [other for other in path if other != choice])
            for path in space.paths
            for choice in path
        ]
        self._rests = _table([rest for _, rest in ways], filler=len(space))
        ways_of = [[w for w, (c, _) in enumerate(ways) if c == n] for n in range(len(space))]
        self._ways = _table(ways_of, filler=len(ways))
        # A choice on no listed path counts as active.
        self._unlisted = torch.tensor([not found for found in ways_of])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        choices, options = self.space.mask.shape
        return ((choices, options + 1),)

    def discrete(self, indices: Tensor) -> Encoded:
        return self.relaxed(corners(self.space, indices, self.dtype))

    def relaxed(self, p: Tensor) -> Encoded:
        check_relaxed(self.space, p)
        if self._passing.all():  # then every choice is active
            return (torch.cat([p, torch.zeros_like(p[..., :1])], 2),)
        passing = p * self._passing
        ones = p.new_ones(len(p), 1)
        opened = torch.cat([passing.sum(-1), ones], 1)
        blocked = torch.cat([1 - opened[:, self._rests].prod(-1), ones], 1)
        active = (1 - blocked[:, self._ways].prod(-1)).masked_fill(self._unlisted, 1)
        options = active[:, :, None] * passing
        return (torch.cat([options, 1 - options.sum(-1, keepdim=True)], 2),)


def _table(rows: list[list[int]], filler: int) -> Tensor:
    """Rows of different lengths as a matrix, padded with `filler`."""
    columns = list(itertools.zip_longest(*rows, fillvalue=filler))
    return torch.tensor(columns, dtype=torch.long).reshape(len(columns), len(rows)).T
