"""The best queries, from which a round starts, and how far others are from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

INCUMBENTS = 5  # their neighbours are candidates, and some groups start at them
# After so many queries without a new best the search has stalled, and one place in five goes to the
# favourite of a coarse global model that differs from each of the `CROWD` best queries in half of
# the choices. The proxy, with most of its data from one basin, is blind to the others; the global
# model still sees the slope of the whole space (docs/log.md).
PATIENCE = 12
CROWD = 20
# Numbers of a range differ if they are further apart than this part of it.
APART = 0.25
# Of an ordered choice, so many places on either side are near.
NEAR_OPTIONS = 4


@dataclass(frozen=True)
class Incumbents:
    """The best queries, from which a round starts.

    Attributes:
        best: (L, C), at most `INCUMBENTS` queries, and as many of each earlier study.
        crowd: (<= CROWD, C), the best and more of them.
        front: (F, C), the Pareto front of several objectives, else none.
        stalled: Whether there was no new best for a while.
    """

    best: Indices
    crowd: Indices
    front: Indices
    stalled: bool


def near_in_order(space: Space, rows: Indices) -> Indices:
    """Copies of rows (B, C) with the next options of all ordered choices on either side."""
    copies = []
    for step in range(-NEAR_OPTIONS, NEAR_OPTIONS + 1):
        near = rows.copy()
        for choice, (size, levels) in enumerate(zip(space.sizes, space.levels, strict=True)):
            if choice not in space.numbers and not np.isnan(levels[0]):
                order = levels[:size].argsort(kind="stable")
                place = order.argsort()[rows[:, choice]] + step
                near[:, choice] = order[place.clip(0, size - 1)]
        copies.append(near)
    return np.concatenate(copies)


def distance(space: Space, rows: Indices, others: Indices) -> Indices:
    """The number of choices in which each row differs from the nearest of `others`, (B,)."""
    differ = rows[:, None] != others[None]
    for c, number in space.numbers.items():
        apart = number.levels(rows[:, c])[:, None] - number.levels(others[:, c])
        differ[..., c] = np.abs(apart) > APART
    return np.asarray(differ.sum(-1).min(1))
