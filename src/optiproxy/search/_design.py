"""The first queries: a balanced design over the choices."""

from __future__ import annotations

import numpy as np

from optiproxy.spaces import Space
from optiproxy.spaces.base import Indices

# Of hypercubes: enough where one row in ten is valid.
MAX_DRAWS = 20


def balanced(space: Space, n: int, rng: np.random.Generator) -> Indices:
    """`n` rows in which each option of each choice stands about equally often.

    A Latin hypercube over categories: with five options and ten rows each option is seen twice at
    every choice, where independent draws miss one in ten altogether. Where the space allows only
    some combinations, further hypercubes are drawn and the rows that it does not allow left out.
    Fewer than `n` rows come back only if hardly any draw is valid.
    """
    rows = np.empty((0, len(space)), np.int64)
    for _ in range(MAX_DRAWS):
        rows = np.concatenate([rows, _hypercube(space, n, rng)])
        _, first = np.unique(rows, axis=0, return_index=True)
        rows = rows[np.sort(first)]
        if len(rows) >= n:
            break
    return rows[:n]


def _hypercube(space: Space, n: int, rng: np.random.Generator) -> Indices:
    columns = []
    for size in space.sizes:
        blocks = [rng.permutation(size) for _ in range(-(-n // size))]
        columns.append(rng.permutation(np.concatenate(blocks)[:n]))
    rows = np.stack(columns, 1)
    return rows[space.valid(rows)]
