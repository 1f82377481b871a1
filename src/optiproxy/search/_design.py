"""The first queries: a balanced design over the choices."""

from __future__ import annotations

import numpy as np

from optiproxy.spaces import Space
from optiproxy.spaces.base import Indices


def balanced(space: Space, n: int, rng: np.random.Generator) -> Indices:
    """`n` rows in which each option of each choice stands about equally often.

    A Latin hypercube over categories: with five options and ten rows each option is seen twice at
    every choice, where independent draws miss one in ten altogether. Rows that the space does not
    allow, and repeated ones, are left out.
    """
    columns = []
    for size in space.sizes:
        blocks = [rng.permutation(size) for _ in range(-(-n // size))]
        columns.append(rng.permutation(np.concatenate(blocks)[:n]))
    rows = np.stack(columns, 1)
    rows = rows[space.valid(rows)]
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]
