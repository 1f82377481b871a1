"""One of each kind of space, for what must hold in all of them."""

from __future__ import annotations

import numpy as np
import pytest

from optiproxy.spaces import (
    DARTS_OPERATIONS,
    NB101_OPERATIONS,
    NB201_OPERATIONS,
    Cell,
    Chain,
    Conditional,
    Darts,
    GnnDag,
    Graph,
    Macro,
    Pool,
    Recurrent,
    Space,
)

CONDITIONAL = Conditional(
    {
        "groups": [2, 4, 8],  # named before what switches it on
        "op": ["conv", "pool", "skip"],
        "kernel": [3, 5],
        "norm": ["batch", "group"],
        "width": [16, 32],
    },
    when={
        "kernel": {"op": ["conv", "pool"]},
        "norm": {"op": ["conv"]},
        "groups": {"norm": ["group"]},
    },
)
NB101 = Graph(7, NB101_OPERATIONS, max_edges=9)


def _pool(space: Space, size: int) -> Pool:
    return Pool(space, space.from_indices(space.random_indices(size, np.random.default_rng(7))))


SPACES: dict[str, Space] = {
    "cell": Cell(4, NB201_OPERATIONS),
    "large cell": Cell(6, NB201_OPERATIONS),
    "chain": Chain({"depth": [1, 2], "width": [16, 32], "norm": [None, "batch"], "bias": [True]}),
    "fbnet": Chain({f"layer{i}": [f"block{b}" for b in range(9)] for i in range(22)}),
    "gnn": GnnDag(),
    "macro": Macro(),
    "nb101": NB101,
    "small graph": Graph(4, ["a", "b"]),
    "sparse graph": Graph(10, ["a", "b"], max_edges=10),
    "darts": Darts(),
    "darts with none": Darts([*DARTS_OPERATIONS, "none"]),
    "recurrent": Recurrent(),
    "small recurrent": Recurrent(nodes=2, hidden=2),
    "conditional": CONDITIONAL,
    "pool of darts": _pool(Darts(), 100),
    "pool of cells": _pool(Cell(4, NB201_OPERATIONS), 2000),
    "pool of one": _pool(CONDITIONAL, 1),
}


@pytest.fixture(params=SPACES, ids=lambda name: name.replace(" ", "-"))
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]
