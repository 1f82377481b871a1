"""What holds in every kind of space: the shipped cases, and what only ours promise."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from optiproxy import encodings
from optiproxy.spaces import (
    DARTS_OPERATIONS,
    NB101_OPERATIONS,
    NB201_OPERATIONS,
    Cell,
    Chain,
    Conditional,
    Darts,
    Float,
    GnnDag,
    Graph,
    Int,
    Macro,
    Pool,
    Recurrent,
    Space,
)
from optiproxy.testing import SpaceCases


def conditional() -> Conditional:
    return Conditional(
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


def numbers() -> Conditional:
    return Conditional(
        {
            "momentum": Float(0, 0.99),  # named before what switches it on
            "rate": Float(1e-5, 1e-1, log=True),
            "optimizer": ["sgd", "adam", "none"],
            "width": Int(16, 512, log=True),
            "beta": Int(1, 9, step=2),
        },
        when={"momentum": {"optimizer": ["sgd"]}, "beta": [{"optimizer": ["adam"]}]},
    )


def several_parents() -> Conditional:
    return Conditional(
        {"depth": [1, 2, 3], "op": ["conv", "skip"], "kernel": [3, 5], "norm": ["batch", "none"]},
        when={
            "op": {"depth": [2, 3]},
            "kernel": [{"op": ["conv"]}, {"depth": [1]}],
            "norm": {"depth": [3], "op": ["conv"]},
        },
    )


def pool(space: Space, size: int) -> Pool:
    return Pool(space, space.from_indices(space.random_indices(size, np.random.default_rng(7))))


# A new kind is one line here.
KINDS: dict[str, Callable[[], Space]] = {
    "cell": lambda: Cell(4, NB201_OPERATIONS),
    "large-cell": lambda: Cell(6, NB201_OPERATIONS),
    "chain": lambda: Chain({"depth": [1, 2], "norm": [None, True, "x"], "rate": [0.5, 1.5]}),
    "fbnet": lambda: Chain({f"layer{i}": [f"block{b}" for b in range(9)] for i in range(22)}),
    "gnn": GnnDag,
    "macro": Macro,
    "nb101": lambda: Graph(7, NB101_OPERATIONS, max_edges=9),
    "small-graph": lambda: Graph(4, ["a", "b"]),
    "sparse-graph": lambda: Graph(10, ["a", "b"], max_edges=10),
    "darts": Darts,
    "darts-with-none": lambda: Darts([*DARTS_OPERATIONS, "none"]),
    "recurrent": Recurrent,
    "small-recurrent": lambda: Recurrent(nodes=2, hidden=2),
    "conditional": conditional,
    "numbers": numbers,
    "numbers-alone": lambda: Chain(
        {"x": Float(-5, 10), "y": Float(0, 1), "n": Int(1, 512, log=True)}
    ),
    "few-numbers": lambda: Chain({"n": Int(1, 4), "x": Float(0, 1, step=0.25), "op": ["a", "b"]}),
    "several-parents": several_parents,
    "pool-of-darts": lambda: pool(Darts(), 100),
    "pool-of-cells": lambda: pool(Cell(4, NB201_OPERATIONS), 2000),
    "pool-of-one": lambda: pool(conditional(), 1),
}


@pytest.fixture(params=KINDS, scope="module")
def space(request: pytest.FixtureRequest) -> Space:
    return KINDS[request.param]()


class TestSpaces(SpaceCases):
    @pytest.fixture
    def space(self, space: Space) -> Space:
        return space


def test_different_architectures_have_different_graphs(space: Space) -> None:
    rows = space.random_indices(64, np.random.default_rng(0))
    different = torch.from_numpy(np.unique(rows, axis=0))
    a, x = encodings.make("adjacency", space).discrete(different)
    flat = torch.cat([a.flatten(1), x.flatten(1)], 1)
    assert len(torch.unique(flat, dim=0)) == len(different)
    assert (x.sum(2) <= 1).all()  # one feature a vertex, none where it is inactive


def test_paths_leave_no_choice_out(space: Space) -> None:
    assert len(set(space.paths)) == len(space.paths)
    assert {c for path in space.paths for c in path} == set(range(len(space)))


@pytest.mark.slow
def test_ten_thousand_rows_become_canonical_in_seconds(space: Space) -> None:
    """Guards against a loop over architectures; measured 0.001 to 0.6 s, bound far above.

    Among so many there are also graphs whose vertices are hard to tell apart.
    """
    rows = space.random_indices(10_000, np.random.default_rng(0))
    start = time.process_time()
    canonical = space.canonical(rows)
    assert time.process_time() - start < 6
    np.testing.assert_array_equal(space.canonical(canonical), canonical)
