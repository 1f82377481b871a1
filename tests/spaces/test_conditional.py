"""Conditional: what is active, exact counts, and the mistakes of a definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from optiproxy import encodings
from optiproxy.errors import InvalidValueError
from optiproxy.methods import METHODS
from optiproxy.spaces import Conditional

CHOICES = {
    "groups": [2, 4, 8],  # before what it hangs on: the order does not matter
    "op": ["conv", "pool", "skip"],
    "kernel": [3, 5],
    "norm": ["batch", "group"],
}
WHEN = {
    "kernel": {"op": ["conv", "pool"]},
    "norm": {"op": ["conv"]},
    "groups": {"norm": ["group"]},
}
SPACE = Conditional(CHOICES, WHEN)


def test_the_count_is_exact_and_so_is_the_list() -> None:
    """Convolution: 2 kernels, and batch or one of 3 groups; pooling: 2 kernels; skip: 1."""
    assert SPACE.count == 2 * (1 + 3) + 2 + 1 == len(SPACE.all_indices)
    grid = np.stack(np.meshgrid(*map(np.arange, SPACE.sizes), indexing="ij"), -1).reshape(-1, 4)
    assert (SPACE.all_indices == grid[SPACE.valid(grid)]).all()
    huge = Conditional(
        {f"{n}{i}": [1, 2, 3] for i in range(40) for n in "ab"},
        {f"b{i}": {f"a{i}": [3]} for i in range(40)},
    )
    assert huge.count == 5**40
    assert huge.valid(huge.random_indices(100, np.random.default_rng(0))).all()


@pytest.mark.slow
def test_few_architectures_are_listed_however_many_combinations_there_are() -> None:
    """Ten blocks, each with a choice of its own: 10 times 4 of 10 times 5^10 combinations."""
    blocks = [f"block{i}" for i in range(10)]
    space = Conditional(
        {"block": blocks, **{f"size of {block}": [1, 2, 4, 8] for block in blocks}},
        {f"size of {block}": {"block": [block]} for block in blocks},
    )
    assert space.count == len(list(space.enumerate())) == len(set(space.enumerate())) == 40
    assert space.valid(space.all_indices).all()
    for method in ("optiproxy", "random"):
        opt = METHODS.get(method)(space, "y=max", seed=0)
        while archs := opt.ask(5):
            opt.tell(archs, [float(len(arch.to_json())) for arch in archs])
        assert len(opt.queries) == 40


def test_sampling_is_uniform_over_architectures() -> None:
    """Chi-square, 1,000 draws for each; fixed seed, measured p = 0.58."""
    rows = SPACE.random_indices(1000 * SPACE.count, np.random.default_rng(0))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == SPACE.count
    assert stats.chisquare(counts).pvalue > 1e-6


def test_inactive_choices_may_be_left_out() -> None:
    arch = SPACE.architecture({"op": "pool", "kernel": 5})
    assert dict(arch) == {"groups": None, "op": "pool", "kernel": 5, "norm": None}
    assert SPACE.architecture(arch.to_json()) == arch
    assert SPACE.architecture('{"op": "pool", "kernel": 5, "norm": null}') == arch


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"op": "skip", "kernel": 3}, "'kernel': got 3; it is inactive where 'op' is 'skip'"),
        ({"op": "conv", "kernel": 3}, "choice 'norm' is missing"),
        ({"op": "pool", "kernel": None}, "'kernel': got None; it is active where 'op' is 'pool'"),
        ({"op": "pool", "kernel": 3, "groups": 2}, "'groups': got 2; it is inactive"),
        ({"op": "pol", "kernel": 3}, "did you mean 'pool'"),
        ({"kernel": 3}, "choice 'op' is missing"),
        ({}, "choice 'op' is missing"),
        ({"op": "skip", "depth": 3}, "choice: got 'depth'"),
    ],
    ids=str,
)
def test_a_wrong_architecture_is_reported(value: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        SPACE.architecture(value)


def test_a_parent_that_is_left_out_is_reported_also_where_none_is_an_option() -> None:
    space = Conditional(
        {"norm": [None, "batch"], "momentum": [0.1, 0.5]}, {"momentum": {"norm": ["batch"]}}
    )
    with pytest.raises(InvalidValueError, match="choice 'norm' is missing"):
        space.architecture({"momentum": 0.1})
    assert space.architecture({"norm": None})["momentum"] is None


def test_inactive_choices_have_no_feature() -> None:
    arch = SPACE.architecture({"op": "skip"})
    _, x = encodings.make("adjacency", SPACE).encode([arch])
    assert x[0].sum(1).tolist() == [1, 0, 1, 0, 0, 1]  # input, groups, op, kernel, norm, output


def test_neighbours_switch_on_and_off_what_hangs_on_a_choice() -> None:
    conv = SPACE.architecture({"op": "conv", "kernel": 3, "norm": "group", "groups": 8})
    found = [dict(n) for n in SPACE.neighbours(conv)]
    assert {"op": "skip", "kernel": None, "norm": None, "groups": None} in found
    assert {"op": "pool", "kernel": 3, "norm": None, "groups": None} in found
    assert {"op": "conv", "kernel": 3, "norm": "batch", "groups": None} in found
    assert len(found) == 2 + 1 + 1 + 2
    from_skip = SPACE.neighbours(SPACE.architecture({"op": "skip"}))
    assert {arch["op"] for arch in from_skip} == {"conv", "pool"}


def test_every_path_joins_a_choice_with_its_parent() -> None:
    pairs = {tuple(SPACE.names[c] for c in path) for path in SPACE.paths}
    assert {("op", "kernel"), ("op", "norm"), ("groups", "norm")} <= pairs


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(InvalidValueError) as raised:
        Conditional(
            {"a": [1, 2], "b": [], "c": [1], "d": [1, None], "e": [1], "f": [1], "g": [1]},
            {
                "a": {"c": [1]},
                "c": {"a": [1]},
                "z": {"a": [1]},
                "d": {"a": [7]},
                "e": {"a": []},
                "f": {"q": [1]},
                "g": [],
            },
        )
    for part in (
        "choice 'b': has no options",
        "when: a circle, a ← c ← a",
        "when: choice 'z' is not among",
        "choice 'd': None says that a choice is inactive",
        "when: 'd': 'a' has no option 7",
        "when: 'e' can't be reached",
        "when: 'f': its parent 'q' is no choice",
        "when: 'g': got []; give {parent: [options]}, or a list",
    ):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (None, "when: got None"),
        ({"kernel": ["conv"]}, r"'kernel': got \['conv'\]; give {parent"),
        ({"kernel": {"op": "conv"}}, "'kernel': got 'conv'; give a list of options of 'op'"),
        ({"kernel": {"kernel": [3]}}, "a circle, kernel ← kernel"),
        ({"norm": {"groups": [True]}}, "'groups' has no option True"),
    ],
    ids=str,
)
def test_a_bad_condition_is_reported(when: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Conditional(CHOICES, when)


# kernel where the block is in use and has one; fallback where neither block is a convolution.
SEVERAL = Conditional(
    {"depth": [1, 2, 3], "a": ["conv", "none"], "b": ["conv", "pool", "none"], "kernel": [3, 5, 7],
     "fallback": [True, False]},
    {
        "b": {"depth": [2, 3]},
        "kernel": [{"a": ["conv"]}, {"b": ["conv"], "depth": [3]}],
        "fallback": {"a": ["none"], "b": ["pool", "none"]},
    },
)  # fmt: skip


def _by_hand(space: Conditional, row: Any) -> bool:
    a = {name: space.choices[name][i] for name, i in zip(space.names, row, strict=True)}
    return (
        (a["b"] is not None) == (a["depth"] > 1)
        and (a["kernel"] is not None) == (a["a"] == "conv" or (a["b"], a["depth"]) == ("conv", 3))
        and (a["fallback"] is not None) == (a["a"] == "none" and a["b"] in ("pool", "none"))
    )


def test_a_choice_may_have_several_parents_that_all_or_any_must_hold() -> None:
    grid = np.stack(np.meshgrid(*map(np.arange, SEVERAL.sizes), indexing="ij"), -1).reshape(-1, 5)
    right = grid[[_by_hand(SEVERAL, row) for row in grid]]
    assert (SEVERAL.all_indices == right).all()
    assert SEVERAL.count == len(right)
    repaired = SEVERAL.repair(grid)
    assert SEVERAL.valid(repaired).all()
    assert (SEVERAL.repair(right) == right).all()


def test_sampling_with_several_parents_is_uniform() -> None:
    """Chi-square, 1,000 draws for each; fixed seed, measured p = 0.94."""
    rows = SEVERAL.random_indices(1000 * SEVERAL.count, np.random.default_rng(0))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == SEVERAL.count
    assert stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.slow
def test_a_large_space_with_several_parents_is_counted_exactly() -> None:
    """Of depth d there are 5^d blocks, of which a convolution has 2 kernels: (4 + 2)^d."""
    space = Conditional(
        {"depth": [*range(1, 31)]}
        | {f"{n}{i}": o for i in range(30) for n, o in (("op", [*"abcde"]), ("kernel", [3, 5]))},
        {f"op{i}": {"depth": [*range(i + 1, 31)]} for i in range(30)}
        | {f"kernel{i}": {"depth": [*range(i + 1, 31)], f"op{i}": ["a"]} for i in range(30)},
    )
    assert space.count == sum(6**d for d in range(1, 31))
    assert space.valid(space.random_indices(200, np.random.default_rng(0))).all()


def test_what_is_missing_of_several_parents_is_reported() -> None:
    arch = {"depth": 3, "a": "none", "b": "conv", "kernel": 5}
    assert SEVERAL.architecture(arch)["fallback"] is None
    with pytest.raises(InvalidValueError, match="it is inactive where 'a' is 'none' and 'b' is 'c"):
        SEVERAL.architecture({**arch, "fallback": True})
    with pytest.raises(InvalidValueError, match="option of choice 'kernel': got None"):
        SEVERAL.architecture({**arch, "kernel": None})


def test_a_circle_over_one_of_several_parents_is_reported() -> None:
    with pytest.raises(InvalidValueError, match="a circle, a ← b"):
        Conditional(
            {"r": [1], "a": [1], "b": [1]}, {"a": [{"r": [1]}, {"b": [1]}], "b": {"a": [1]}}
        )


def test_conditions_are_part_of_the_identity() -> None:
    one = Conditional({"a": [1, 2], "b": [1]}, {"b": {"a": [1]}})
    other = Conditional({"a": [1, 2], "b": [1]}, {"b": {"a": [2]}})
    assert one.fingerprint != other.fingerprint
    studies_are_stored_with_it = Conditional({"a": [1, 2], "b": [3]}, {"b": {"a": [1]}}).fingerprint
    assert studies_are_stored_with_it == "e9cb39386c3fbfbe"
