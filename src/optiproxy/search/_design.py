"""The initial design: the options of each choice equally often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

# Hypercubes; enough where one row in ten is valid.
MAX_DRAWS = 20
# So many random architectures are searched for options that exact limits left out of the design.
COVERED_FROM = 500


def design(
    space: Space, n: int, allowed: Callable[[Indices], NDArray[np.bool_]], rng: np.random.Generator
) -> Indices:
    """Up to `n` balanced rows; those that are not `allowed`, (B, C) → (B,), are replaced."""
    rows = balanced(space, n, rng)
    kept = rows[allowed(rows)]
    if len(kept) == len(rows):
        return rows
    others = space.random_indices(COVERED_FROM, rng)
    return covering(kept, n, others[allowed(others)])


def balanced(space: Space, n: int, rng: np.random.Generator) -> Indices:
    """`n` rows in which each option of each choice occurs about equally often.

    A Latin hypercube over categories: of five options, ten rows contain each twice, where
    independent draws miss one in ten altogether; of forty ordered widths, or of the numbers of a
    range, one of each tenth.
    Invalid rows are replaced from further hypercubes and, where hardly any draw is valid, by
    uniform draws. Fewer than `n` rows come back only from a space that has no more.
    """
    rows = np.empty((0, len(space)), np.int64)
    for draw in range(MAX_DRAWS + 1):
        new = _hypercube(space, n, rng) if draw < MAX_DRAWS else space.random_indices(4 * n, rng)
        rows = np.concatenate([rows, new])
        _, first = np.unique(rows, axis=0, return_index=True)
        rows = rows[np.sort(first)]
        if len(rows) >= n:
            break
    return rows[:n]


def covering(rows: Indices, n: int, others: Indices) -> Indices:
    """`rows`, and of `others` those that have most options that no row has, up to `n` in all.

    Exact limits leave out rows of a design: without this, an option that few architectures within
    the limit have is in none, and no model learns what it is worth.
    """
    chosen = list(rows)
    choices = np.arange(others.shape[1])
    seen = np.zeros((len(choices), int(max(others.max(initial=0), rows.max(initial=0))) + 1), bool)
    for row in rows:
        seen[choices, row] = True
    while len(chosen) < n and len(others):
        new = (~seen[choices, others]).sum(1)
        best = int(new.argmax())
        if new[best] == 0:
            break
        chosen.append(others[best])
        seen[choices, others[best]] = True
    return np.array(chosen, dtype=np.int64).reshape(-1, len(choices))


def _hypercube(space: Space, n: int, rng: np.random.Generator) -> Indices:
    columns = []
    for c, (size, levels) in enumerate(zip(space.sizes, space.levels, strict=True)):
        if c in space.numbers:
            strata = rng.permutation((np.arange(n) + rng.random(n)) / n)
            columns.append(space.numbers[c].nearest(strata))
            continue
        if size > n and np.isfinite(levels[:size]).all():
            strata = (np.arange(n) + rng.random(n)) * size / n
            ranked = levels[:size].argsort(kind="stable")
            columns.append(rng.permutation(ranked[strata.astype(np.int64).clip(max=size - 1)]))
            continue
        blocks = [rng.permutation(size) for _ in range(-(-n // size))]
        columns.append(rng.permutation(np.concatenate(blocks)[:n]))
    return space.repair(np.stack(columns, 1))
