"""What methods that are not ours are told of choices with an order."""

from __future__ import annotations

import numpy as np

from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices


class Order:
    """Option numbers as places in the order of each choice, and back.

    Where a choice has no order (see `Space.levels`) an option's place is its number.

    Attributes:
        ordered: (C,), which choices have one, without two options on one level.

    Args:
        space: The search space.
    """

    def __init__(self, space: Space) -> None:
        options = np.arange(space.mask.shape[1])
        levels = np.where(space.mask, space.levels, 2.0 + options)  # what is no option comes last
        distinct = np.array([len(set(row)) == len(row) for row in levels.tolist()])
        self.ordered = distinct & ~np.isnan(levels).any(1)
        self._options = np.where(self.ordered[:, None], levels.argsort(1), options)
        self._places = self._options.argsort(1)

    def places(self, rows: Indices) -> Indices:
        """Of option numbers (B, C)."""
        return np.asarray(self._places[np.arange(len(self._places)), rows])

    def options(self, places: Indices) -> Indices:
        """The option numbers at places (B, C)."""
        return np.asarray(self._options[np.arange(len(self._options)), places])
