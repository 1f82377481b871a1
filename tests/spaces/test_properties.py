"""What holds in every space, whatever its choices: checked on generated cells and chains."""

from __future__ import annotations

import itertools
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optiproxy.spaces import Architecture, Cell, Chain, Space

# Derived from the test and not drawn: a failure of one run is found again by the next.
repeatable = settings(derandomize=True, deadline=None, max_examples=60)

OPERATIONS = st.lists(
    st.text(alphabet="abcxyz_0139", min_size=1, max_size=12), min_size=1, max_size=5, unique=True
)
OPTIONS = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.integers(-(2**60), 2**60),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.none(),
    ),
    min_size=1,
    max_size=5,
    unique=True,  # as Python compares: never 1 beside True
)
CELLS = st.builds(Cell, nodes=st.integers(2, 5), operations=OPERATIONS)
CHAINS = st.builds(
    Chain, st.dictionaries(st.text(min_size=1, max_size=8), OPTIONS, min_size=1, max_size=6)
)
SPACES = st.one_of(CELLS, CHAINS)
# Up to 4,096 architectures: small enough to be listed in every example.
SMALL = st.one_of(
    st.builds(Cell, nodes=st.integers(2, 4), operations=OPERATIONS.filter(lambda o: len(o) <= 4)),
    CHAINS.filter(lambda space: space.count <= 4096),
)


def _sample(space: Space, n: int = 8) -> list[Architecture]:
    return space.sample(n, seed=3)


@repeatable
@given(SPACES)
def test_indices_and_architectures_are_inverse(space: Space) -> None:
    rows = space.random_indices(16, np.random.default_rng(0))
    assert rows.shape == (16, len(space))
    assert (rows >= 0).all()
    assert (rows < space.sizes).all()
    np.testing.assert_array_equal(space.to_indices(space.from_indices(rows)), rows)


@repeatable
@given(SPACES)
def test_json_and_text_round_trip_exactly(space: Space) -> None:
    for arch in _sample(space):
        for again in (
            space.architecture(arch.to_json()),
            space.architecture(json.loads(arch.to_json())),
            space.architecture(space.to_text(arch)),
            space.architecture(dict(arch)),
            space.architecture(arch),
        ):
            assert again == arch
            assert hash(again) == hash(arch)
            # Equality alone would take True for 1, and 1 for 1.0.
            assert [type(o) for o in again.values()] == [type(o) for o in arch.values()]
            assert list(again) == list(space.choices)


@repeatable
@given(SPACES)
def test_a_sample_is_valid_and_fixed_by_its_seed(space: Space) -> None:
    archs = _sample(space)
    assert len(archs) == 8
    assert archs == _sample(space)
    assert space.valid(space.to_indices(archs)).all()
    for arch in archs:
        assert all(arch[name] in options for name, options in space.choices.items())


@repeatable
@given(SMALL)
def test_enumeration_lists_every_architecture_once(space: Space) -> None:
    archs = list(space.enumerate())
    assert len(archs) == len(set(archs)) == space.count
    assert space.count == math.prod(len(options) for options in space.choices.values())
    np.testing.assert_array_equal(space.to_indices(archs), space.all_indices)
    assert set(_sample(space, 32)) <= set(archs)


@repeatable
@given(SPACES)
def test_neighbours_differ_in_one_choice_and_are_complete(space: Space) -> None:
    for arch in _sample(space, 3):
        near = space.neighbours(arch)
        assert len(near) == len(set(near)) == sum(len(o) - 1 for o in space.choices.values())
        for other in near:
            assert sum(arch[name] != other[name] for name in space.choices) == 1
            assert arch in space.neighbours(other)


@repeatable
@given(SPACES)
def test_neighbours_of_a_batch_are_those_of_its_rows(space: Space) -> None:
    rows = space.random_indices(4, np.random.default_rng(1))
    one_by_one = [space.neighbour_indices(row[None]) for row in rows]
    np.testing.assert_array_equal(space.neighbour_indices(rows), np.concatenate(one_by_one))


@repeatable
@given(SPACES)
def test_pickle_keeps_space_and_architectures_and_no_cache(space: Space) -> None:
    fresh = pickle.dumps(space)
    described = _describe(space)  # fills the caches, which need not travel to a worker
    assert pickle.dumps(space) == fresh
    again = pickle.loads(fresh)
    assert _describe(again) == described
    arch = _sample(space, 1)[0]
    assert pickle.loads(pickle.dumps(arch)) == arch
    assert again.neighbours(arch) == space.neighbours(arch)


def _describe(space: Space) -> tuple[object, ...]:
    shape = space.graph.shape
    return dict(space.choices), shape, space.paths, space.count, space.fingerprint, space.mask.shape


@repeatable
@given(SPACES)
def test_an_architecture_reads_as_a_mapping_and_cannot_be_changed(space: Space) -> None:
    arch = _sample(space, 1)[0]
    assert dict(arch) == {name: arch[name] for name in space.choices}
    assert len(arch) == len(space)
    assert arch == dict(arch)
    with pytest.raises(TypeError):
        arch[space.names[0]] = None  # type: ignore[index]
    with pytest.raises(KeyError):
        arch["no such choice" * 2]
    with pytest.raises(TypeError):
        space.choices["new"] = (1,)  # type: ignore[index]


@repeatable
@given(SPACES)
def test_graph_template_has_the_documented_shape(space: Space) -> None:
    graph = space.graph
    (n, f), o_max = graph.shape, int(space.sizes.max())
    assert graph.adjacency.shape == (n, n)
    assert graph.features.shape == (n, f)
    assert graph.feature_terms.shape == (len(space), o_max, n, f)
    assert graph.adjacency_terms is None
    assert np.isin(graph.adjacency, (0, 1)).all()
    np.testing.assert_array_equal(graph.adjacency, np.triu(graph.adjacency, 1))
    # Every vertex lies on a way from input to output: nothing of a choice is lost to the proxy.
    reach = np.linalg.matrix_power(np.eye(n, dtype=np.int64) + graph.adjacency.astype(np.int64), n)
    assert (reach[0] > 0).all()
    assert (reach[:, -1] > 0).all()
    assert space.mask.sum() == space.sizes.sum()
    # An option that does not exist has no term.
    assert not graph.feature_terms[~space.mask].any()


@repeatable
@given(SPACES)
def test_every_vertex_has_exactly_one_feature_and_every_option_its_own(space: Space) -> None:
    graph, choices = space.graph, np.arange(len(space))
    rows = space.random_indices(16, np.random.default_rng(0))
    encoded = graph.features + graph.feature_terms[choices, rows].sum(axis=1)  # (B, N, F)
    assert np.isin(encoded, (0, 1)).all()
    np.testing.assert_array_equal(encoded.sum(axis=2), 1)
    for (a, row), (b, other) in itertools.combinations(enumerate(rows), 2):
        assert (encoded[a] == encoded[b]).all() == (row == other).all()


@repeatable
@given(SPACES)
def test_paths_name_choices_and_leave_none_out(space: Space) -> None:
    assert len(set(space.paths)) == len(space.paths)
    assert {c for path in space.paths for c in path} == set(range(len(space)))


@repeatable
@given(SPACES, SPACES)
def test_fingerprint_tells_spaces_apart(one: Space, other: Space) -> None:
    same = type(one) is type(other) and list(one.choices.items()) == list(other.choices.items())
    types = [type(o) for options in one.choices.values() for o in options]
    same &= types == [type(o) for options in other.choices.values() for o in options]
    assert (one.fingerprint == other.fingerprint) == same


@repeatable
@given(SPACES)
def test_picture_and_repr_name_what_they_show(space: Space) -> None:
    arch = _sample(space, 1)[0]
    picture = space.picture(arch)
    assert all(str(option) in picture for option in arch.values())
    assert f"{space.count:,}" in repr(space)
    assert all(repr(option) in repr(arch) for option in arch.values())
