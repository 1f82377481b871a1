"""The shipped cases, on a task of each kind; those of tables need the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

import optiproxy as op
from optiproxy.testing import TaskCases


def score(arch: op.Architecture, seed: int) -> dict[str, float]:
    return {"val": arch["width"] / arch["depth"] + seed % 7, "test": 1.0}  # type: ignore[operator]


class TestOwn(TaskCases):
    @pytest.fixture
    def task(self) -> op.Task:
        space = op.spaces.Chain({"width": [8, 16], "depth": [1, 2, 3]})
        return op.Task("own", space, score, objectives={"val": "max"}, reported=["test"])


@pytest.mark.slow  # its networks are trained
class TestEmbedded(TaskCases):
    queries = 1

    @pytest.fixture
    def task(self) -> op.Task:
        return op.tasks.get("mnist1d")


TABLES = ["nb201-cifar100", "nasbench-graph-cora", "nasbench-macro", "spikenas-cifar10"]


@pytest.mark.parametrize("name", TABLES)
class TestTables(TaskCases):
    queries = 20

    @pytest.fixture
    def task(self, name: str, published: Path) -> op.Task:
        return op.tasks.get(name)
