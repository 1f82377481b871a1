"""Mistakes of a task's own definition, told together before the first query."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Architecture, Cell, Chain, GraphTemplate
from optiproxy.tasks import Task

CELL = Cell(nodes=3, operations=["none", "conv9", "pool7"])


class Circle(Chain):
    """Leads back, and never to its output."""

    @property
    def graph(self) -> GraphTemplate:  # type: ignore[override]
        template = super().graph
        adjacency = template.adjacency.copy()
        adjacency[2, 1], adjacency[:, -1] = 1, 0
        return GraphTemplate(adjacency, template.features, template.feature_terms)


def _never(arch: Architecture) -> float:
    raise AssertionError("nothing is to be evaluated")


def _task(space: Any, **keywords: Any) -> Task:
    return Task("mine", space, _never, objectives={"score": "max"}, **keywords)


def _looking_up(known: dict[str, Callable[[], nn.Module]]) -> Callable[[Architecture], nn.Module]:
    return lambda arch: nn.Sequential(*[known[str(o)]() for o in arch.values()])


def test_a_circle_and_an_output_out_of_reach_are_told_together() -> None:
    task = _task(Circle({"a": [1, 2], "b": [1, 2]}))
    with pytest.raises(InvalidValueError, match=r"task 'mine': Circle: .*2 → 1 leads back") as told:
        task.validate()
    assert "the last vertex, 3, can't be reached" in str(told.value)


def test_operations_that_build_does_not_know_are_told_together() -> None:
    task = _task(CELL, build=_looking_up({"none": nn.Identity}))
    with pytest.raises(InvalidValueError, match="build: KeyError: 'conv9', for") as told:
        task.validate()
    assert "build: KeyError: 'pool7', for" in str(told.value)
    # One that refuses in our words, for a space whose own networks have other operations.
    with pytest.raises(InvalidValueError, match=r"got \['conv9', 'pool7'\]; the network of NAS"):
        _task(CELL, build=lambda arch: CELL.build(arch)).validate()


def test_a_study_tells_before_it_asks(tmp_path: Path) -> None:
    study = op.Study("s", CELL, _never, objectives={"score": "max"}, method="random")
    study.task._build = _looking_up({})
    with pytest.raises(InvalidValueError, match="build: KeyError"):
        study.run(budget=2)
    assert not study.queries


def test_what_is_right_is_built_once_and_leaves_the_generator_alone() -> None:
    built: list[Architecture] = []

    def build(arch: Architecture) -> nn.Module:
        built.append(arch)
        return nn.Linear(2, 2)

    task = _task(CELL, build=build)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    task.validate()
    task.replaced().validate()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert 3 <= len(built) <= 8
    assert {option for arch in built for option in arch.values()} == set(CELL.operations)
    _task(CELL, build=build, in_memory=True).validate()  # a look-up builds nothing
    assert len(built) <= 8


def test_a_network_that_fails_for_another_reason_is_left_to_its_evaluation() -> None:
    def build(arch: Architecture) -> nn.Module:
        raise RuntimeError("out of memory")

    _task(CELL, build=build).validate()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, r"build: returned None; return the network, .*is `return` missing\?"),
        ({"a": 1}, "build: returned a dict; return the network"),
        (nn.Linear, r"build: returned the class Linear; .*: Linear\(\.\.\.\)"),
        ((nn.Linear(2, 2), 0.1), "build: returned a tuple; return the network, .* alone"),
        ([1], "build: returned a list; return the network, a torch.nn.Module$"),
        (lambda x: x, "build: returned a function; "),
        (nn.ModuleList([nn.Linear(2, 2)]), "build: returned a ModuleList, which has no `forward`"),
    ],
)
def test_what_build_returns_is_a_network(returned: object, message: str) -> None:
    task = _task(Chain({"a": [1, 2, 3]}), build=lambda arch: returned)
    with pytest.raises(InvalidValueError, match=f"^task 'mine': {message}"):
        task.validate()
    with pytest.raises(InvalidValueError, match=f"^{message}"):
        task.build(task.space.sample(1)[0])


def test_each_architecture_has_a_network_of_its_own() -> None:
    space, only = Chain({"a": [1, 2, 3]}), nn.Linear(2, 2)
    with pytest.raises(InvalidValueError, match="returned one network for two architectures"):
        _task(space, build=lambda arch: only).validate()
    _task(space, build=lambda arch: copy.deepcopy(only)).validate()


def test_what_the_build_of_a_space_returns_is_a_network() -> None:
    class Forgetful(Chain):
        def build(self, arch: Architecture) -> nn.Module:  # type: ignore[empty-body]
            """Has no return."""

    with pytest.raises(InvalidValueError, match="build: returned None"):
        _task(Forgetful({"a": [1, 2]})).validate()
