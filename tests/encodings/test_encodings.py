"""The relaxed encoding of a corner is the discrete one, exactly; in between it has gradients."""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optiproxy import encodings
from optiproxy.encodings.active_path import ActivePath
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import NB201_OPERATIONS, Cell, Chain, Space


class Pathless(Chain):
    """A user's space that names no paths."""

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        return ()


class OnePath(Chain):
    """A user's space whose only path has 15,625 sequences: too many for the path encoding."""

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        return (tuple(range(len(self))),)


SPACES: list[Space] = [
    Pathless({"a": ["x", "y"], "b": ["x", "y", "z"]}),
    OnePath({f"c{i}": ["a", "b", "c", "d", "e"] for i in range(6)}),
    Cell(nodes=4, operations=NB201_OPERATIONS),
    Cell(nodes=2, operations=["a"]),
    Cell(nodes=6, operations=["x", "y"]),
    Chain({"depth": [1, 2, 3], "width": [16, 32], "bias": [True, False], "fixed": ["only"]}),
    Chain({"one": [None, "two", 3]}),
]
NAMES = encodings.ENCODINGS.names()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", SPACES, ids=repr)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_corner_is_the_discrete_encoding(name: str, space: Space, seed: int) -> None:
    rows = torch.from_numpy(space.random_indices(17, np.random.default_rng(seed)))
    encoder = encodings.make(name, space)
    discrete = encoder.discrete(rows)
    relaxed = encoder.relaxed(encodings.corners(space, rows))
    for left, right, shape in zip(discrete, relaxed, encoder.shapes, strict=True):
        assert torch.equal(left, right)
        assert left.shape == (17, *shape)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_a_batch_is_its_rows(name: str, space: Space) -> None:
    rows = torch.from_numpy(space.random_indices(5, np.random.default_rng(0)))
    encoder = encodings.make(name, space)
    whole = encoder.discrete(rows)
    for i in range(5):
        for part, alone in zip(whole, encoder.discrete(rows[i : i + 1]), strict=True):
            assert torch.equal(part[i], alone[0])


@pytest.mark.parametrize("name", NAMES)
def test_different_architectures_differ(name: str) -> None:
    # Cells that differ in inactive choices are the same to `active_path` (see its own tests).
    space = SPACES[0] if name != "active_path" else Cell(4, ["skip_connect", "conv", "pool"])
    rows = torch.from_numpy(space.all_indices[::7])
    flat = torch.cat([t.flatten(1) for t in encodings.make(name, space).discrete(rows)], 1)
    assert len(torch.unique(flat, dim=0)) == len(rows)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_the_relaxation_is_differentiable(name: str, space: Space) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (3, len(space), int(space.sizes.max()))
    alpha = torch.randn(shape, generator=generator, dtype=torch.float64)
    mask = torch.from_numpy(space.mask)
    encoder = encodings.make(name, space)

    def encoded(a: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return encoder.relaxed(a.masked_fill(~mask, -torch.inf).softmax(-1))

    assert torch.autograd.gradcheck(encoded, alpha.requires_grad_())


def test_nb201_line_graph() -> None:
    """Edge vertices are joined where one edge ends and the other begins."""
    space = Cell(nodes=4, operations=NB201_OPERATIONS)
    a, x = encodings.make("adjacency", space).encode(space.sample(1))
    vertices = ["in", *space.names, "out"]
    arcs = {(u, v) for u, v in itertools.product(range(8), repeat=2) if a[0, u, v] == 1}
    named = {(vertices[u], vertices[v]) for u, v in arcs}
    assert named == {
        ("in", "0>1"), ("in", "0>2"), ("in", "0>3"), ("0>1", "1>2"), ("0>1", "1>3"),
        ("0>2", "2>3"), ("1>2", "2>3"), ("0>3", "out"), ("1>3", "out"), ("2>3", "out"),
    }  # fmt: skip
    assert torch.equal(x.sum(-1), torch.ones(1, 8))
    assert torch.equal(a[0], a[0].triu(1))


def test_nb201_paths_are_four() -> None:
    space = Cell(nodes=4, operations=NB201_OPERATIONS)
    encoder = encodings.make("path", space)
    (x,) = encoder.encode(space.sample(9))
    assert encoder.shapes == ((5 + 25 + 25 + 125,),)
    assert torch.equal(x.sum(1), torch.full((9,), 4.0))


def test_every_choice_has_a_feature_in_the_path_encoding() -> None:
    """Of 64 paths 12 have few enough sequences for a feature each."""
    space = Cell(nodes=8, operations=list("abcdefghij"))
    encoder = encodings.make("path", space)
    row = torch.zeros(1, len(space), dtype=torch.long)
    rows = row + torch.eye(len(space), dtype=torch.long)
    assert (encoder.discrete(rows)[0] != encoder.discrete(row)[0]).any(1).all()


def test_wrong_shape_and_name_are_errors() -> None:
    space = SPACES[0]
    with pytest.raises(InvalidValueError, match="relaxed: p"):
        encodings.make("path", space).relaxed(torch.zeros(2, 5, 5))
    with pytest.raises(InvalidValueError, match="did you mean 'onehot'"):
        encodings.make("onehto", space)


def test_an_earlier_name_still_works() -> None:
    assert type(encodings.make("living", SPACES[2])) is ActivePath
