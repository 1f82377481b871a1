"""What every space can: sampling, restricted and huge spaces, and messages for bad input."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from optiproxy import OptiProxy
from optiproxy.errors import InvalidValueError, OptiProxyError
from optiproxy.spaces import Architecture, Cell, Chain, Space, check
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.combinations import ENUMERABLE

CHAIN = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7], "norm": [None, "batch"]})


class Restricted(Chain):
    """A stride of 2 needs a kernel of at least 3: 10 of 12 architectures."""

    def __init__(self) -> None:
        super().__init__({"kernel": [1, 3, 5], "stride": [1, 2], "width": [16, 32]})

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        return ~((indices[:, 0] == 0) & (indices[:, 1] == 1))


class Nothing(Chain):
    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        return np.zeros(len(indices), dtype=bool)


# ---- sampling ----


@pytest.mark.parametrize("space", [CHAIN, Cell(3, ["a", "b", "c"]), Restricted()], ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_sampling_is_uniform(space: Space, seed: int) -> None:
    """Chi-square over all architectures, 1,000 draws each.

    A uniform sampler fails with a probability of 1e-6 a case; these seeds are fixed, and measured
    p-values lie between 0.22 and 0.88.
    """
    rows = space.random_indices(1000 * space.count, np.random.default_rng(seed))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == space.count
    assert stats.chisquare(counts).pvalue > 1e-6


def test_two_seeds_sample_differently() -> None:
    space = Cell(4, ["a", "b", "c", "d", "e"])
    assert space.sample(20, seed=0) != space.sample(20, seed=1)


def test_sampling_where_nothing_is_valid_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"too few architectures are valid"):
        Nothing({"a": [1, 2]}).sample(1)


@pytest.mark.slow
def test_five_of_a_million_are_sampled() -> None:
    class Equal(Chain):
        """The same option at every choice, of the first five."""

        def valid(self, indices: Indices) -> NDArray[np.bool_]:
            return np.asarray((indices == indices[:, :1]).all(1) & (indices[:, 0] < 5))

    space = Equal({f"c{i}": range(10) for i in range(6)})
    assert len(np.unique(space.random_indices(60, np.random.default_rng(0)), axis=0)) == 5
    check(space)


# ---- restricted spaces ----


def test_a_restricted_space_counts_and_lists_the_valid_ones_alone() -> None:
    space = Restricted()
    assert space.count == len(list(space.enumerate())) == 10
    assert space.valid(space.all_indices).all()


def test_neighbours_in_a_restricted_space_are_valid() -> None:
    space = Restricted()
    arch = space.architecture({"kernel": 1, "stride": 1, "width": 16})
    assert [dict(n) for n in space.neighbours(arch)] == [
        {"kernel": 3, "stride": 1, "width": 16},
        {"kernel": 5, "stride": 1, "width": 16},
        {"kernel": 1, "stride": 1, "width": 32},
    ]


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: (rows[:, 0] > 0).astype(int),
        lambda rows: rows[:, :1] > 0,
        lambda rows: [0] * len(rows),
    ],
    ids=["numbers", "column", "list of numbers"],
)
def test_what_is_no_boolean_for_each_row_is_reported(answer: Any) -> None:
    class Wrong(Chain):
        def valid(self, indices: Indices) -> Any:
            return answer(indices)

    with pytest.raises(InvalidValueError, match=r"space: valid: .*one boolean for each row"):
        OptiProxy(Wrong({"a": [1, 2, 3], "b": [1, 2]}), "y=max").ask(4)


def test_an_invalid_combination_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"architecture: .*does not allow this combination"):
        Restricted().architecture({"kernel": 1, "stride": 2, "width": 16})


# ---- definitions ----


def test_a_space_without_a_graph_is_refused_when_it_is_made() -> None:
    class NoGraph(Space):
        pass

    with pytest.raises(InvalidValueError, match=r"NoGraph: graph: .*GraphTemplate, or derive from"):
        NoGraph({"depth": [1, 2]})


def test_a_subclass_may_use_the_former_names() -> None:
    class Former(Chain):
        @cached_property
        def cuts(self) -> NDArray[np.bool_]:
            return np.array([[True, False], [False, False]])

        def complete(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"b": "y", **mapping}

    space = Former({"a": ["none", "conv"], "b": ["x", "y"]})
    assert space.zero_options.tolist() == [[True, False], [False, False]]
    assert dict(space.architecture({"a": "conv"})) == {"a": "conv", "b": "y"}
    check(space)


# ---- huge spaces ----


def test_a_huge_space_is_counted_sampled_and_walked_but_not_listed() -> None:
    space = Chain({f"c{i}": list(range(7)) for i in range(40)})
    assert space.count == 7**40 > ENUMERABLE
    assert len(set(space.sample(100))) == 100
    first = list(itertools.islice(space.enumerate(), 8))
    assert [a["c39"] for a in first] == [0, 1, 2, 3, 4, 5, 6, 0]
    assert first[7]["c38"] == 1
    with pytest.raises(InvalidValueError, match=r"space: .* sample it instead"):
        _ = space.all_indices


# ---- architectures ----


def test_an_architecture_hashes_the_same_in_its_set_after_a_journey() -> None:
    """Text hashes differ from process to process, so a carried hash would lose the architecture."""
    arch = CHAIN.sample(1)[0]
    code = (
        "import pickle, sys\n"
        "from optiproxy.spaces import Architecture\n"
        "arch = pickle.loads(sys.stdin.buffer.read())\n"
        "print(arch in {Architecture(tuple(arch), tuple(arch.values()))})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(arch),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert done.stdout.strip() == b"True"


def test_an_architecture_prints_as_its_space_writes_it() -> None:
    space = Cell(3, ["none", "conv"])
    arch = space.architecture({"0>1": "conv", "0>2": "none", "1>2": "conv"})
    assert str(arch) == f"{arch}" == "|conv~0|+|none~0|conv~1|"
    assert repr(arch) == "Architecture(0>1='conv', 0>2='none', 1>2='conv')"
    assert str(Architecture(("width",), (16,))) == '{"width": 16}'  # of no space


def test_a_sent_architecture_keeps_its_text_and_leaves_its_space_behind() -> None:
    space = Cell(4, ["a", "b", "c", "d", "e"])
    arch = space.sample(1)[0]
    sent = pickle.dumps(arch)
    _ = space.all_indices, space.graph
    assert pickle.dumps(arch) == sent
    assert b"Cell" not in sent
    assert str(pickle.loads(sent)) == str(arch) == space.to_text(arch)


def test_equal_architectures_have_equal_hashes() -> None:
    """Two spaces may name the same choices in another order."""
    one = Architecture(("depth", "width"), (1, 16))
    other = Architecture(("width", "depth"), (16, 1))
    assert one != other or hash(one) == hash(other)


def test_an_architecture_of_another_space_is_checked() -> None:
    other = Chain({"depth": [9], "width": [16], "kernel": [3], "norm": [None]})
    with pytest.raises(InvalidValueError, match=r"option of choice 'depth': got 9"):
        CHAIN.architecture(other.sample(1)[0])


def test_one_is_not_true() -> None:
    space = Chain({"bias": [True, False], "groups": [1, 2]})
    with pytest.raises(InvalidValueError, match=r"option of choice 'bias': got 1"):
        space.architecture({"bias": 1, "groups": 1})
    with pytest.raises(InvalidValueError, match=r"option of choice 'groups': got True"):
        space.architecture({"bias": True, "groups": True})


def test_numpy_scalars_are_read_and_become_the_spaces_own_options() -> None:
    arch = CHAIN.architecture(
        {"depth": np.int64(2), "width": np.float32(32), "kernel": 3.0, "norm": np.str_("batch")}
    )
    assert arch.to_json() == '{"depth": 2, "width": 32, "kernel": 3, "norm": "batch"}'


# ---- messages ----


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"depth": 1}, r"architecture: got .*; choice 'width' is missing"),
        ({"dept": 1}, r"architecture: choice: got 'dept'; did you mean 'depth'\? All: depth, wid"),
        ({"zzz": 1}, r"architecture: choice: got 'zzz'; give one of depth, width, kernel, norm"),
        (
            {"depth": 1, "width": 61, "kernel": 3, "norm": None},
            r"architecture: option of choice 'width': got 61; did you mean '16'\? All: 16, 32",
        ),
        (
            {"depth": 1, "width": "16", "kernel": 3, "norm": None},
            r"option of choice 'width': got '16'; the type differs: give one of 16, 32",
        ),
        (
            {"depth": 1, "width": 16, "kernel": 3, "norm": "bacth"},
            r"option of choice 'norm': got 'bacth'; did you mean 'batch'\?",
        ),
        (
            {"depth": 1, "width": 16, "kernel": [3], "norm": None},
            r"option of choice 'kernel': got \[3\]; did you mean '3'\? All: 3, 5, 7",
        ),
        (
            {"depth": np.array([1, 2]), "width": 16, "kernel": 3, "norm": None},
            r"option of choice 'depth': got \[1, 2\]",
        ),
        ("{", r"architecture: got '\{'; it can't be read"),
        ("[1, 2]", r"architecture: got .*; give a mapping"),
        ("", r"architecture: got ''; it can't be read"),
        (7, r"architecture: got 7; give a mapping, choice → option, or its text"),
        (None, r"architecture: got None; give a mapping"),
    ],
    ids=str,
)
def test_a_bad_architecture_is_reported_by_field_value_and_remedy(value: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        CHAIN.architecture(value)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({}, r"search space: got \{\}; give a mapping with at least one choice"),
        (None, r"search space: got None; give a mapping with at least one choice"),
        (["depth"], r"search space: got \['depth'\]; give a mapping with at least one choice"),
        ({"": [1]}, r"choice '': a name must be a non-empty text"),
        ({3: [1]}, r"choice 3: a name must be a non-empty text"),
        ({"depth": []}, r"choice 'depth': has no options"),
        ({"depth": 3}, r"choice 'depth': got 3; give a list of options"),
        ({"act": "relu"}, r"choice 'act': got 'relu'; give a list of options"),
        ({"depth": [1, 2, 1]}, r"choice 'depth': an option is listed twice in \[1, 2, 1\]"),
        ({"depth": [1, True]}, r"choice 'depth': an option is listed twice"),
        ({"depth": [[1], [2]]}, r"choice 'depth': got the option \[1\]; .* text, finite numbers"),
        ({"k": [1, (3, 5)]}, r"got the option \(3, 5\); .* write a pair as text, '3x5', and split"),
        ({"depth": [np.int64(1)]}, r"booleans or None: convert numpy values by \.tolist"),
        ({"rate": [0.1, float("nan")]}, r"choice 'rate': got the option nan; .* finite numbers"),
        ({"rate": [float("inf")]}, r"choice 'rate': got the option inf; .* finite numbers"),
        ({"op": [object]}, r"write text and build what it stands for"),
    ],
    ids=str,
)
def test_a_bad_space_is_reported_by_field_value_and_remedy(choices: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Chain(choices)


def test_all_mistakes_of_a_space_are_reported_together() -> None:
    with pytest.raises(InvalidValueError) as raised:
        Chain({"depth": [], "width": [16, 16], "act": "relu"})
    assert all(name in str(raised.value) for name in ("'depth'", "'width'", "'act'"))


def test_a_space_without_networks_says_how_to_give_them() -> None:
    with pytest.raises(OptiProxyError, match=r"Chain defines no network; .*build="):
        CHAIN.build(CHAIN.sample(1)[0])


def test_what_is_no_architecture_is_reported_by_neighbours_too() -> None:
    with pytest.raises(InvalidValueError, match="choice 'width' is missing"):
        CHAIN.neighbours({"depth": 1})  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="give a mapping"):
        CHAIN.to_indices([3])  # type: ignore[list-item]


@pytest.mark.parametrize("form", [list, np.array])
@pytest.mark.parametrize("rows", [[[0, 2]], [[-1, 0]], [[0]], [0, 0], [[0.5, 1.0]]])
def test_what_are_no_rows_of_option_numbers_is_reported(rows: Any, form: Any) -> None:
    space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    good = [[2, 1], [0, 0]]
    assert space.to_indices(space.from_indices(form(good))).tolist() == good
    with pytest.raises(InvalidValueError, match=r"indices: .* 2 option numbers .*\[2, 1\]"):
        space.from_indices(form(rows))


@pytest.mark.parametrize(
    ("n", "seed", "field"), [("2", 0, "n"), (-1, 0, "n"), (2, "a", "seed"), (2, -1, "seed")]
)
def test_a_sample_of_no_number_is_reported(n: Any, seed: Any, field: str) -> None:
    space = Chain({"width": [16, 32]})
    assert space.sample(0) == []
    with pytest.raises(InvalidValueError, match=rf"sample: {field}: got .*whole number of 0 or"):
        space.sample(n, seed=seed)
