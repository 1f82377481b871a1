"""The shipped cases, on one space of each kind. A new kind is one line here."""

from __future__ import annotations

import pytest

from optiproxy import spaces, tasks
from optiproxy.spaces import Space
from optiproxy.testing import SpaceCases

CHAIN = spaces.Chain({"a": [1, 2, 3], "b": [1, 2, 3], "c": ["x", "y"]})

KINDS = {
    "cell": lambda: spaces.Cell(nodes=4, operations=spaces.NB201_OPERATIONS),
    "chain": lambda: spaces.Chain({"a": [1, 2, 3], "b": [None, True, "x"], "c": [0.5, 1.5]}),
    "large chain": lambda: spaces.Chain({f"c{i}": list(range(5)) for i in range(20)}),
    "gnn": spaces.GnnDag,
    "graph": lambda: spaces.Graph(vertices=7, operations=spaces.NB101_OPERATIONS, max_edges=9),
    "darts": spaces.Darts,
    "recurrent": spaces.Recurrent,
    "macro": spaces.Macro,
    "conditional": lambda: spaces.Conditional(
        {"op": ["conv", "pool", "skip"], "kernel": [3, 5], "norm": ["batch", "group"]},
        when={"kernel": {"op": ["conv"]}},
    ),
    "several parents": lambda: spaces.Conditional(
        {"depth": [1, 2, 3], "op": ["conv", "skip"], "kernel": [3, 5], "norm": ["batch", "none"]},
        when={
            "op": {"depth": [2, 3]},
            "kernel": [{"op": ["conv"]}, {"depth": [1]}],
            "norm": {"depth": [3], "op": ["conv"]},
        },
    ),
    "pool": lambda: spaces.Pool(CHAIN, CHAIN.sample(40)),
    "nasbench-macro": lambda: tasks.get("nasbench-macro").space,
    "spikenas": lambda: tasks.get("spikenas-cifar10").space,
}


@pytest.mark.parametrize("kind", KINDS)
class TestSpaces(SpaceCases):
    @pytest.fixture
    def space(self, kind: str) -> Space:
        return KINDS[kind]()
