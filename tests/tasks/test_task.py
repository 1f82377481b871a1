"""A task: what evaluators may return, what counts as failed, and which seed they get."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optiproxy.errors import DataError, EvaluationFailed, InvalidValueError
from optiproxy.metrics import Metric
from optiproxy.spaces import Architecture, Chain
from optiproxy.study import Study
from optiproxy.tasks import Origin, Task, evaluation_seed

SPACE = Chain({"a": [1, 2, 3], "b": ["x", "y"]})
ARCH = SPACE.architecture({"a": 2, "b": "y"})


def _task(evaluate: Callable[..., Any], **keywords: Any) -> Task:
    return Task("toy", SPACE, evaluate, **{"objectives": {"score": "max"}, **keywords})


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3), torch.tensor(3.0), True + 2])
def test_bare_number_is_the_only_objective(number: object) -> None:
    assert _task(lambda arch: number).query(ARCH).metrics == {"score": 3.0}


def test_bare_number_is_ambiguous_with_two_objectives() -> None:
    task = _task(lambda arch: 3.0, objectives={"score": "max", "size": "min"})
    assert task.query(ARCH).metrics is None


def _raise(error: BaseException) -> Callable[..., float]:
    def evaluate(arch: Architecture) -> float:
        raise error

    return evaluate


@pytest.mark.parametrize(
    ("evaluate", "reason"),
    [
        pytest.param(_raise(EvaluationFailed("out of memory")), "out of memory", id="on purpose"),
        pytest.param(_raise(ZeroDivisionError("oh")), "ZeroDivisionError: oh", id="raises"),
        pytest.param(lambda arch: math.nan, "score is nan", id="nan"),
        pytest.param(lambda arch: {"score": math.inf}, "score is inf", id="inf"),
        pytest.param(lambda arch: {"score": None}, "score is None, which is no number", id="null"),
        pytest.param(lambda arch: {"score": 10**400}, "number too large", id="too large"),
        pytest.param(lambda arch: {"scor": 1.0}, "no 'score', only scor", id="other metric"),
        pytest.param(lambda arch: {}, "no 'score', only an empty mapping", id="empty"),
        pytest.param(lambda arch: None, "returned None", id="nothing"),
        pytest.param(lambda arch: "3", "returned '3'", id="text"),
    ],
)
def test_failure_is_recorded_with_its_reason(evaluate: Callable[..., Any], reason: str) -> None:
    evaluation = _task(evaluate).query(ARCH)
    assert evaluation.metrics is None
    assert reason in evaluation.reason


def test_constrained_metric_is_needed_too() -> None:
    task = _task(lambda arch: {"score": 1.0, "ms": math.nan}, constraints={"ms": "<= 5"})
    assert task.query(ARCH).reason == "ms is nan"
    limited = _task(lambda arch: {"score": 1.0}, constraints={"latency_ms": "<= 5"})
    said = "no 'latency_ms', only score; of a task with networks --measure torch, or onnx, measures"
    assert said in limited.query(ARCH).reason


def test_metric_that_is_not_needed_may_be_missing() -> None:
    task = _task(lambda arch: {"score": 1.0, "test": math.nan}, reported=["test"])
    assert task.query(ARCH).metrics == {"score": 1.0}


@pytest.mark.parametrize(
    ("odd", "left_out"),
    [
        ("a text", ("odd",)),
        (1 + 2j, ("odd",)),
        ([0.1, 0.2], ("odd",)),
        (torch.zeros(2), ("odd",)),
        (10**400, ("odd",)),
        (None, ()),
        (math.nan, ()),
    ],
    ids=["text", "complex", "list", "tensor", "huge", "null", "nan"],
)
@pytest.mark.parametrize("reported", [[], ["odd"]])
def test_what_is_no_number_and_not_asked_for_is_left_out(
    odd: object, left_out: tuple[str, ...], reported: list[str]
) -> None:
    task = _task(lambda arch: {"score": 1.0, "odd": odd, "ms": 2.0}, reported=reported)
    evaluation = task.query(ARCH)
    assert evaluation.metrics == {"score": 1.0, "ms": 2.0}
    assert evaluation.left_out == left_out


@pytest.mark.parametrize("name", ["optiproxy:epochs", "optiproxy:query", "m\ud800"])
def test_what_can_not_be_stored_by_its_name_is_left_out(name: str, tmp_path: Path) -> None:
    task = _task(lambda arch: {"score": 1.0, name: 7.0})
    for storage in (tmp_path / "s.journal", f"sqlite:///{tmp_path}/s.db"):
        study = Study(task, method="random", storage=storage)
        study.run(3)
        assert any(f"{name!r} is no name of a metric" in note for note in study.notes)
        again = Study(task, method="random", storage=storage)
        assert [record.metrics for record in again.queries] == [{"score": 1.0}] * 3
    with pytest.raises(InvalidValueError, match="begin with 'optiproxy:'"):
        _task(lambda arch: 1.0, objectives={name: "max"})
    with pytest.raises(InvalidValueError, match="begin with 'optiproxy:'"):
        Metric(name)


def test_interruption_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        _task(_raise(KeyboardInterrupt())).query(ARCH)


def test_an_evaluator_that_exits_is_a_failure() -> None:
    # A training made of a script ends itself so; resumed, the search would end there again.
    assert _task(_raise(SystemExit("no GPU"))).query(ARCH).reason == "SystemExit: no GPU"


def test_seed_is_fixed_by_study_seed_and_architecture() -> None:
    task = _task(lambda arch, seed: float(seed))
    other = SPACE.architecture({"a": 1, "b": "y"})
    first, again = task.query(ARCH, seed=0).metrics, task.query(ARCH, seed=0).metrics
    assert first == again == {"score": float(evaluation_seed(0, ARCH))}
    assert task.query(ARCH, seed=1).metrics != first
    assert task.query(other, seed=0).metrics != first


def test_evaluation_seed_is_the_same_in_every_process() -> None:
    # Were it made from hash(), it would differ from run to run.
    assert evaluation_seed(0, ARCH) == 1838557678
    assert min(evaluation_seed(s, ARCH) for s in range(100)) >= 0
    assert max(evaluation_seed(s, ARCH) for s in range(100)) < 2**31


def test_missing_data_are_no_failed_architecture() -> None:
    def prepare() -> None:
        raise DataError("the table is not here")

    task = _task(lambda arch: 1.0, prepare=prepare)
    with pytest.raises(DataError, match="not here"):
        task.prepare()
    with pytest.raises(DataError, match="not here"):
        task.query(ARCH)


def test_what_prepare_raises_is_told_as_what_it_is() -> None:
    def prepare() -> None:
        raise FileNotFoundError("images.npz")

    task = _task(lambda arch: 1.0, prepare=prepare)
    told = f"^task '{task.name}' can't be prepared: FileNotFoundError: images.npz$"
    with pytest.raises(DataError, match=told) as raised:
        task.prepare()
    assert isinstance(raised.value.__cause__, FileNotFoundError)
    with pytest.raises(DataError, match=told):
        task.query(ARCH)


def test_train_and_build_are_the_given_functions() -> None:
    trained = torch.nn.Identity()
    task = _task(lambda arch: 1.0, train=lambda arch, seed: trained, build=lambda arch: trained)
    assert task.train is not None
    assert task.train(ARCH, 3) is trained
    assert task.build(ARCH) is trained
    assert _task(lambda arch: 1.0).train is None


def test_replaced_task_is_asked_for_something_else_and_leaves_the_first() -> None:
    task = _task(lambda arch: {"score": 1.0, "ms": 9.0}, metrics=["score", "ms"])
    other = task.replaced({"ms": "min"}, {"ms": "<= 5"})
    assert [o.metric for o in other.objectives] == ["ms"]
    assert not other.feasible({"score": 1.0, "ms": 9.0})
    assert [o.metric for o in task.objectives] == ["score"]
    assert task.constraints == ()
    with pytest.raises(InvalidValueError, match="did you mean 'score'"):
        task.replaced({"scor": "max"})


class Trained(Task):
    """A task of the user's, with arguments and an attribute of its own."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        super().__init__("trained", SPACE, self.score, objectives={"score": "max"})

    def score(self, arch: Architecture) -> float:
        return self.factor * arch["a"]  # type: ignore[operator]


def test_a_task_of_a_class_of_the_users_is_replaced_as_one_of_it() -> None:
    task = Trained(2.0)
    other = task.replaced(constraints={"ms": "<= 5"})
    assert isinstance(other, Trained)
    assert other.factor == 2.0
    assert other.evaluate(ARCH) == 4.0
    assert [str(c) for c in other.constraints] == ["ms <= 5"]
    assert task.constraints == ()


def test_a_replaced_task_is_like_one_that_was_made_so(tmp_path: Path) -> None:
    """All other arguments are handed on."""
    options: dict[str, Any] = {
        "reported": ["test"], "metrics": ["score", "ms", "test"], "build": _module_level,
        "train": _module_level, "example_input": _module_level, "prepare": lambda: None,
        "in_memory": True, "distinct": True, "features": {"f": _module_level}, "time_limit": "2h",
        "files": [tmp_path], "description": "toy", "origin": Origin("here"),
    }  # fmt: skip
    changed = {"objectives": {"ms": "min"}, "constraints": {"ms": "<= 5"}}
    made = vars(_task(_module_level, **{**options, **changed}))
    assert vars(_task(_module_level, **options).replaced(**changed)) == made


def test_what_the_evaluator_returns_is_had_without_its_keywords() -> None:
    def evaluate(arch: Architecture, seed: int, epochs: int, report: Any) -> float:
        report(1, 0.5)
        return 1000.0 * epochs + seed % 1000

    task = _task(evaluate, fidelities=(10, 200))
    seed = evaluation_seed(0, ARCH) % 1000
    assert task.evaluate(ARCH) == 200_000 + seed
    assert task.evaluate(ARCH, epochs=10, seed=1) == 10_001
    assert task.query(ARCH).metrics == {"score": 200_000 + seed}
    assert task.evaluator is evaluate
    with pytest.raises(ZeroDivisionError):
        _task(_raise(ZeroDivisionError())).evaluate(ARCH)


def _module_level(arch: Architecture) -> float:
    return 4.0


def test_task_of_importable_functions_is_pickled() -> None:
    task = _task(_module_level)
    for same in (pickle.loads(pickle.dumps(task)), copy.deepcopy(task)):
        assert same.query(ARCH).metrics == {"score": 4.0}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"name": ""}, "Task: name"),
        ({"space": {"a": [1]}}, "Task: space"),
        ({"evaluate": 3}, "Task: evaluate"),
        ({"objectives": {"score": "up"}}, "give a direction"),
        ({"objectives": {"test": "max"}, "reported": ["test"]}, "only reported"),
        ({"distinct": "yes"}, "Task: distinct: got 'yes'; give True or False"),
        ({"in_memory": 1}, "Task: in_memory: got 1; give True or False"),
    ],
)
def test_bad_argument_is_named(keywords: dict[str, Any], message: str) -> None:
    arguments = {
        "name": "toy", "space": SPACE, "evaluate": _module_level, "objectives": {"score": "max"},
    }  # fmt: skip
    with pytest.raises(InvalidValueError, match=message):
        Task(**{**arguments, **keywords})


def test_it_shows_what_it_is() -> None:
    task = _task(lambda arch: 1.0, constraints={"ms": "<= 5"})
    assert repr(task) == f"Task({task.name!r}, {SPACE!r}, score=max, ms <= 5)"


async def _awaited(arch: Architecture) -> float:
    return 1.0


def _yielding(arch: Architecture) -> Any:
    yield 1.0


@pytest.mark.parametrize(
    ("evaluate", "options", "said"),
    [
        (lambda: 1.0, {}, "must take one architecture"),
        (lambda arch, device: 1.0, {}, "missing a required argument: 'device'"),
        (lambda arch, epochs: 1.0, {}, r"\(with fidelities\) epochs.*'epochs'"),
        (lambda arch: 1.0, {"reported": "test"}, "Task: reported: got 'test'; give a list"),
        (lambda arch: 1.0, {"fidelities": 10}, "Task: fidelities: got 10; give a list"),
        (_awaited, {}, r"nothing awaits it: give lambda arch: asyncio.run\(_awaited\(arch\)\)"),
        (_yielding, {}, "it yields; it must return its metrics"),
        (lambda arch: 1.0, {"build": "resnet"}, "Task: build: got 'resnet'; give a function"),
    ],
)
def test_what_no_query_could_use_is_told_before_one(
    evaluate: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidValueError, match=said):
        _task(evaluate, **options)


def test_evaluators_of_every_shape_are_taken() -> None:
    class Trainer:
        def __call__(self, arch: Any, *, seed: int = 0, device: str = "cpu") -> float:
            return 1.0

    for evaluate in (Trainer(), lambda arch, **more: 1.0, lambda *args: 1.0, partial(max, 1.0)):
        assert _task(evaluate).query(ARCH) is not None


def test_a_reason_can_be_written_whatever_was_raised() -> None:
    class Cancelled(BaseException):
        pass

    def missing(arch: Architecture) -> float:
        raise OSError("no file a\udcff")

    def cancelled(arch: Architecture) -> float:
        raise Cancelled("by the loop")

    reasons = []
    for evaluate in (missing, cancelled):
        task = Task("t", SPACE, evaluate, objectives="score=max")
        reasons.append(task.query(SPACE.sample(1)[0]).reason)
    assert reasons == ["OSError: no file a\\udcff", "Cancelled: by the loop"]
    assert reasons[0].encode("utf-8")
