"""That what this package adds follows OptiProxy's protocols: one subclass each."""

import pytest
import torch
from torch import nn

import optiproxy as op
import stripes
from optiproxy.testing import OptimizerCases, ProxyCases, SpaceCases, TaskCases


class TestStrided(SpaceCases):
    @pytest.fixture
    def space(self):
        return stripes.task().space


class TestStripes(TaskCases):
    @pytest.fixture
    def task(self):
        return stripes.task()


class TestRidge(ProxyCases):
    @pytest.fixture
    def make(self):
        return stripes.Ridge


class TestNeighbours(OptimizerCases):
    @pytest.fixture
    def make(self):
        return stripes.Neighbours


def test_the_score_needs_no_training():
    model, batch = nn.Linear(8, 4), torch.randn(16, 8)
    assert stripes.output_spread(model, batch) > 0
    assert stripes.output_spread(model, 2 * batch) > stripes.output_spread(model, batch)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("tasks", "stripes"), ("proxies", "ridge"), ("methods", "neighbours")],
)
def test_each_has_its_name(kind, name):
    registry = {
        "tasks": op.tasks.TASKS,
        "proxies": op.proxies.PROXIES,
        "methods": op.methods.METHODS,
    }[kind]
    assert callable(registry.get(name))


def test_a_search_with_all_of_them():
    task = stripes.task()
    scores = op.scores.NetworkScores(
        task.space, task.build, task.example_input(), names=["output_spread"]
    )
    assert scores(task.space.sample(5)).values.shape == (5, 1)
    study = op.Study(task, proxy="ridge")
    study.run(budget=12)
    assert study.best.metrics["val_accuracy"] > 40  # 25 is chance
