"""Conformance cases for tasks."""

from __future__ import annotations

import math
import pickle

import pytest

from optiproxy.spaces import Space
from optiproxy.study import Study
from optiproxy.tasks import Task


class TaskCases:
    """The protocol of `optiproxy.Task`. The fixture `task` gives one that is quick to evaluate.

    Attributes:
        queries: How many architectures the cases evaluate, each twice.
    """

    queries = 4

    @pytest.fixture
    def task(self) -> Task:
        raise NotImplementedError("define the fixture `task`")

    def test_it_says_what_it_is(self, task: Task) -> None:
        assert task.name
        assert isinstance(task.space, Space)
        assert task.objectives
        assert not set(task.reported) & set(task.needed)
        if task.metrics:
            assert set(task.needed) | set(task.reported) <= set(task.metrics)

    def test_answers_have_what_is_needed_and_nothing_unnamed(self, task: Task) -> None:
        for arch in task.space.sample(self.queries):
            evaluation = task.query(arch, seed=1)
            if evaluation.metrics is None:
                assert evaluation.reason
                continue
            assert set(task.needed) <= set(evaluation.metrics)
            if task.metrics:
                assert set(evaluation.metrics) <= set(task.metrics)
            assert all(math.isfinite(evaluation.metrics[metric]) for metric in task.needed)
            assert not set(task.visible(evaluation.metrics)) & set(task.reported)

    def test_an_answer_is_a_function_of_architecture_and_seed(self, task: Task) -> None:
        measured = {metric for metric in task.metrics if metric.endswith(("_ms", "_mb"))}
        for arch in task.space.sample(self.queries):
            first, again = (task.query(arch, seed=1).metrics or {} for _ in range(2))
            assert {k: v for k, v in first.items() if k not in measured} == {
                k: v for k, v in again.items() if k not in measured
            }

    def test_no_answer_is_better_than_the_optimum(self, task: Task) -> None:
        if task.optimum is None:
            pytest.skip("its optimum is unknown")
        for arch in task.space.sample(self.queries):
            metrics = task.query(arch).metrics
            if metrics is not None and task.feasible(metrics):
                assert task.regret(metrics) >= -1e-9

    def test_it_travels_to_another_process(self, task: Task) -> None:
        import cloudpickle

        again: Task = pickle.loads(cloudpickle.dumps(task))
        (arch,) = task.space.sample(1)
        assert again.name == task.name
        assert again.space.fingerprint == task.space.fingerprint
        answers = [each.query(arch).metrics for each in (again, task)]
        # By name: latencies differ each time.
        assert [sorted(answer or {}) for answer in answers] == [sorted(answers[1] or {})] * 2

    def test_it_is_searched(self, task: Task) -> None:
        study = Study(task, method="random")
        study.run(self.queries)
        assert len(study.queries) == self.queries

    def test_its_networks_take_its_input(self, task: Task) -> None:
        if task.example_input is None:
            pytest.skip("it does not say what its networks take")
        inputs = task.example_input()
        model = task.build(task.space.sample(1)[0]).eval()
        assert model(*(inputs if isinstance(inputs, tuple) else (inputs,))) is not None
