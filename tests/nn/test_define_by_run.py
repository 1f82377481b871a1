"""Spaces of functions: which choices they have, when, and what is refused."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.nn import Choose, ModelSpace, space_of
from optiproxy.nn._discovery import discover
from optiproxy.spaces import Conditional, Float, Int, check
from optiproxy.testing.spaces import SpaceCases


def conv(width: int, kernel: int) -> nn.Module:
    return nn.Conv2d(width, width, kernel, padding=kernel // 2)


def separable(width: int, kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width),
        nn.Conv2d(width, width, 1),
    )


def network(choose: Choose) -> nn.Module:
    width = choose("width", [16, 32, 64])
    layers = [nn.Conv2d(3, width, 3, padding=1)]
    for i in range(choose("depth", [2, 3, 4])):
        block = choose(f"block{i}", {"conv": conv, "separable": separable, "none": None})
        if block:
            layers.append(block(width, kernel=choose(f"kernel{i}", [3, 5])))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


SPACE = space_of(network)


class TestSpace(SpaceCases):
    @pytest.fixture
    def space(self) -> ModelSpace:
        return SPACE


def test_choices_stand_in_the_order_of_the_function_and_conditions_are_exact() -> None:
    blocks = [f"{name}{i}" for i in range(4) for name in ("block", "kernel")]
    assert list(SPACE.choices) == ["width", "depth", *blocks]
    assert SPACE.when == {
        "block2": {"depth": (3, 4)},
        "block3": {"depth": (4,)},
        **{f"kernel{i}": {f"block{i}": ("conv", "separable")} for i in range(4)},
    }
    assert SPACE.count == 3 * (5**2 + 5**3 + 5**4)
    assert isinstance(SPACE, Conditional)
    check(SPACE)


def test_a_network_is_what_the_function_builds_from_the_options() -> None:
    arch = SPACE.architecture(
        {"width": 32, "depth": 2, "block0": "none", "block1": "separable", "kernel1": 5}
    )
    torch.manual_seed(0)
    built = SPACE.build(arch)
    assert [type(layer) for layer in built][:2] == [nn.Conv2d, nn.Sequential]
    assert built[1][0].kernel_size == (5, 5)
    assert built(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    torch.manual_seed(0)
    again = SPACE.build(arch)
    assert all(
        torch.equal(a, b) for a, b in zip(built.parameters(), again.parameters(), strict=True)
    )
    assert float(built[0].weight.detach().std()) > 0.01  # Its weights are initialised.


def test_the_picture_shows_what_is_active() -> None:
    arch = SPACE.architecture({"width": 16, "depth": 2, "block0": "none", "block1": "none"})
    assert SPACE.picture(arch).split() == [
        "width", "16", "depth", "2", "block0", "none", "block1", "none",
    ]  # fmt: skip


def test_it_is_found_without_touching_random_numbers_or_initial_weights() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    space_of(network)
    assert torch.equal(torch.rand(3), expected)
    assert float(nn.Linear(1000, 1000).weight.detach().std()) == pytest.approx(0.0183, rel=0.05)


def test_sixty_choices_take_under_two_seconds() -> None:
    def deep(choose: Choose) -> nn.Module:
        width, layers = choose("width", [8, 16]), []
        for i in range(choose("depth", [18, 20, 22, 24, 26, 29])):
            block = choose(f"block{i}", {"conv": conv, "separable": separable, "none": None})
            if block:
                layers.append(block(width, choose(f"kernel{i}", [3, 5])))
        return nn.Sequential(*layers)

    # Of this process, since others use the cores as well. Measured: 0.6 s, 120 runs; 1.1 s loaded.
    start = time.process_time()
    space = space_of(deep)
    assert time.process_time() - start < 2
    assert len(space) == 60
    assert space.count == 2 * sum(5**depth for depth in (18, 20, 22, 24, 26, 29)) > 10**18
    for arch in space.sample(20):
        space.build(arch)


# ---- conditions of every kind, against all runs of the function ----


def _two_parents(choose: Choose) -> None:
    a, b = choose("a", [1, 2, 3]), choose("b", [1, 2, 3])
    if a > 1 and b == 3:
        choose("c", [1, 2])


def _any_of(choose: Choose) -> None:
    if choose("a", [1, 2, 3]) == 2 or choose("b", ["x", "y"]) == "y":
        choose("c", [1, 2])


def _not_both(choose: Choose) -> None:
    a, b = choose("a", [0, 1]), choose("b", [0, 1])
    if not (a and b):
        choose("c", [1, 2])


def _either(choose: Choose) -> None:
    if choose("a", [0, 1]) != choose("b", [0, 1]):
        choose("c", [1, 2])


def _at_least_two(choose: Choose) -> None:
    if sum(choose(f"a{i}", [0, 1]) for i in range(4)) >= 2:
        choose("c", [1, 2])


def _nothing_but_none(choose: Choose) -> None:
    blocks = [choose(f"block{i}", {"conv": 1, "pool": 2, "none": None}) for i in range(8)]
    if not any(blocks):
        choose("fallback", ["mean", "max"])


def _nested(choose: Choose) -> None:
    for i in range(choose("stages", [1, 2])):
        for j in range(choose(f"depth{i}", [0, 1, 2])):
            if choose(f"op{i}{j}", ["conv", "skip"]) == "conv":
                choose(f"kernel{i}{j}", [3, 5])
                if choose(f"norm{i}{j}", ["batch", "group"]) == "group":
                    choose(f"groups{i}{j}", [2, 4])


def _siblings(choose: Choose) -> None:
    if choose("a", [1, 2]) == 2 and choose("b", [1, 2]) == 2:
        choose("c", [1, 2])
        choose("d", [1, 2])


def _row(choose: Choose) -> None:
    for i in range(choose("depth", [6, 8, 10, 12, 14, 16])):
        if choose(f"block{i}", ["conv", "pool", "none"]) != "none":
            choose(f"kernel{i}", [3, 5])


def _always(choose: Choose) -> None:
    choose("a", [1, 2])
    choose("b", [None, "x"])


def _once(choose: Choose) -> None:
    choose("a", [1])


PROGRAMS = [
    _two_parents, _any_of, _not_both, _either, _at_least_two, _nothing_but_none, _nested,
    _siblings, _always, _once,
]  # fmt: skip


def _all_runs(program: Callable[[Choose], Any]) -> Iterator[dict[str, Any]]:
    """What every run of a program picks, gone through like a tree."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        numbers = waiting.pop()
        sizes: list[int] = []

        def answer(name: str, labels: Any, numbers: Any = numbers, sizes: Any = sizes) -> int:
            sizes.append(len(labels))
            return numbers[len(sizes) - 1] if len(sizes) <= len(numbers) else 0

        choose = Choose(answer)
        program(choose)
        for place in range(len(numbers), len(sizes)):
            zeros = (0,) * (place - len(numbers))
            waiting += [(*numbers, *zeros, other) for other in range(1, sizes[place])]
        yield dict(choose.picked)


def _built(program: Callable[[Choose], Any]) -> Callable[[Choose], nn.Module]:
    def function(choose: Choose) -> nn.Module:
        program(choose)
        return nn.Identity()

    return function


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_the_space_is_the_set_of_all_runs(program: Callable[[Choose], Any]) -> None:
    space = space_of(_built(program))
    runs = [frozenset(run.items()) for run in _all_runs(program)]
    found = [
        frozenset((name, option) for name, option in arch.items() if option is not None)
        for arch in space.enumerate()
    ]
    assert len(runs) == len(set(runs)) == space.count
    assert set(found) == set(runs)


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 60))]
)
def test_random_programs_are_found(seed: int) -> None:
    """Eight choices with random conditions on those before: one option, two parents, any of two."""
    rng = random.Random(seed)
    names = [f"c{i}" for i in range(8)]
    sizes = {name: rng.randint(2, 4) for name in names}
    rules: dict[str, list[dict[str, list[int]]]] = {}
    for i, name in enumerate(names):
        terms = rng.choice([0, 1, 1, 1, 2]) if i else 0
        rules[name] = [
            {
                parent: rng.sample(range(sizes[parent]), rng.randint(1, sizes[parent] - 1))
                for parent in rng.sample(names[:i], min(i, rng.randint(1, 2)))
            }
            for _ in range(terms)
        ]

    def program(choose: Choose) -> None:
        picked: dict[str, int] = {}
        for name in names:
            terms = rules[name]
            holds = [all(p in picked and picked[p] in o for p, o in t.items()) for t in terms]
            if not terms or any(holds):
                picked[name] = choose(name, list(range(sizes[name])))

    test_the_space_is_the_set_of_all_runs(program)


@pytest.mark.slow
def test_every_process_finds_the_same_space_with_the_same_runs() -> None:
    """A stored study is known by its space, and the order of sets differs between processes."""
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('tests_of_nn', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "for function in (module.network, module._built(module._row)):\n"
        "    choices, when, runs = module.discover(function)\n"
        "    print(choices, when, list(map(str, runs)))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, __file__],
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True, check=True,
        ).stdout
        for seed in (1, 2)
    }  # fmt: skip
    assert len(found) == 1


def test_siblings_under_one_condition_are_found_with_few_runs() -> None:
    _, when, runs = discover(_built(_nested))
    assert when["groups01"] == {"norm01": ("group",)}
    assert when["op11"] == {"depth1": (2,)}
    assert len(runs) < 150


# ---- what is refused ----


def test_what_can_not_be_built_is_left_out_by_rules() -> None:
    def layers(choose: Choose) -> nn.Module:
        width = choose("width", [16, 24, 32])
        return nn.Sequential(*(
            nn.MultiheadAttention(width, choose(f"heads{i}", [2, 3, 4, 8]))
            for i in range(choose("depth", [1, 2, 3]))
        ))  # fmt: skip

    with pytest.raises(InvalidValueError, match=r"with width=16, .*heads0=3: AssertionError: .*"):
        space_of(layers)
    space = space_of(layers, where=[f"width % heads{i} == 0" for i in range(3)])
    assert space.when["heads2"] == {"depth": (3,)}
    assert space.count == 2 * (3 + 3**2 + 3**3) + (4 + 4**2 + 4**3)
    for arch in space.sample(10, seed=0):
        space.build(arch)


def test_classes_made_in_the_function_and_lazy_layers_are_no_randomness() -> None:
    def layers(choose: Choose) -> nn.Module:
        class Block(nn.Sequential):
            pass

        narrow = weight_norm(nn.Linear(3, choose("width", [2, 4])))
        return Block(narrow, nn.LazyLinear(choose("classes", [2, 3])))

    space = space_of(layers)
    assert space.count == 4
    x = torch.zeros(1, 3)
    task = op.Task("mine", space, lambda arch: 1.0, objectives="y=max", example_input=x)
    arch = space.architecture({"width": 4, "classes": 2})
    assert task.exact["params"](arch) == (3 * 4 + 4 + 4) + (4 * 2 + 2)


def test_options_that_depend_on_another_choice_are_shown_with_the_two_runs() -> None:
    def function(choose: Choose) -> nn.Module:
        for i in range(20):
            choose(f"other{i}", [1, 2])
        choose("kernel", [3, 5] if choose("wide", [False, True]) else [3, 5, 7])
        return nn.Identity()

    with pytest.raises(InvalidValueError, match="'kernel': its options depend on other") as raised:
        space_of(function)
    one, other = str(raised.value).splitlines()[1:3]
    assert one.startswith("  [3, 5, 7] with ")
    assert other.startswith("  [3, 5] with ")
    # They differ in what the options depend on, and in the choice itself at most.
    pairs = zip(one.split("with ")[1].split(", "), other.split("with ")[1].split(", "), strict=True)
    assert {a.split("=")[0] for a, b in pairs if a != b} <= {"wide", "kernel"}


def test_a_name_asked_twice_is_one_choice_and_must_have_the_same_options() -> None:
    def same(choose: Choose) -> nn.Module:
        layers = [nn.Linear(4, 4) for _ in range(choose("n", [1, 2]))]
        assert len(layers) == choose("n", [1, 2])
        return nn.Sequential(*layers)

    assert space_of(same).count == 2

    def other(choose: Choose) -> nn.Module:
        choose("n", [1, 2])
        choose("n", [1, 2, 3])
        return nn.Identity()

    with pytest.raises(InvalidValueError, match=r"'n': got '\(1, 2\), then \(1, 2, 3\)'"):
        space_of(other)


def test_randomness_in_what_is_asked_is_shown_with_two_runs() -> None:
    def function(choose: Choose) -> nn.Module:
        choose("a" if random.random() < 0.5 else "b", [1, 2])
        return nn.Identity()

    with pytest.raises(InvalidValueError, match=r"asked for '[ab]' and for '[ab]'"):
        space_of(function)


def test_randomness_in_what_is_built_is_shown() -> None:
    widths = itertools.count(1)

    def function(choose: Choose) -> nn.Module:
        return nn.Linear(next(widths), choose("width", [1, 2]))

    with pytest.raises(InvalidValueError, match="made networks of different shape\n  width=1\n"):
        space_of(function)


def on_a_range(choose: Choose) -> nn.Module:
    if choose.float("rate", 0.0, 1.0) > 0.5:
        choose("other", [1, 2])
    return nn.Identity()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda choose: nn.Identity(), "asks for no choice"),
        (lambda choose: choose("a", [1, 2]), "returned: got 1; .*must return a torch.nn.Module"),
        (lambda choose: choose("", [1, 2]), "choose: name: got ''"),
        (lambda choose: choose("a", "xy"), "'a': got 'xy'; give a list of options"),
        (lambda choose: choose("a", []), "'a': got .*; give at least one option"),
        (lambda choose: choose("a", [1, 1]), "'a': got .*; give each option once"),
        (lambda choose: choose("a", [None, "none"]), "'a': got .*; give each option once"),
        (lambda choose: choose("a", [nn.ReLU, nn.GELU]), "'a': got .*name what is no text"),
        (lambda choose: choose("a", [1.0, float("nan")]), "'a': got .*; give finite numbers"),
        (lambda choose: choose.int("a", 3, 3), r"choose.int: 'a': got \(3, 3\); give low < high"),
        (lambda choose: choose.int("a", 3, 5, step=0), "choose.int: 'a': step: got 0"),
        (lambda choose: [choose("a", Float(0, 1)), choose("a", [0, 1])], "'a': got .*, then .0, 1"),
        (lambda choose: [choose("a", [0.0, 1.0]), choose("a", Float(0, 1))], "'a': got .*, then F"),
        (on_a_range, "its parent 'rate' is a number of a range"),
        (lambda choose: choose.float("a", 1, 0), r"choose.float: 'a': got \(1, 0\)"),
        (lambda choose: choose.float("a", 0, 1, log=True), "'a': low: got 0; a log scale"),
        (lambda choose: choose.float("a", 0, 1, steps=1), "'a': steps: got 1"),
        (lambda choose, other: nn.Identity(), "give a function of choose alone"),
        (3, "space_of: got 3; give a function"),
    ],
)
def test_mistakes_are_told(function: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        space_of(function)


def test_what_random_runs_did_not_show_is_an_error_when_it_is_built() -> None:
    def function(choose: Choose) -> nn.Module:
        picked = [choose(f"c{i}", [f"{i}a", f"{i}b", f"{i}c", f"{i}d"]) for i in range(8)]
        if all(option == f"{i}c" for i, option in enumerate(picked)):
            choose("rare", [1, 2])
        return nn.Identity()

    space = space_of(function)
    assert "rare" not in space.choices
    arch = space.architecture({f"c{i}": f"{i}c" for i in range(8)})
    with pytest.raises(InvalidValueError, match=r"'rare': got .*ask for it in every run"):
        space.build(arch)


def test_ranges_are_lists_of_numbers_with_an_order() -> None:
    def function(choose: Choose) -> nn.Module:
        rate = choose.float("dropout", 0.0, 0.5, steps=6)
        decay = choose.float("decay", 1e-4, 1e-1, steps=4, log=True)
        width = choose.int("width", 16, 64, step=16)
        assert decay > 0
        return nn.Sequential(nn.Linear(4, width), nn.Dropout(rate))

    space = space_of(function)
    assert space.choices["dropout"] == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert space.choices["decay"] == (1e-4, 1e-3, 1e-2, 1e-1)
    assert space.choices["width"] == (16, 32, 48, 64)
    assert space.levels[0].tolist()[:6] == [0, 0.2, 0.4, 0.6, 0.8, 1]


@pytest.mark.slow
def test_numbers_of_a_range_are_searched_and_built() -> None:
    def function(choose: Choose) -> nn.Module:
        rate = choose.float("rate", 1e-4, 0.5, log=True)
        layers = [nn.Linear(4, choose.int("width", 1, 1000)), nn.Dropout(rate)]
        if choose("deep", [False, True]):
            layers.append(nn.Dropout(choose("rate2", Float(0, 0.5))))
        return nn.Sequential(*layers)

    space = space_of(function)
    assert space.choices["rate"] == Float(1e-4, 0.5, log=True)
    assert space.choices["width"] == Int(1, 1000)
    arch = space.architecture({"rate": 0.0123, "width": 321, "deep": True, "rate2": 0.25})
    built = space.build(arch)
    assert [m.p for m in built if isinstance(m, nn.Dropout)] == [0.0123, 0.25]
    assert built[0].out_features == 321
    shallow = space.architecture({"rate": 0.3, "width": 7, "deep": False})
    assert shallow["rate2"] is None
    assert len(space.build(shallow)) == 2
    opt = op.OptiProxy(space, {"y": "max"}, seed=0)
    for _ in range(6):
        archs = opt.ask(4)
        opt.tell(archs, [-abs(math.log(a["rate"] / 0.01)) - abs(a["width"] - 500) for a in archs])
    assert opt.best is not None
    assert opt.best.metrics["y"] > -10  # the width within a hundredth of its range


def test_a_stored_space_needs_no_run_of_the_function() -> None:
    again: ModelSpace = pickle.loads(pickle.dumps(SPACE))
    assert again.fingerprint == SPACE.fingerprint
    assert len(list(again.build(SPACE.sample(1)[0]).parameters())) > 0


def test_a_search_proposes_what_it_proposes_on_the_space_written_by_hand() -> None:
    by_hand = Conditional(
        {name: [o for o in options if o is not None] for name, options in SPACE.choices.items()},
        SPACE.when,
    )
    proposed = []
    for space in (SPACE, by_hand):
        opt = op.OptiProxy(space, {"y": "max"}, seed=0)
        for _ in range(4):
            archs = opt.ask(4)
            opt.tell(archs, [float(a["width"] * a["depth"]) for a in archs])
        proposed.append([query.architecture for query in opt.queries])
    assert proposed[0] == proposed[1]
