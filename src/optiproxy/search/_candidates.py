"""Where the candidates of a round come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optiproxy.proxies.base import Proxy
from optiproxy.search._ascent import Ascent
from optiproxy.search._incumbents import Incumbents
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

GROUPS = 40
RANDOM_CANDIDATES = 200
# At most so many neighbours are candidates, in spaces whose choices have hundreds of options.
NEIGHBOURS = 5000
# Of the global model of a stalled search.
GLOBAL_GROUPS = 10


def candidates(
    proxy: Proxy,
    ascent: Ascent,
    incumbents: Incumbents,
    climbs: Sequence[str],
    turns: Sequence[str],
) -> list[Indices]:
    """Rows (B, C) by gradient ascent, near the best queries, and at random.

    Args:
        proxy: Fitted.
        ascent: Of the round.
        incumbents: Of the round.
        climbs: The acquisitions that the groups climb, in turn.
        turns: The acquisitions that select the batch, by which numbers of a range are refined.
    """
    space = ascent.space
    neighbours = space.neighbour_indices(np.concatenate([incumbents.best, incumbents.front]))
    climbed = ascent.candidates(proxy, GROUPS, incumbents.best, climbs=climbs)
    if len(neighbours) > NEIGHBOURS:
        neighbours = ascent.rng.choice(neighbours, NEIGHBOURS, replace=False)
    drawn = space.random_indices(RANDOM_CANDIDATES, ascent.rng)
    sources = [climbed, incumbents.best, neighbours, drawn]
    if space.numbers and proxy.differentiable:
        sources.append(ascent.refined(proxy, [climbed, neighbours, drawn], turns))
    return sources


def candidates_elsewhere(coarse: Proxy, ascent: Ascent, incumbents: Incumbents) -> Indices:
    """Rows (B, C) by gradient ascent on the global model, away from the best queries."""
    return ascent.candidates(coarse, GLOBAL_GROUPS, incumbents.best[:0], avoid=incumbents.crowd)


def of_new_networks(space: Space, rows: Indices, known: Indices, *, once: bool) -> Indices:
    """Those of `rows` (B, C) that are another network than each of `known` (K, C), in their order.

    Args:
        space: Of both.
        rows: Candidates.
        known: Other architectures.
        once: Whether only the first of several that are the same network is kept.
    """
    networks = space.canonical(np.concatenate([known, rows]))
    _, first, network = np.unique(networks, axis=0, return_index=True, return_inverse=True)
    first = first[network.ravel()]  # where each row's network occurs first
    new = first >= len(known)
    if once:
        new &= first == np.arange(len(first))
    return rows[new[len(known) :]]
