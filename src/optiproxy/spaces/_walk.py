"""Valid rows where hardly any combination is valid and `valid` can only be asked about whole rows.

Many walks start from the few valid rows that are known. A step changes one or two choices and is
taken if the row stays valid: the proposals are symmetric, so that the walks become uniform over all
rows that they can reach (Metropolis et al., 1953).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces.architecture import Indices

WALKS = 1000
# Steps for each choice before a row counts as drawn, and between a walk's end and each draw.
STEPS, MORE_STEPS = 100, 10


class Walk:
    """Rows reached from valid ones.

    Args:
        sizes: (C,), options of each choice.
        valid: Whether each of rows (B, C) is valid, (B,).
        starts: (S, C), valid rows.
    """

    def __init__(
        self, sizes: Indices, valid: Callable[[Indices], NDArray[np.bool_]], starts: Indices
    ) -> None:
        self._sizes = sizes
        self._valid = valid
        rng = np.random.default_rng(0)
        rows = starts[rng.integers(0, len(starts), size=WALKS)]
        self._ends = self._walked(rows, STEPS * len(sizes), rng)

    def sample(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` valid rows, about uniform, with replacement; (n, C)."""
        rows = self._ends[rng.integers(0, WALKS, size=n)]
        return self._walked(rows, MORE_STEPS * len(self._sizes), rng)

    def nearest(self, rows: Indices) -> Indices:
        """Valid rows near rows (B, C): the nearest walk's end, moved on as far as possible."""
        if not len(rows):
            return rows
        apart = np.stack([(self._ends != row).sum(1) for row in rows])
        found: Indices = self._ends[apart.argmin(1)]
        for choice in (*range(len(self._sizes)), *reversed(range(len(self._sizes)))):
            moved = found.copy()
            moved[:, choice] = rows[:, choice]
            found = np.where(self._valid(moved)[:, None], moved, found)
        return found

    def _walked(self, rows: Indices, steps: int, rng: np.random.Generator) -> Indices:
        b, n, sizes = np.arange(len(rows)), len(rows), self._sizes
        for _ in range(steps):
            one, other = rng.integers(0, len(sizes), size=(2, n))
            first, second = rows[b, one], rows[b, other]
            kind = np.where(one == other, 0, rng.integers(0, 4, size=n))
            # One redrawn, both redrawn, one up and the other down, both exchanged.
            drawn = rng.integers(0, sizes[one]), rng.integers(0, sizes[other])
            to_one = np.choose(kind, [drawn[0], drawn[0], first + 1, second])
            to_other = np.choose(kind, [second, drawn[1], second - 1, first])
            moved = rows.copy()
            moved[b, one] = to_one
            moved[b, other] = np.where(one == other, to_one, to_other)
            inside = ((moved >= 0) & (moved < sizes)).all(1)
            moved[~inside] = rows[~inside]
            rows = np.where(self._valid(moved)[:, None], moved, rows)
        return rows
