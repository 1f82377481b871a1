"""Chains: independent choices of any length and type."""

from __future__ import annotations

import numpy as np

from optiproxy.spaces import Chain

MIXED = Chain({"depth": [1, 2, 3], "norm": [None, "batch"], "bias": [True, False], "rate": [0.5]})


def test_graph_is_a_path_through_the_choices() -> None:
    graph = MIXED.graph
    assert graph.shape == (4 + 2, 3 + 2 + 2 + 1 + 2)
    np.testing.assert_array_equal(graph.adjacency, np.eye(6, k=1))


def test_options_of_different_choices_have_features_of_their_own() -> None:
    """`True` of one choice and `1` of another must not look alike to a proxy."""
    terms = MIXED.graph.feature_terms[MIXED.mask]  # (8, N, F)
    vertex, feature = np.nonzero(terms.sum(axis=0))
    assert sorted(feature) == list(range(1, 9))
    assert vertex.tolist() == [1, 1, 1, 2, 2, 3, 3, 4]


def test_paths_are_windows_of_one_and_two_choices() -> None:
    assert MIXED.paths == ((0,), (1,), (2,), (3,), (0, 1), (1, 2), (2, 3))


def test_a_single_choice_with_a_single_option_is_a_space() -> None:
    space = Chain({"only": ["this"]})
    arch = space.sample(1)[0]
    assert space.count == 1
    assert list(space.enumerate()) == [arch]
    assert space.neighbours(arch) == []
    assert space.graph.shape == (3, 3)


def test_picture_has_a_line_for_every_choice() -> None:
    arch = MIXED.architecture({"depth": 2, "norm": None, "bias": True, "rate": 0.5})
    assert MIXED.picture(arch).splitlines() == [
        "depth  2",
        "norm   None",
        "bias   True",
        "rate   0.5",
    ]


def test_options_may_be_any_sequence() -> None:
    assert Chain({"depth": range(1, 4)}).choices["depth"] == (1, 2, 3)


def test_the_published_spaces_of_blocks_and_stages_have_their_sizes() -> None:
    """FBNet's 22 layers of 9 blocks; MnasNet's 7 blocks as Accel-NASBench varies them."""
    assert Chain({f"layer{i}": [f"block{b}" for b in range(9)] for i in range(22)}).count == 9**22
    block = {"e": [1, 4, 6], "k": [3, 5], "l": [1, 2, 3], "se": [False, True]}
    choices = {f"block{b}_{name}": o for b in range(7) for name, o in block.items()}
    assert Chain(choices).count == 36**7


def test_text_is_for_reading_in_every_script():
    space = Chain({"größe": ["klein", "groß"]})
    arch = space.architecture({"größe": "groß"})
    assert space.to_text(arch) == '{"größe": "groß"}'
    assert space.architecture(space.to_text(arch)) == arch
