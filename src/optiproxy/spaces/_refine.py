"""Hashes of rows and graphs, and the canonical numbering of labelled DAGs, batched.

Vertices are coloured by their labels and then, round by round, by the colours of their neighbours
(Weisfeiler and Leman), with 64-bit hashes as colours. A remaining tie is broken by giving one
vertex a colour of its own and refining again. A sum of mixed hashes represents a multiset, so that
the order of the neighbours does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint64]

_IN, _OUT, _APART = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03), np.uint64(1))


def mix(x: Colours) -> Colours:
    """Mixes the bits of a number by the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def canonical_order(
    adjacency: NDArray[Any], labels: NDArray[np.int64], depth: NDArray[np.int64]
) -> NDArray[np.int64]:
    """A numbering of the vertices that does not depend on the given one.

    Isomorphic graphs of up to seven vertices become equal. Larger isomorphic graphs may stay
    different where vertices tie in colour without being symmetric. Different graphs never become
    equal.

    Args:
        adjacency: (B, N, N), ``[b, i, j]`` is the label of the edge i → j, 0 or False for none.
        labels: (B, N), of the vertices.
        depth: (B, N), smaller for the source of an edge than for its target.

    Returns:
        (B, N): the vertices in order of `depth`, then of colour.
    """
    colours = _refined(adjacency, mix(labels.astype(np.uint64) << np.uint64(32) | _unsigned(depth)))
    order = np.lexsort((colours, depth))
    tied = np.arange(len(adjacency))
    while len(tied):
        tie = _first_tie(colours[tied], depth[tied], order[tied])
        tied, tie = tied[tie >= 0], tie[tie >= 0]
        colours[tied, tie] = mix(colours[tied, tie] + _APART)
        colours[tied] = _refined(adjacency[tied], colours[tied])
        order[tied] = np.lexsort((colours[tied], depth[tied]))
    return order


def _refined(adjacency: NDArray[Any], colours: Colours) -> Colours:
    edges = adjacency.astype(np.uint64)
    for _ in range(adjacency.shape[1]):
        above = np.einsum("bij,bi->bj", edges, mix(colours + _IN))
        below = np.einsum("bij,bj->bi", edges, mix(colours + _OUT))
        colours = mix(colours + mix(above + _IN) + mix(below + _OUT))
    return colours


def _first_tie(
    colours: Colours, depth: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The first vertex in `order` that ties with the next one; (B,), -1 where none does."""
    ranked, level = (np.take_along_axis(x, order, 1) for x in (colours, depth))
    same = (ranked[:, 1:] == ranked[:, :-1]) & (level[:, 1:] == level[:, :-1])
    first = np.take_along_axis(order, same.argmax(1)[:, None], 1)[:, 0]
    return np.where(same.any(1), first, -1)


def _unsigned(x: NDArray[np.int64]) -> Colours:
    return x.astype(np.uint64)


def row_keys(indices: NDArray[np.int64]) -> Colours:
    """A hash of each row of (B, C); (B,)."""
    keys = np.zeros(len(indices), np.uint64)
    for column in indices.T:
        keys = mix(keys + _unsigned(column) + _IN)
    return keys
