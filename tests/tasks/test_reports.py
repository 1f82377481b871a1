"""What an evaluator may call `report` with, and what is its mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optiproxy.spaces import Architecture, Chain
from optiproxy.study import Study
from optiproxy.tasks import Task

SPACE = Chain({"width": [1, 2, 3], "kernel": [3, 5, 7], "depth": [2, 4]})
ARCH = SPACE.architecture({"width": 2, "kernel": 3, "depth": 4})


def _task(*calls: tuple[Any, ...]) -> Task:
    def evaluate(arch: Architecture, report: Callable[..., None]) -> float:
        for call in calls:
            report(*call)
        return 1.0

    return Task("toy", SPACE, evaluate, objectives={"score": "max"})


@pytest.mark.parametrize("first", [0, 1, 5])
@pytest.mark.parametrize(
    "kind", [int, float, np.int64, np.float32, np.uint8, lambda e: np.array([e])]
)
def test_epochs_are_whole_numbers_from_anywhere(first: int, kind: Callable[[int], Any]) -> None:
    evaluation = _task(*((kind(first + e), 0.1 * e) for e in range(3))).query(ARCH)
    assert evaluation.reason == ""
    assert [epoch for epoch, _ in evaluation.curve] == [first, first + 1, first + 2]
    assert all(type(epoch) is int for epoch, _ in evaluation.curve)


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([(-1, 0.5)], "epoch: got -1; give whole numbers that grow, here 0 or more"),
        ([(0.5, 0.5)], "epoch: got 0.5; "),
        ([(True, 0.5)], "epoch: got True; "),
        ([(None, 0.5)], "epoch: got None; "),
        ([(float("nan"), 0.5)], "epoch: got nan; "),
        ([(0, 0.5), (0, 0.6)], "epoch: got 0; give whole numbers that grow, here 1 or more"),
        ([(3, float("nan")), (3, 0.6)], "epoch: got 3; "),
        ([(3, 0.5), (2, 0.6)], "epoch: got 2; "),
        ([(1,)], "value: got None; "),
        ([()], "epoch: got None; "),
        ([(1, 0.5, 0.7)], "got 0.7 too; give an epoch and a value alone"),
        ([(1, None)], "value: got None; give the objective's value, one number"),
        ([(1, {"score": 0.5})], "value: got {'score': 0.5}; "),
        ([(1, "good")], "value: got 'good'; "),
        ([(1, [0.1, 0.2])], "value: got [0.1, 0.2] (list of shape (2,), not one number); "),
    ],
)
def test_a_call_that_can_not_be_used_is_the_evaluators_mistake(
    calls: list[tuple[Any, ...]], reason: str
) -> None:
    evaluation = _task(*calls).query(ARCH)
    assert evaluation.metrics is None
    assert evaluation.kind == "mistake"
    assert evaluation.reason.startswith(f"report: {reason}")


@pytest.mark.parametrize(
    "returned",
    [None, "0.9", {"val_score": 0.9}, {"score": "good"}, {}, Architecture, {"score": [1, 2]}],
)
def test_a_wrong_return_value_is_the_evaluators_mistake(returned: Any) -> None:
    evaluation = Task("toy", SPACE, lambda arch: returned, objectives={"score": "max"}).query(ARCH)
    assert (evaluation.metrics, evaluation.kind) == (None, "mistake")


def test_a_search_counts_epochs_from_0_as_from_1() -> None:
    def study(first: int) -> Study:
        def evaluate(arch: Architecture, report: Callable[..., None]) -> float:
            for epoch in range(20):
                report(first + epoch, arch["width"] * (epoch + 1) / 20)
            return float(arch["width"])

        found = Study(Task("toy", SPACE, evaluate, objectives={"score": "max"}), method="random")
        found.run(12)
        return found

    zero, one = study(0), study(1)
    known = [(r.architecture, r.metrics, r.stopped) for r in zero.queries]
    assert known == [(r.architecture, r.metrics, r.stopped) for r in one.queries]
    stopped = [
        (a.cost, b.cost) for a, b in zip(zero.queries, one.queries, strict=True) if a.stopped
    ]
    assert stopped
    assert set(stopped) == {(2 / 20, 2 / 20)}
