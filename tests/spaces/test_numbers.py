"""Numbers of a range: values, levels, and what a space makes of them."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optiproxy as op
from optiproxy.encodings import corners, is_corner, nearest
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Chain, Conditional, Float, Int
from optiproxy.spaces.numbers import Number
from optiproxy.spaces.serial import from_json, to_json

repeatable = settings(derandomize=True, deadline=None, max_examples=60)
FINITE = st.floats(-1e12, 1e12)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    if draw(st.booleans()):
        low = draw(st.floats(1e-12, 1e6))
        return Float(low, low * draw(st.floats(1.001, 1e15)), log=True)
    low = draw(FINITE)
    span = draw(st.floats(1e-3, 1e12)) + 1e-6 * abs(low)
    step = span / draw(st.integers(2, 1000)) if draw(st.booleans()) else None
    return Float(low, low + span, step=step)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -(10**6), 10**6))
    high = low + draw(st.integers(1, 10**6))
    return Int(low, high, log=log, step=1 if log else draw(st.integers(1, high - low)))


@repeatable
@given(number=st.one_of(floats(), ints()), optional=st.booleans(), seed=st.integers(0, 99))
def test_values_cells_and_levels_lead_to_each_other(
    number: Number, optional: bool, seed: int
) -> None:
    options = number.as_optional() if optional else number
    rng = np.random.default_rng(seed)
    cells = np.unique([*rng.integers(0, len(options), 50), 0, options.first, len(options) - 1])
    values = [options[int(cell)] for cell in cells]
    assert [options.index(value) for value in values] == cells.tolist()
    assert json.loads(json.dumps(values)) == values
    known = [value for value in values if value is not None]
    assert known == sorted(set(known))
    assert number.low <= known[0] <= known[-1] <= number.high
    levels = options.levels(cells[cells >= options.first])
    assert (np.diff(levels) > 0).all()
    assert ((levels >= 0) & (levels <= 1)).all()
    assert (options.nearest(levels) == cells[cells >= options.first]).all()
    assert (options.from_columns(options.columns(cells)) == cells).all()
    drawn = options.nearest(rng.random(100))
    assert ((drawn >= options.first) & (drawn < len(options))).all()


def test_what_is_written_with_six_digits_is_kept() -> None:
    space = Chain({"rate": Float(1e-5, 1e-1, log=True), "x": Float(-5, 10), "p": Float(0, 1)})
    for values in ((0.003, 9.5, 0.1), (1e-5, -5.0, 0.0), (0.1, 10.0, 1.0), (0.00123456, 0.25, 0.7)):
        arch = space.architecture(dict(zip(space.names, values, strict=True)))
        assert tuple(arch.values()) == values
    (arch,) = space.architectures([{"rate": 0.012345678, "x": 1, "p": np.float32(0.5)}])
    assert dict(arch) == {"rate": 0.0123457, "x": 1.0, "p": 0.5}
    assert isinstance(arch["x"], float)


def test_draws_are_even_on_the_scale() -> None:
    space = Chain({"rate": Float(1e-4, 1e-1, log=True), "n": Int(1, 3), "m": Int(1, 512, log=True)})
    rates, n, m = zip(*(arch.values() for arch in space.sample(3000)), strict=True)
    assert np.mean(np.array(rates) < 1e-3) == pytest.approx(1 / 3, abs=0.03)
    assert np.bincount(n)[1:] / 3000 == pytest.approx([1 / 3] * 3, abs=0.03)
    assert np.mean(np.array(m) <= 22) == pytest.approx(0.55, abs=0.03)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Float(1, 1), "low < high"),
        (lambda: Float(0, math.inf), "high: got inf"),
        (lambda: Float(0, 1, log=True), "begins above 0"),
        (lambda: Float(1, 10, log=True, step=1), "has no step"),
        (lambda: Float(0, 1, step=2), "fits between"),
        (lambda: Float(1e15, 1e15 + 1), "too few floats"),
        (lambda: Int(0, 1.5), "high: got 1.5; give a whole number"),
        (lambda: Int(0, True), "high: got True"),
        (lambda: Int(1, 9, log=True, step=2), "has the step 1"),
    ],
)
def test_ranges_that_are_none(make, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        make()


@pytest.mark.parametrize("value", [0.2, -1, "0.05", True, None, math.nan])
def test_values_outside_are_refused(value: object) -> None:
    space = Chain({"rate": Float(1e-4, 1e-1, log=True)})
    with pytest.raises(InvalidValueError, match=r"architecture: choice 'rate': .* 0.0001 to 0.1"):
        space.architecture({"rate": value})


def test_values_between_steps_are_refused() -> None:
    space = Chain({"n": Int(0, 10, step=5), "x": Float(0, 1, step=0.1)})
    assert dict(space.architecture({"n": 5.0, "x": 0.1 + 0.2})) == {"n": 5, "x": 0.3}
    with pytest.raises(InvalidValueError, match="step=5"):
        space.architecture({"n": 4, "x": 0.3})
    with pytest.raises(InvalidValueError, match=r"step=0\.1"):
        space.architecture({"n": 5, "x": 0.35})


def test_two_numbers_in_a_tuple_may_be_meant_as_a_range() -> None:
    with pytest.warns(UserWarning, match=r"two options; .* write Float\(0.0001, 0.1\)") as told:
        Conditional({"rate": (1e-4, 1e-1), "op": ["a", "b"]}, when={})
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Chain({"rate": [1e-4, 1e-1], "width": (16, 32), "three": (0.1, 0.2, 0.3)})


def test_counts() -> None:
    rate = Float(1e-4, 1e-1, log=True)
    space = Chain({"rate": rate, "op": ["a", "b"]})
    assert space.count == math.inf
    assert "infinitely many" in repr(space)
    with pytest.raises(InvalidValueError, match=r"choice 'rate'.*can't be listed"):
        next(space.enumerate())
    assert len(list(Chain({"n": Int(1, 9, step=2), "op": ["a", "b"]}).enumerate())) == 10
    choices = {"op": ["a", "b", "c"], "n": Int(1, 5), "m": Int(1, 100)}
    one = Conditional(choices, when={"n": {"op": ["a"]}, "m": {"op": ["b"]}})
    assert one.count == len(one.all_indices) == 5 + 100 + 1
    several = Conditional(choices, when={"n": [{"op": ["a"]}, {"op": ["b"]}], "m": {"op": ["b"]}})
    assert several.count == len(several.all_indices) == 5 + 500 + 1


def test_a_number_counts_as_one_option_where_architectures_are_drawn() -> None:
    space = Conditional({"op": ["a", "b"], "x": Float(0, 1)}, when={"x": {"op": ["a"]}})
    assert np.mean([arch["op"] == "a" for arch in space.sample(1000)]) == pytest.approx(
        0.5, abs=0.05
    )


def test_beside_rules() -> None:
    choices = {"w1": [1, 2, 3], "w2": [1, 2, 3], "x": Float(0, 1), "n": Int(1, 9)}
    space = Chain(choices, where=["w2 <= w1"])
    rows = space.random_indices(50, np.random.default_rng(0))
    assert space.valid(rows).all()
    assert len(np.unique(rows[:, 2])) == 50
    assert (space.repair(rows) == rows).all()
    near = space.neighbour_indices(rows[:3])
    assert space.valid(near).all()
    assert len(np.unique(near[:, 2])) > 30


def test_rules_on_numbers() -> None:
    choices = {
        "op": ["sgd", "adam"],
        "rate": Float(1e-4, 1e-1, log=True),
        "last": Float(1e-4, 1e-1, log=True),
        "batch": Int(8, 512, log=True),
        "beta": Float(0.8, 1),
        "width": [1, 2, 3],
        "depth": [1, 2, 3],
    }
    rules = [
        "depth <= width",
        "last <= rate / 2",
        'implies(op == "sgd", rate * batch <= 1.5)',
        "beta <= 0.9",
    ]
    space = Conditional(choices, when={"beta": {"op": ["adam"]}}, where=rules)
    assert space.count == float("inf")
    rng = np.random.default_rng(0)
    rows = space.random_indices(500, rng)
    for arch in space.from_indices(rows):
        assert arch["depth"] <= arch["width"]
        assert arch["last"] <= arch["rate"] / 2
        assert arch["op"] == "adam" or arch["rate"] * arch["batch"] <= 1.5
        assert (arch["beta"] is None) == (arch["op"] == "sgd")
        assert arch["beta"] is None or arch["beta"] <= 0.9
    assert {arch["op"] for arch in space.from_indices(rows)} == {"sgd", "adam"}
    assert (space.repair(rows) == rows).all()
    near = space.neighbour_indices(rows[:3])
    assert space.valid(near).all()
    free = Conditional(choices, when={"beta": {"op": ["adam"]}}).random_indices(500, rng)
    mended = space.repair(free)
    assert space.valid(mended).all()
    assert len(mended) == 500
    study = op.OptiProxy(space, {"loss": "min"}, seed=0)
    for _ in range(6):
        archs = study.ask(3)
        assert space.valid(space.to_indices(archs)).all()
        study.tell(archs, [abs(np.log(a["last"] / 1e-3)) + a["width"] for a in archs])


def test_rules_on_numbers_are_exact_at_their_ends() -> None:
    space = Chain(
        {"a": Float(0, 1, step=0.1), "b": Float(0, 1, step=0.1), "n": Int(1, 9)},
        where=["a + b == 0.3", "n != 2", "min(n, 5) >= 2"],
    )
    assert space.count == len(space.all_indices) == 4 * 7
    assert Chain({"a": Float(0, 1), "n": [1, 2]}, where=["a <= 0.25 * n"]).valid(
        Chain({"a": Float(0, 1), "n": [1, 2]}).to_indices(
            [{"a": 0.25, "n": 1}, {"a": 0.250001, "n": 1}, {"a": 0.5, "n": 2}, {"a": 0.51, "n": 2}]
        )
    ).tolist() == [True, False, True, False]


def test_where_only_lists_will_do() -> None:
    choices = {"x": Float(0, 1), "op": ["a", "b"]}
    with pytest.raises(InvalidValueError, match="its parent 'x' is a number"):
        Conditional(choices, when={"op": {"x": [0.5]}})
    space = Chain(choices)
    with pytest.raises(InvalidValueError, match="Pool: space: choice 'x'"):
        op.spaces.Pool(space, space.sample(3))
    with pytest.raises(InvalidValueError, match="Table: space: choice 'x'"):
        op.tasks.Table(
            space, "none.parquet", key=["x", "op"], columns=["y"], objectives={"y": "max"}
        )


def test_spaces_with_numbers_are_json() -> None:
    space = Conditional(
        {"op": ["sgd", "adam"], "rate": Float(1e-4, 1, log=True), "n": Int(1, 9, step=2)},
        when={"n": {"op": ["sgd"]}},
    )
    plain = json.loads(json.dumps(to_json(space)))
    assert plain["choices"]["rate"] == {"kind": "float", "low": 1e-4, "high": 1.0, "log": True}
    assert plain["choices"]["n"] == {"kind": "int", "low": 1, "high": 9, "step": 2}
    assert from_json(plain).fingerprint == space.fingerprint
    assert from_json(plain).sample(5) == space.sample(5)
    other = Conditional(
        {"op": ["sgd", "adam"], "rate": Float(1e-4, 1), "n": Int(1, 9, step=2)},
        when={"n": {"op": ["sgd"]}},
    )
    assert other.fingerprint != space.fingerprint


def test_relaxed_architectures_lead_back() -> None:
    space = Conditional(
        {"op": ["a", "b"], "x": Float(0, 1), "n": Int(1, 10**6, log=True)},
        when={"n": {"op": ["a"]}},
    )
    import torch

    rows = space.random_indices(40, np.random.default_rng(0))
    p = corners(space, torch.from_numpy(rows), torch.float64)
    assert (nearest(space, p) == rows).all()
    assert is_corner(space, p)
    assert not is_corner(space, 0.5 * p + 0.5 * p.flip(0))
