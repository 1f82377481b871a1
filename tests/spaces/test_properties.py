"""What holds in every cell and chain, whatever its choices: checked on generated ones."""

from __future__ import annotations

import inspect
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optiproxy.spaces import Cell, Chain, Space
from optiproxy.testing import SpaceCases

# Derived from the test and not drawn: a failure of one run is found again by the next.
repeatable = settings(derandomize=True, deadline=None, max_examples=20)

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
SPACES = st.one_of(
    st.builds(Cell, nodes=st.integers(2, 4), operations=OPERATIONS),
    st.builds(
        Chain, st.dictionaries(st.text(min_size=1, max_size=8), OPTIONS, min_size=1, max_size=5)
    ),
)
CASES = [
    name
    for name, case in inspect.getmembers(SpaceCases, inspect.isfunction)
    if name.startswith("test_") and list(inspect.signature(case).parameters) == ["self", "space"]
]


@pytest.mark.parametrize("case", CASES)
@repeatable
@given(space=SPACES)
def test_a_generated_space_passes_the_shipped_cases(case: str, space: Space) -> None:
    getattr(SpaceCases(), case)(space)


@repeatable
@given(SPACES)
def test_neighbours_differ_in_one_choice_and_are_complete(space: Space) -> None:
    assert space.count == math.prod(len(options) for options in space.choices.values())
    for arch in space.sample(3):
        near = space.neighbours(arch)
        assert len(near) == sum(len(o) - 1 for o in space.choices.values())
        for other in near:
            assert sum(arch[name] != other[name] for name in space.choices) == 1
            assert arch in space.neighbours(other)


@repeatable
@given(SPACES)
def test_an_architecture_reads_as_a_mapping_and_cannot_be_changed(space: Space) -> None:
    arch = space.sample(1)[0]
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
def test_every_vertex_has_one_feature_and_every_option_its_own(space: Space) -> None:
    graph, choices = space.graph, np.arange(len(space))
    n = len(graph.adjacency)
    assert graph.adjacency_terms is None
    # Every vertex lies on a path from input to output: the proxy sees every choice.
    reach = np.linalg.matrix_power(np.eye(n, dtype=np.int64) + graph.adjacency.astype(np.int64), n)
    assert (reach[0] > 0).all()
    assert (reach[:, -1] > 0).all()
    rows = space.random_indices(16, np.random.default_rng(0))
    encoded = graph.features + graph.feature_terms[choices, rows].sum(axis=1)  # (B, N, F)
    assert np.isin(encoded, (0, 1)).all()
    np.testing.assert_array_equal(encoded.sum(axis=2), 1)
    for (a, row), (b, other) in itertools.combinations(enumerate(rows), 2):
        assert (encoded[a] == encoded[b]).all() == (row == other).all()


@repeatable
@given(SPACES, SPACES)
def test_a_fingerprint_distinguishes_spaces(one: Space, other: Space) -> None:
    same = type(one) is type(other) and list(one.choices.items()) == list(other.choices.items())
    types = [type(o) for options in one.choices.values() for o in options]
    same &= types == [type(o) for options in other.choices.values() for o in options]
    assert (one.fingerprint == other.fingerprint) == same


@repeatable
@given(SPACES)
def test_a_picture_and_a_repr_name_every_option(space: Space) -> None:
    arch = space.sample(1)[0]
    assert all(str(option) in space.picture(arch) for option in arch.values())
    assert all(repr(option) in repr(arch) for option in arch.values())
