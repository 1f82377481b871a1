"""Rules between choices: what they mean, and spaces in which few combinations keep them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Chain, Conditional, _diagram, check

CHOICES: dict[str, list[Any]] = {
    "a": [1, 2, 4], "b": [0.1, 0.3, 2.0], "kind": ["conv", "pool"], "on": [False, True],
    "stage.0.k": [3, 5], "pool size": [2, None],
}  # fmt: skip

RULES: list[tuple[str, Callable[[Mapping[str, Any]], bool]]] = [
    ("a <= b", lambda x: x["a"] <= x["b"]),
    ("b < a <= 2", lambda x: x["b"] < x["a"] <= 2),
    ("3 * 0.1 != b", lambda x: x["b"] != 0.3),
    ("a + 10 * b - 2 > `stage.0.k`", lambda x: round(x["a"] + 10 * x["b"]) - 2 > x["stage.0.k"]),
    ("a * stage.0.k in (3, 10, 20)", lambda x: x["a"] * x["stage.0.k"] in (3, 10, 20)),
    ("kind == 'conv' or not on", lambda x: x["kind"] == "conv" or not x["on"]),
    ("implies(on, a > 1 and b < 1)", lambda x: not x["on"] or (x["a"] > 1 and x["b"] < 1)),
    ("not (a == 1 or kind != 'pool')", lambda x: x["a"] != 1 and x["kind"] == "pool"),
    ("max(a, b) - min(a, b) >= 1.7", lambda x: abs(x["a"] - x["b"]) >= 1.7),
    ("abs(a - stage.0.k) == 1 + on", lambda x: abs(x["a"] - x["stage.0.k"]) == 1 + x["on"]),
    ("a ** 2 % stage.0.k == 1", lambda x: x["a"] ** 2 % x["stage.0.k"] == 1),
    ("stage.0.k // a == stage.0.k / a", lambda x: x["stage.0.k"] % x["a"] == 0),
    # A comparison with None breaks no rule, whether it is negated or not; sums pass over it.
    ("a < `pool size`", lambda x: x["pool size"] is None or x["a"] < 2),
    ("not a < `pool size`", lambda x: x["pool size"] is None or x["a"] >= 2),
    ("`pool size` is None or a != 4", lambda x: x["pool size"] is None or x["a"] != 4),
    ("`pool size` != None", lambda x: x["pool size"] is not None),
    ("sum(a, `pool size`, 1) <= 4", lambda x: x["a"] + (x["pool size"] or 0) + 1 <= 4),
]


@pytest.mark.parametrize("states", [_diagram.MAX_STATES, 0], ids=["counted", "too entangled"])
@pytest.mark.parametrize(("rule", "meaning"), RULES, ids=[rule for rule, _ in RULES])
def test_a_rule_means_what_python_means(
    rule: str, meaning: Callable[[Mapping[str, Any]], bool], states: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(_diagram, "MAX_STATES", states)
    space = Chain(CHOICES, where=[rule])
    rows = [
        dict(zip(CHOICES, options, strict=True)) for options in itertools.product(*CHOICES.values())
    ]
    kept = [row for row in rows if meaning(row)]
    assert 0 < len(kept) < len(rows)
    assert [dict(arch) for arch in space.enumerate()] == kept
    assert space.count == len(kept)
    assert space.valid(space.random_indices(20, np.random.default_rng(0))).all()
    check(space)


WIDTHS = [16 * k for k in range(1, 13)]
NEVER_NARROWER = Chain(
    {f"stage{i}": WIDTHS for i in range(8)},
    where=[f"stage{i} <= stage{i + 1}" for i in range(7)],
)
BUDGET = Chain(
    {f"stage{i}": WIDTHS for i in range(8)},
    where=["sum(" + ", ".join(f"stage{i}" for i in range(8)) + ") <= 300"],
)
NEARLY = Chain({"first": range(8, 4097, 8), "second": range(8, 4097, 8)},
    where=["0.6 * first <= second <= first", "first + second <= 3 * 80"])  # fmt: skip


class NeverNarrower(Chain):
    """The same as a function of rows, which can't be asked about a part of one."""

    def valid(self, indices: Any) -> Any:
        return (np.diff(indices, axis=1) >= 0).all(1)


class Window(Chain):
    """3,432 of 429,981,696: none of thousands of uniform draws."""

    def valid(self, indices: Any) -> Any:
        return indices.sum(1) == 7


WINDOW = Window({f"stage{i}": WIDTHS for i in range(8)})
OPAQUE = NeverNarrower({f"stage{i}": WIDTHS for i in range(8)})


def test_what_rules_allow_is_counted_listed_and_drawn_uniformly() -> None:
    assert NEVER_NARROWER.count == 75_582
    assert len(np.unique(NEVER_NARROWER.all_indices, axis=0)) == 75_582
    assert BUDGET.count == 43_758  # 10 steps of 16 above the narrowest, on 8 stages: 18 over 8
    few = Chain(
        {f"s{i}": range(5) for i in range(5)}, where=[f"s{i} <= s{i + 1}" for i in range(4)]
    )
    rows = few.random_indices(200 * 126, np.random.default_rng(0))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == few.count == 126
    assert stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "count"),
    [(NeverNarrower({f"s{i}": range(6) for i in range(8)}), 1287), (WINDOW, 3432)],
)
def test_a_walk_is_about_uniform(space: Chain, count: int) -> None:
    """Each valid row is drawn about 10 times; 1,287 of 1.7 million, 3,432 of 430 million."""
    rows = space.random_indices(10 * count, np.random.default_rng(0))
    assert space.valid(rows).all()
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) > 0.99 * count
    assert counts.std() < 1.3 * np.sqrt(10)  # Poisson: the root of 10


@pytest.mark.parametrize("space", [NEVER_NARROWER, BUDGET, NEARLY, OPAQUE])
def test_repair_and_neighbours_keep_to_the_rules(space: Chain) -> None:
    check(space)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, space.sizes, size=(50, len(space)))
    repaired = space.repair(rows)
    assert len(repaired) == 50
    assert space.valid(repaired).all()
    assert (space.repair(repaired) == repaired).all()
    row = space.random_indices(1, rng)
    near = space.neighbour_indices(row)
    assert len(near)
    assert space.valid(near).all()
    assert (near != row).any(1).all()


def test_repair_changes_as_little_as_possible() -> None:
    few = Chain(
        {f"s{i}": range(4) for i in range(5)}, where=[f"s{i} <= s{i + 1}" for i in range(4)]
    )
    rows = few.sizes * 0 + np.random.default_rng(1).integers(0, 4, size=(100, 5))
    least = (rows[:, None] != few.all_indices[None]).sum(2).min(1)
    assert ((rows != few.repair(rows)).sum(1) == least).all()


def test_neighbours_take_along_what_a_rule_ties_to_a_choice() -> None:
    space = Chain({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2]}, where=["a == b"])
    near = {(x["a"], x["b"], x["c"]) for x in space.neighbours({"a": 2, "b": 2, "c": 1})}  # type: ignore[arg-type]
    assert near == {(1, 1, 1), (3, 3, 1), (2, 2, 2)}


@pytest.mark.parametrize("space", [NEVER_NARROWER, BUDGET, NEARLY, OPAQUE, WINDOW])
def test_a_search_keeps_to_the_rules(space: Chain) -> None:
    opt = op.OptiProxy(space, {"width": "max"}, seed=0)
    for _ in range(4):
        archs = opt.ask(5)
        if not archs:
            break
        rows = space.to_indices(archs)
        opt.tell(archs, (rows.sum(1) - 3 * rows[:, 0]).astype(float).tolist())
    assert len(opt.queries) == min(20, space.count)
    assert space.valid(opt.rows).all()


@pytest.mark.slow
def test_too_many_partial_sums_are_walked() -> None:
    """Twelve random costs a layer: no two partial sums are equal."""
    rng = np.random.default_rng(0)
    costs = {f"layer{i}": np.round(100 * rng.random(12), 3).tolist() for i in range(12)}
    space = Chain(costs, where=[f"sum({', '.join(costs)}) <= 300"])
    assert space.count == 12**12  # a bound
    archs = space.sample(100, seed=0)
    assert len(set(archs)) > 50
    assert all(sum(arch.values()) <= 300 for arch in archs)  # type: ignore[arg-type]
    (near,) = space.from_indices(space.repair(np.full((1, 12), 5)))
    assert sum(near.values()) <= 300  # type: ignore[arg-type]


def test_conditions_and_rules_hold_together() -> None:
    space = Conditional(
        {"depth": [1, 2, 3], "width1": [16, 32], "width2": [16, 32], "width3": [16, 32]},
        {"width2": {"depth": [2, 3]}, "width3": {"depth": [3]}},
        where=["width1 <= width2", "width2 <= width3", "sum(width1, width2, width3) <= 64"],
    )
    widths = [tuple(w for w in list(arch.values())[1:] if w) for arch in space.enumerate()]
    expected = [(16,), (16, 16), (16, 32), (32,), (32, 32), (16, 16, 16), (16, 16, 32)]
    assert sorted(widths) == sorted(expected)
    assert space.count == 7
    check(space)
    rows = space.random_indices(7000, np.random.default_rng(0))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert stats.chisquare(counts).pvalue > 1e-6
    near = space.neighbours(space.architecture({"depth": 1, "width1": 32}))
    assert {"depth": 2, "width1": 32, "width2": 32, "width3": None} in [dict(arch) for arch in near]


def test_a_subclass_may_be_stricter_than_its_rules() -> None:
    class Even(Chain):
        def valid(self, indices: Any) -> Any:
            return super().valid(indices) & (indices.sum(1) % 2 == 0)

    space = Even({f"s{i}": range(12) for i in range(8)}, where=NEVER_NARROWER_RULES)
    check(space)
    small = Even({"a": range(3), "b": range(3)}, where=["a < b"])
    assert small.count == 1
    assert dict(small.sample(1)[0]) == {"a": 0, "b": 2}


NEVER_NARROWER_RULES = [f"s{i} <= s{i + 1}" for i in range(7)]


def test_rules_are_part_of_the_fingerprint() -> None:
    plain = Chain({"a": [1, 2], "b": [1, 2]})
    assert plain.fingerprint == Chain({"a": [1, 2], "b": [1, 2]}, where=[]).fingerprint
    assert plain.fingerprint != Chain({"a": [1, 2], "b": [1, 2]}, where=["a <= b"]).fingerprint


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("a <", "it can't be read"),
        ("aa <= b", "choice: got 'aa'; did you mean 'a'"),
        ("kind + a < 3", "choice 'kind' has the option 'conv', which is no number"),
        ("a + 1", "'a + 1' is neither true nor false"),
        ("__import__('os').system('ls') == 0", "is not a number"),
        ("[x for x in (1, 2)] == a", "is not a number"),
        ("1 < 2", "it is True whatever is chosen"),
        ("a in b", "give a list after `in`"),
        ("(" * 400 + "a" + ")" * 400 + " < 1", "it can't be read"),
        ("a < " + "9" * 2000, "at most 1000 characters"),
        (3, "give a text"),
    ],
)
def test_a_rule_that_can_not_be_used_is_refused(rule: Any, message: str) -> None:
    with pytest.raises(InvalidValueError) as error:
        Chain(CHOICES, where=[rule])
    assert message in str(error.value)
    assert repr(rule) in str(error.value)


def test_rules_that_nothing_keeps_are_refused_when_they_are_asked() -> None:
    space = Chain({"a": [1, 2], "b": [1, 2]}, where=["a < b", "b < a"])
    with pytest.raises(InvalidValueError, match="no architecture keeps all these rules"):
        space.sample(1)
    with pytest.raises(InvalidValueError, match="give a list of rules"):
        Chain({"a": [1, 2], "b": [1, 2]}, where="a < b")
