"""Which choices matter: known functions give known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optiproxy.search.sensitivity import sensitivities
from optiproxy.spaces import Chain, Conditional, Pool

SPACE = Chain({"depth": [1, 2, 3], "width": ["s", "m", "l"], "norm": [False, True], "idle": [1, 2]})


def value(arch):
    return 60 + 5 * arch["depth"] + {"s": 0, "m": 1, "l": 2}[arch["width"]]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_additive_function_is_found(sign):
    archs = SPACE.sample(30, seed=0)
    values = [sign * value(arch) for arch in archs]
    depth, width, norm, idle = sensitivities(SPACE, archs, values, sign=sign)
    assert [s.choice for s in (depth, width, norm, idle)] == list(SPACE.names)
    assert depth.moves > 2 * width.moves > 4 * max(norm.moves, idle.moves)
    # Five for each step; ranks of the proxy shrink it a little.
    worths = [sign * option.worth for option in depth.options]
    np.testing.assert_allclose(worths, [-5, 0, 5], atol=1.5)
    assert abs(norm.options[0].worth) < 0.3
    assert 0 < depth.error < depth.moves / 2
    assert sum(option.queries for option in depth.options) == 30


def test_few_queries_are_less_certain():
    many = SPACE.sample(36, seed=1)
    few = many[:9]
    rng = np.random.default_rng(0)
    noisy = {arch: value(arch) + rng.normal(0, 2) for arch in many}
    errors = [
        sensitivities(SPACE, archs, [noisy[a] for a in archs])[0].error for archs in (few, many)
    ]
    assert errors[0] > errors[1]


def test_thousands_of_queries_are_thinned_out():
    space = Chain({f"layer{i}": [1, 2, 3] for i in range(6)})
    archs = space.sample(3000, seed=0)
    first, *others = sensitivities(space, archs, [float(arch["layer0"]) for arch in archs])
    assert first.moves > 10 * max(other.moves for other in others)
    assert sum(option.queries for option in first.options) == 3000


def test_of_thousands_of_options_the_frequent_ones_are_tried():
    space = Chain({"wide": list(range(3000)), "depth": [1, 2, 3]})
    rng = np.random.default_rng(0)
    archs = [
        space.architecture({"wide": int(w), "depth": int(d)})
        for w, d in zip(rng.integers(0, 40, 200) * 70, rng.integers(1, 4, 200), strict=True)
    ]
    wide, depth = sensitivities(space, archs, [arch["wide"] / 1000 for arch in archs])
    assert len(wide.options) == 32
    assert all(option.queries > 0 for option in wide.options)
    assert wide.moves > 5 * depth.moves
    assert sum(option.queries for option in depth.options) == 200


def test_too_little_says_nothing():
    archs = SPACE.sample(7, seed=0)
    assert sensitivities(SPACE, archs, range(7)) == []
    assert sensitivities(SPACE, SPACE.sample(20), [1.0] * 20) == []
    assert sensitivities(SPACE, SPACE.sample(20), [math.nan] * 20) == []


def test_inactive_choices_are_judged_where_they_are_active():
    space = Conditional(
        {"op": ["conv", "skip"], "kernel": [3, 5, 7]}, when={"kernel": {"op": ["conv"]}}
    )
    archs = space.sample(40, seed=0)
    values = [0.1 * i + 3 * (a["kernel"] or 0) for i, a in enumerate(archs)]
    _, kernel = sensitivities(space, archs, values)
    by = {option.option: option.worth for option in kernel.options}
    assert by[3] < by[5] < by[7]
    assert math.isnan(by[None])


def test_a_pool_is_judged_in_its_space():
    archs = SPACE.sample(20, seed=2)
    pool = Pool(SPACE, archs)
    found = sensitivities(pool, archs, [value(arch) for arch in archs])
    assert found == sensitivities(SPACE, archs, [value(arch) for arch in archs])
