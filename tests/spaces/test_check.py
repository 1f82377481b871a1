"""`check` finds every mistake in a broken space; that it finds none in ours is a shipped case."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Architecture, Chain, GraphTemplate, Space, check
from optiproxy.spaces.architecture import Indices

CHOICES = {"depth": [1, 2, 3], "width": [16, 32]}


def _problems(space: Space) -> str:
    with pytest.raises(InvalidValueError) as raised:
        check(space)
    return str(raised.value)


def _with_graph(**changes: Any) -> Space:
    class Broken(Chain):
        @cached_property
        def graph(self) -> GraphTemplate:
            return dataclasses.replace(Chain(CHOICES).graph, **changes)

    return Broken(CHOICES)


GRAPH = Chain(CHOICES).graph


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adjacency": np.zeros((3, 3))}, r"adjacency has shape \(3, 3\); it must be \(4, 4\)"),
        ({"feature_terms": np.zeros((2, 2, 4, 7))}, r"must be \(2, 3, 4, 7\)"),
        ({"adjacency_terms": np.zeros((1, 3, 4, 4))}, r"adjacency_terms has shape"),
        ({"adjacency": np.eye(4, k=1) + np.eye(4, k=-2)}, "edge 2 → 0 leads backwards"),
        ({"adjacency": np.eye(4)}, "edge 0 → 0 leads backwards"),
        ({"adjacency": np.eye(4, k=2)}, "the last vertex, 3, can't be reached"),
        ({"features": np.full((4, 7), np.nan)}, "features has entries that are not finite"),
        ({"feature_terms": np.ones((2, 3, 4, 7))}, "for options that do not exist"),
    ],
)
def test_a_broken_graph_is_reported(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"Broken: graph: .*{message}"):
        check(_with_graph(**changes))


def test_optional_edges_can_reach_the_output() -> None:
    terms = np.zeros((2, 3, 4, 4))
    terms[0, 1, 0, 3] = 1
    check(_with_graph(adjacency=np.zeros((4, 4)), adjacency_terms=terms))


def test_all_that_is_wrong_is_reported_together() -> None:
    class Wrong(Chain):
        @cached_property
        def paths(self) -> tuple[tuple[int, ...], ...]:
            return ((0, 1), (2,))

        @cached_property
        def zero_options(self) -> Any:
            return [True, False]

        @cached_property
        def levels(self) -> Any:
            return np.zeros(3)

        def valid(self, indices: Indices) -> Any:
            return [True] * 2

        def canonical(self, indices: Indices) -> Indices:
            indices[:] = 0
            return indices

        def repair(self, indices: Indices) -> Indices:
            raise RuntimeError("oh")

        def to_text(self, arch: Architecture) -> str:
            return '{"depth": 1,\n "width": 16}'

        def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
            return np.full((n, 2), 2)

        def neighbour_indices(self, rows: Indices) -> Indices:
            return rows[:, :1]

    found = _problems(Wrong(CHOICES))
    for part in (
        "paths: (2,) must be different choice numbers from 0 to 1",
        "zero_options: it must be booleans, (2, 3); it has shape (2,)",
        "levels: it must be floats, (2, 3); it has shape (3,)",
        "valid: it must give one boolean for each row, (64,); it gave bool (2,)",
        "random_indices: it gave rows with numbers of options that do not exist",
        "neighbour_indices: it gave shape (4, 1); it must be (B, 2)",
        "repair: it raises RuntimeError: oh",
        "canonical: it changes its argument",
        "to_text: ",
    ):
        assert part in found


def test_a_space_whose_moves_leave_it_is_reported() -> None:
    class Leaves(Chain):
        def valid(self, indices: Indices) -> Any:
            return indices.sum(1) != 1

        def neighbour_indices(self, rows: Indices) -> Indices:
            return np.array([[0, 1]])

        def repair(self, indices: Indices) -> Indices:
            return indices

        def canonical(self, indices: Indices) -> Indices:
            return np.ones_like(indices) * [0, 1]

        def to_text(self, arch: Architecture) -> str:
            return '{"depth": 1, "width": 16}'

    found = _problems(Leaves(CHOICES))
    for part in ("neighbour_indices", "repair", "canonical"):
        assert f"{part}: it gave rows that are not valid" in found
    assert "is not read back" in found


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([[0.0, np.nan], [0.0, 1.0]], "either all options of a choice have a level or all are NaN"),
        ([[0.0, 2.0], [0.0, 1.0]], "a level must be from 0 to 1"),
    ],
)
def test_half_an_order_is_reported(levels: Any, message: str) -> None:
    class Ordered(Chain):
        @cached_property
        def levels(self) -> Any:
            return np.array(levels)

    assert f"levels: {message}" in _problems(
        Ordered({"norm": ["batch", "group"], "size": ["S", "L"]})
    )
