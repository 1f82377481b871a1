"""What networks of different spaces are compared by."""

from __future__ import annotations

from optiproxy.spaces import Cell, Chain
from optiproxy.spaces.description import description


def test_operations_are_counted_by_the_words_of_their_names() -> None:
    first = Cell(nodes=3, operations=["none", "skip_connect", "nor_conv_3x3", "max_pool_3x3"])
    second = Cell(nodes=3, operations=["none", "identity", "conv3x3-bn", "maxpool3x3"])
    options = {"0>1": 2, "0>2": 1, "1>2": 3}
    one, other = (
        description(space, space.architecture({n: space.choices[n][o] for n, o in options.items()}))
        for space in (first, second)
    )
    for name in ("conv", "pool", "max", "3x3", "skip", "longest path", "shortest path", "width"):
        assert one[name] == other[name], name
    assert one["3x3"] == one["longest path"] == 2
    assert one["skip"] == one["shortest path"] == 1


def test_what_is_inactive_does_not_count() -> None:
    space = Cell(nodes=3, operations=["none", "conv"])
    alone, beside = (
        description(space, space.architecture({"0>1": first, "0>2": "conv", "1>2": "none"}))
        for first in ("none", "conv")
    )
    assert alone == beside
    closed = space.architecture(dict.fromkeys(space.names, "none"))
    assert description(space, closed)["longest path"] == 0


def test_numbers_are_averaged_over_like_choices() -> None:
    space = Chain({"block0_width": [16, 32], "block1_width": [16, 32], "act": ["relu", "gelu"]})
    arch = space.architecture({"block0_width": 16, "block1_width": 32, "act": "gelu"})
    assert description(space, arch)["mean of block_width"] == 24
    assert description(space, arch)["gelu"] == 1
