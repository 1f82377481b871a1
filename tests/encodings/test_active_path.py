"""Inactive choices agree with what the spaces say is the same network."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from optiproxy.encodings import corners
from optiproxy.encodings.active_path import ActivePath
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.kernel import Mixture
from optiproxy.spaces import NB101_OPERATIONS, NB201_OPERATIONS, Cell, Chain, Graph, Pool, Space

NB201 = Cell(nodes=4, operations=NB201_OPERATIONS)
NB101 = Graph(vertices=7, operations=NB101_OPERATIONS, max_edges=9)


def active(space: Space, rows: np.ndarray) -> torch.Tensor:
    return ActivePath(space).discrete(torch.from_numpy(rows))[0]


@pytest.mark.parametrize("space", [NB201, NB101, Cell(5, ["none", "skip_connect", "a", "b"])])
def test_equal_encodings_are_equal_networks(space: Space) -> None:
    rows = space.random_indices(3000, np.random.default_rng(0))
    read = active(space, rows)
    assert read.shape == (3000, len(space), space.mask.shape[1] + 1)
    assert ((read == 0) | (read == 1)).all()
    assert (read.sum(-1) == 1).all()
    # Those that read the same are the same network.
    _, which = np.unique(read.argmax(-1).numpy(), axis=0, return_inverse=True)
    first = {group: row for row, group in enumerate(which.tolist())}
    twins = rows[[first[group] for group in which.tolist()]]
    np.testing.assert_array_equal(space.canonical(rows), space.canonical(twins))
    assert len(first) < len(np.unique(rows, axis=0))


def test_inactive_edges_of_a_large_cell_are_those_that_its_canonical_form_closes() -> None:
    space = Cell(6, NB201_OPERATIONS)
    assert space.count > 1_000_000
    rows = space.random_indices(500, np.random.default_rng(0))
    closed = space.canonical(rows) == NB201_OPERATIONS.index("none")
    np.testing.assert_array_equal(active(space, rows).argmax(-1).numpy() == 5, closed)


def test_inactive_vertices_of_a_graph_are_those_that_it_prunes() -> None:
    rows = NB101.random_indices(500, np.random.default_rng(0))
    _, alive = NB101._pruned(rows)
    read = active(NB101, rows)[:, len(NB101.edges) :].argmax(-1).numpy()
    np.testing.assert_array_equal(read != 3, alive[:, 1:-1])


def test_between_the_corners_it_is_smooth() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(4, 6, 5, generator=generator, dtype=torch.float64).softmax(-1)
    encoder = ActivePath(NB201)

    def read(p: torch.Tensor) -> torch.Tensor:
        return encoder.relaxed(p)[0]

    assert torch.allclose(read(p).sum(-1), torch.ones(4, 6, dtype=torch.float64))
    assert torch.autograd.gradcheck(read, p.requires_grad_())
    # Also at the corners, where products have zeros: the way out of an inactive edge has a slope.
    corner = corners(NB201, torch.zeros(1, 6, dtype=torch.long), torch.float64)
    assert torch.autograd.gradcheck(read, corner.requires_grad_())


def test_a_choice_on_no_listed_path_is_active() -> None:
    class Loose(Chain):
        @cached_property
        def paths(self) -> tuple[tuple[int, ...], ...]:
            return ((0,),)

        @cached_property
        def zero_options(self) -> NDArray[np.bool_]:
            return np.array([[True, False], [True, False]])

    read = active(Loose({"a": [0, 1], "b": [0, 1]}), np.array([[0, 0], [1, 1]]))
    assert read.argmax(-1).tolist() == [[2, 2], [1, 1]]


def test_the_gaussian_process_knows_equal_networks() -> None:
    """Cells that differ in an inactive edge alone are the same to the kernel."""
    known = NB201.to_indices(["|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"])
    known = np.repeat(known, 3, 0)
    known[1:, 0] = NB201_OPERATIONS.index("skip_connect"), NB201_OPERATIONS.index("none")
    others = NB201.random_indices(30, np.random.default_rng(1))
    gp = GaussianProcess(NB201, kernel=Mixture(NB201, ("choices", "active_counts")))
    p = corners(NB201, torch.from_numpy(np.concatenate([known, others])), torch.float64)
    kernel = gp._kernel
    features = kernel.features(p)
    ones = [torch.ones(1, view.size, dtype=torch.float64) for view in kernel.views]
    none = torch.zeros(1, 6, dtype=torch.float64)
    k = kernel.cross(
        none, torch.ones(1, 2, dtype=torch.float64), ones, features, kernel.known(features)
    )[0]
    assert torch.allclose(k[:3, :3], torch.full((3, 3), 2.0, dtype=torch.float64))
    assert (k[0, 3:] < 1.9).all()


@pytest.mark.parametrize(
    ("space", "prunes"),
    [
        (Cell(8, ["none", "a"]), True),
        (Cell(9, ["none", "a"]), False),
        (Cell(4, ["a", "b"]), False),
        (Graph(7, ["a"]), True),
        (Graph(10, ["a"]), False),
    ],
)
def test_where_paths_are_left_out_all_choices_are_active(space: Space, prunes: bool) -> None:
    """A choice on a path that is left out would count as inactive."""
    assert space.zero_options.any() == prunes


def test_a_pool_asks_its_space() -> None:
    pool = Pool(NB101, NB101.sample(5))
    assert (pool.zero_options == NB101.zero_options).all()
    assert pool.zero_options.any()
