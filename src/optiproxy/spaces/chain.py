"""An ordered list of independent choices: macro spaces, stage depths and widths, kernel sizes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from optiproxy.spaces.architecture import GraphTemplate, Option
from optiproxy.spaces.base import Space


class Chain(Space):
    """Named choices in a row, each with its own options.

    The graph encoding is a path: input → first choice → … → last choice → output. Every option is
    a separate vertex feature, so N = choices + 2 and F = all options + 2.

    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
    >>> space.count
    18

    Args:
        choices: Name → options (text, numbers, booleans or None), in the order they are applied.

    Raises:
        InvalidValueError: `choices` can't be used; all mistakes are in one message.
    """

    def __init__(self, choices: Mapping[str, Sequence[Option]]) -> None:
        super().__init__(choices)

    @cached_property
    def graph(self) -> GraphTemplate:
        n, o_max, f = len(self.sizes) + 2, int(self.sizes.max()), int(self.sizes.sum()) + 2
        adjacency = np.eye(n, k=1, dtype=np.float32)
        features = np.zeros((n, f), np.float32)
        features[0, 0] = features[-1, -1] = 1
        terms = np.zeros((n - 2, o_max, n, f), np.float32)
        offsets = 1 + np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        c, o = np.nonzero(self.mask)
        terms[c, o, c + 1, offsets[c] + o] = 1
        return GraphTemplate(adjacency, features, terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Windows of one and two neighbouring choices: the path encoding, truncated at length 2."""
        single = tuple((c,) for c in range(len(self.sizes)))
        return single + tuple(itertools.pairwise(range(len(self.sizes))))
