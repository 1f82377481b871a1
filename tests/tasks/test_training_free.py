"""Which training-free scores a task has, and a study that uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.scores import AUTO, NetworkScores
from optiproxy.spaces import NB201_OPERATIONS, Architecture, Cell, Chain

SPACE = Chain({"width": [4, 8, 16, 32], "depth": [1, 2, 3], "act": ["relu", "gelu", "tanh"]})


def build(arch: Architecture) -> nn.Module:
    act = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[str(arch["act"])]
    layers = [nn.Linear(4, arch["width"])]
    for _ in range(arch["depth"]):
        layers += [act(), nn.Linear(arch["width"], arch["width"])]
    return nn.Sequential(*layers, nn.Linear(arch["width"], 2))


def evaluate(arch: Architecture) -> float:
    return float(arch["width"] * arch["depth"])


def task(**options: Any) -> op.Task:
    given: dict[str, Any] = {"build": build, "example_input": lambda: torch.zeros(1, 4)}
    return op.Task("t", SPACE, evaluate, objectives={"y": "max"}, **{**given, **options})


def test_networks_are_scored_by_default_where_queries_are_trainings() -> None:
    assert task().score_names == AUTO
    assert isinstance(task().features, NetworkScores)
    assert task(in_memory=True).features == {}
    assert task(build=None).features == {}
    assert task(features="none").features == {}
    assert task(example_input=None).features == {}
    assert task().replaced(features="none").replaced().features == {}


def test_scores_are_named() -> None:
    scores = task(features="naswot, parameters").features
    assert isinstance(scores, NetworkScores)
    assert scores.names == ("naswot", "parameters")
    own = {"width": lambda arch: arch["width"]}
    named = task(features=own)
    assert named.features == own
    other = {"depth": lambda arch: arch["depth"]}
    assert named.replaced(features=other).features == other


def test_a_published_space_has_small_networks() -> None:
    cell = Cell(nodes=4, operations=NB201_OPERATIONS)
    scores = op.Task("t", cell, evaluate, objectives={"y": "max"}, features="parameters").features
    assert isinstance(scores, NetworkScores)
    assert scores(cell.sample(2)).values.min() > 0


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ("naswott", "features: got 'naswott'.*did you mean 'naswot'"),
        (3, "Task: features: got 3"),
        ({"size": 3}, "Task: features: got"),
    ],
)
def test_what_can_not_be_used_is_an_error(features: Any, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        task(features=features)


def test_scores_of_a_task_without_networks_are_an_error_before_the_first_query() -> None:
    without = task(build=None, features="auto")
    with pytest.raises(InvalidValueError, match="give the task `build` and `example_input`"):
        op.Study(without).run(2)


def test_a_study_scores_networks_and_is_resumed_with_them(tmp_path: Path) -> None:
    storage = tmp_path / "s.journal"
    whole = op.Study(task(), name="whole")
    whole.run(14)
    networks, seconds = whole.scored
    assert 20 < networks <= SPACE.count
    assert seconds > 0
    op.Study(task(), name="s", storage=storage).run(6)
    assert op.Study(task(), name="s", storage=storage).scored == (0, 0.0)  # Only when it runs.
    study = op.Study(task(), name="s", storage=storage)
    study.run(14)
    asked = [[q.architecture for q in s.queries] for s in (whole, study)]
    assert asked[0] == asked[1]
    with pytest.raises(StudyError, match=r"features: .*parameters.* there, .* here"):
        op.Study(task(features="none"), name="s", storage=storage)


def test_networks_that_can_not_be_built_are_noted_and_end_no_search() -> None:
    def broken(arch: Architecture) -> nn.Module:
        if arch["width"] > 4:
            raise RuntimeError("out of widths")
        return build(arch)

    study = op.Study(task(build=broken))
    study.run(4)
    assert len(study.queries) == 4
    assert any("out of widths" in note for note in study.notes)


def test_scores_are_a_setting_of_a_method() -> None:
    study = op.Study(task(features="none"), method="optiproxy[features=parameters+flops]")
    assert study.task.score_names == ("parameters", "flops")
    assert op.Study(task(), method="optiproxy[features=none]").task.score_names == ()
    assert op.Study(task(), method="optiproxy[features=auto]").task.score_names == AUTO
    with pytest.raises(InvalidValueError, match="setting: got 'features'"):
        op.Study(task(), method="random[features=auto]")
