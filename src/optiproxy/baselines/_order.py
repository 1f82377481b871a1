"""Ordered choices for methods that know whole numbers and categories."""

from __future__ import annotations

import numpy as np

from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices


class Order:
    """Option numbers as positions in the order of each choice, and back.

    In a choice without an order (see `Space.levels`) an option's position is its number.

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

    def places(self, rows: Indices) -> Indices:
        """The positions of option numbers (B, C)."""
        return np.asarray(self._places[np.arange(len(self._places)), rows])

    def options(self, places: Indices) -> Indices:
        """The option numbers at positions (B, C)."""
        return np.asarray(self._options[np.arange(len(self._options)), places])
