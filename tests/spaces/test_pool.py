"""Pool: what is listed, what is near, and what the list must be."""

from __future__ import annotations

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import NB201_OPERATIONS, Cell, Chain, Darts, Pool
from optiproxy.spaces.pool import NEIGHBOURS

CHAIN = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
LISTED = [(1, 16, 3), (1, 16, 5), (3, 32, 7)]
POOL = Pool(CHAIN, [dict(zip(CHAIN.names, options, strict=True)) for options in LISTED])


def test_only_what_is_listed_is_valid() -> None:
    assert POOL.count == 3
    assert [tuple(arch.values()) for arch in POOL.enumerate()] == LISTED
    valid = CHAIN.from_indices(CHAIN.all_indices[POOL.valid(CHAIN.all_indices)])
    assert [tuple(arch.values()) for arch in valid] == LISTED
    with pytest.raises(InvalidValueError, match="does not allow this combination"):
        POOL.architecture({"depth": 2, "width": 16, "kernel": 3})


def test_entries_are_read_in_any_form_and_count_once() -> None:
    cell = Cell(4, NB201_OPERATIONS)
    one, two = cell.sample(2)
    pool = Pool(cell, [one, cell.to_text(one), two.to_json(), dict(two)])
    assert pool.count == 2
    assert pool.architecture(cell.to_text(one)) == one
    assert pool.to_text(one) == cell.to_text(one)
    assert pool.picture(one) == cell.picture(one)


def test_sampling_draws_each_about_equally_often() -> None:
    rows = POOL.random_indices(3000, np.random.default_rng(0))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert (abs(counts - 1000) < 130).all()  # five standard deviations


def test_neighbours_are_the_nearest_first() -> None:
    space = Darts()
    pool = Pool(space, space.sample(100, seed=1))
    row = pool.all_indices[17]
    near = pool.neighbour_indices(row[None])
    distances = (near != row).sum(1)
    everything = np.sort((pool.all_indices != row).sum(1))[1:]
    assert len(near) == NEIGHBOURS
    np.testing.assert_array_equal(distances, everything[:NEIGHBOURS])


def test_what_is_not_listed_becomes_the_nearest_that_is() -> None:
    space = Darts()
    pool = Pool(space, space.sample(100, seed=1))
    others = space.random_indices(50, np.random.default_rng(2))
    rows = np.concatenate([pool.all_indices[[3, 70]], others])
    repaired = pool.repair(rows)
    assert (repaired[:2] == rows[:2]).all()
    gaps = (rows[:, None] != pool.all_indices[None]).sum(-1)
    np.testing.assert_array_equal((repaired != rows).sum(1), gaps.min(1))
    assert pool.valid(repaired).all()
    # Of equally near ones the first, as where everything is sorted.
    row = pool.all_indices[5]
    near = pool.neighbour_indices(row[None])
    order = np.argsort((pool.all_indices != row).sum(1), kind="stable")[1 : len(near) + 1]
    np.testing.assert_array_equal(near, pool.all_indices[order])


@pytest.mark.slow
def test_in_a_full_pool_neighbours_are_those_of_the_space() -> None:
    cell = Cell(4, NB201_OPERATIONS)
    pool = Pool(cell, cell.enumerate())
    row = cell.random_indices(1, np.random.default_rng(0))
    expected = {tuple(r) for r in cell.neighbour_indices(row).tolist()}
    assert {tuple(r) for r in pool.neighbour_indices(row).tolist()} == expected


def test_repair_takes_a_row_to_the_nearest_listed() -> None:
    space = Darts()
    pool = Pool(space, space.sample(50, seed=1))
    raw = space.random_indices(30, np.random.default_rng(2))
    distances = (raw[:, None] != pool.all_indices[None]).sum(-1)
    found = (raw != pool.repair(raw)).sum(1)
    np.testing.assert_array_equal(found, distances.min(1))
    np.testing.assert_array_equal(pool.repair(pool.all_indices), pool.all_indices)


@pytest.mark.slow
def test_equal_networks_have_one_listed_canonical_row() -> None:
    cell = Cell(4, NB201_OPERATIONS)
    pool = Pool(cell, cell.enumerate())
    assert len(np.unique(pool.canonical(pool.all_indices), axis=0)) == 4930


@pytest.mark.slow
def test_a_search_finds_the_best_of_a_sparse_pool_without_a_repeat() -> None:
    """Of 60 architectures out of 10^18 every one is found in 60 queries."""
    space = Darts()
    pool = Pool(space, space.sample(60, seed=1))
    opt = OptiProxy(pool, {"score": "max"}, seed=0)
    seen = []
    while len(seen) < 60:
        archs = opt.ask(12)
        opt.tell(archs, [float(sum(pool.to_indices([a])[0])) for a in archs])
        seen += archs
    assert set(seen) == set(pool.enumerate())


def test_all_that_is_wrong_with_the_list_is_reported_together() -> None:
    bad = [{"depth": 1}, {"depth": 1, "width": 16, "kernel": 3}, "{", {"dept": 1}]
    with pytest.raises(InvalidValueError) as raised:
        Pool(CHAIN, bad)
    message = str(raised.value)
    assert "entry 0: architecture: got {'depth': 1}; choice 'width' is missing" in message
    assert "entry 2:" in message
    assert "entry 3:" in message
    assert "entry 1:" not in message
    with pytest.raises(InvalidValueError, match=r"; and 15 more$"):
        Pool(CHAIN, [{}] * 20)


@pytest.mark.parametrize(
    ("space", "listed", "message"),
    [
        (CHAIN, [], "list at least one"),
        (CHAIN, "abc", "give a list of architectures"),
        (CHAIN, {"depth": 1}, "give a list of architectures"),
        (CHAIN, None, "give a list of architectures"),
        ({"depth": [1]}, [], "Pool: space: got"),
    ],
    ids=str,
)
def test_a_bad_pool_is_reported(space: object, listed: object, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Pool(space, listed)  # type: ignore[arg-type]


def test_the_list_is_part_of_the_identity() -> None:
    archs = CHAIN.sample(8, seed=0)
    assert Pool(CHAIN, archs).fingerprint == Pool(CHAIN, archs[::-1]).fingerprint
    assert Pool(CHAIN, archs).fingerprint != Pool(CHAIN, archs[:3]).fingerprint
    assert Pool(CHAIN, list(CHAIN.enumerate())).fingerprint != CHAIN.fingerprint


def test_it_has_networks_where_its_space_has_some() -> None:
    cell = Cell(4, NB201_OPERATIONS)
    assert Pool(cell, cell.sample(2)).can_build
    assert not POOL.can_build
