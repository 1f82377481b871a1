"""Ordered choices for methods that know numbers and categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices


class Order:
    """Option numbers as parameters of such a method, and back.

    The parameter of an ordered choice (see `Space.levels`) is the position of its option, a whole
    number; without an order it is the option's number, a category. That of a number of a range is
    its level, from 0 to 1.

    Attributes:
        ordered: (C,), which choices have an order in which no two options are equal.

    Args:
        space: The search space.
    """

    def __init__(self, space: Space) -> None:
        options = np.arange(space.mask.shape[1])
        levels = np.where(space.mask, space.levels, 2.0 + options)  # padding comes last
        distinct = np.array([len(set(row)) == len(row) for row in levels.tolist()])
        self.ordered = distinct & ~np.isnan(levels).any(1)
        self._options = np.where(self.ordered[:, None], levels.argsort(1), options)
        self._places = self._options.argsort(1)
        self._numbers = space.numbers

    def parameters(self, row: Indices) -> list[int | float]:
        """The parameters of option numbers (C,)."""
        lists = np.arange(len(row)), np.minimum(row, self._places.shape[1] - 1)
        found: list[int | float] = self._places[lists].tolist()
        for c, number in self._numbers.items():
            found[c] = float(number.levels(row[c]))
        return found

    def row(self, parameters: Sequence[int | float]) -> Indices:
        """The option numbers (C,) of parameters."""
        places = np.array(parameters)
        row: Indices = self._options[np.arange(len(places)), places.astype(np.int64)]
        for c, number in self._numbers.items():
            row[c] = number.nearest(places[c])
        return row
