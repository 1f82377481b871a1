"""Numbers in containers of one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from optiproxy.metrics import Metric
from optiproxy.scalars import to_float
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Architecture, Chain
from optiproxy.study import Study
from optiproxy.tasks import Task

SPACE = Chain({"a": [1, 2, 3], "b": ["x", "y"]})
ARCH = SPACE.architecture({"a": 2, "b": "y"})

ONES: dict[str, Any] = {
    "array": np.array([0.75]),
    "0-d array": np.array(0.75),
    "matrix": np.array([[[0.75]]]),
    "array of objects": np.array([0.75], dtype=object),
    "0-d array of an array": np.array(None, dtype=object),
    "tensor": torch.tensor([0.75]),
    "tensor with a gradient": torch.tensor([[0.75]], requires_grad=True),
    "parameter": torch.nn.Parameter(torch.tensor([0.75])),
    "Series": pd.Series([0.75], index=["val"]),
    "DataFrame": pd.DataFrame({"val": [0.75]}),
    "list": [0.75],
    "tuple in a list": [(0.75,)],
    "array in a list": [np.array([[0.75]])],
    "tensor in an array": np.empty((1, 1), dtype=object),
    "number of numpy": np.float16(0.75),
}
ONES["0-d array of an array"][()] = np.array([0.75])
ONES["tensor in an array"][0, 0] = torch.tensor([0.75])

ONES["masked array"] = np.ma.array([0.75], mask=[False])
ONES["tensor with a gradient alone"] = torch.tensor(0.75, requires_grad=True)

SINGLE: dict[str, Any] = {
    "number": np.float32(3.2),
    "array": np.array([3.2], np.float32),
    "half": np.float16(3.2),
    "tensor": torch.tensor(3.2),
    "tensor with a gradient": torch.tensor([3.2], requires_grad=True),
    "Series": pd.Series([3.2], dtype="float32"),
    "array in a list": [np.array([3.2], np.float32)],
}

SEVERAL: dict[str, tuple[Any, str]] = {
    "array": (np.array([0.5, 1.0]), r"ndarray of shape \(2,\)"),
    "matrix": (np.zeros((2, 3)), r"ndarray of shape \(2, 3\)"),
    "empty": (np.zeros((0, 3)), r"ndarray of shape \(0, 3\)"),
    "tensor": (torch.zeros(1, 2), r"Tensor of shape \(1, 2\)"),
    "Series": (pd.Series([1.0, 2.0]), r"Series of shape \(2,\)"),
    "list": ([0.5, 1.0, 2.0], r"list of shape \(3,\)"),
    "array in a list": ([np.zeros(2)], r"list of shape \(2,\)"),
}
several = pytest.mark.parametrize(("value", "shape"), SEVERAL.values(), ids=SEVERAL)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", ONES.values(), ids=ONES)
def test_a_container_of_one_is_its_number_wherever_a_metric_is_read(value: Any) -> None:
    def evaluate(arch: Architecture, report: Any) -> dict[str, Any]:
        report(1, value)
        return {"score": value, "also": value, "measured": value}

    task = Task("toy", SPACE, evaluate, objectives={"score": "max"}, reported=["also"])
    evaluation = task.query(ARCH)
    assert evaluation.metrics == {"score": 0.75, "also": 0.75, "measured": 0.75}
    assert evaluation.curve == ((1, 0.75),)
    assert (evaluation.measured, evaluation.left_out) == ({}, ())
    assert Task("bare", SPACE, lambda arch: value, objectives={"score": "max"}).query(
        ARCH
    ).metrics == {"score": 0.75}
    counted = Metric("size", lambda arch: value, exact=True)
    limited = Task(
        "m",
        SPACE,
        lambda arch: 1.0,
        objectives={"score": "max"},
        constraints={"size": "<= 1"},
        metrics=[counted],
    )
    assert limited.query(ARCH).metrics == {"score": 1.0, "size": 0.75}
    optimizer = OptiProxy(SPACE, objectives={"score": "max"})
    optimizer.tell([ARCH], [{"score": value}])
    assert optimizer.best is not None
    assert optimizer.best.metrics == {"score": 0.75}


@several
def test_several_values_are_an_error_with_their_shape(value: Any, shape: str) -> None:
    with pytest.raises(TypeError, match=f"^{shape}, not one number$"):
        to_float(value)
    evaluation = Task(
        "toy", SPACE, lambda arch: {"score": value}, objectives={"score": "max"}
    ).query(ARCH)
    assert evaluation.metrics is None
    assert evaluation.kind == "mistake"
    with pytest.raises(AssertionError, match=f"score is {shape}, not one number; return one value"):
        raise AssertionError(evaluation.reason)

    def reports(arch: Architecture, report: Any) -> float:
        report(1, value)
        return 1.0

    evaluation = Task("toy", SPACE, reports, objectives={"score": "max"}).query(ARCH)
    assert evaluation.kind == "mistake"
    with pytest.raises(AssertionError, match=f"report: value: got .*{shape}"):
        raise AssertionError(evaluation.reason.replace("\n", " "))


def test_a_list_that_holds_itself_is_no_number() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TypeError, match="nested more than"):
        to_float(value)


def test_a_search_of_arrays_is_that_of_numbers() -> None:
    def study(wrap: Any) -> list[Any]:
        found = Study(
            "s", SPACE, lambda a: {"score": wrap(a["a"] / 4)}, objectives={"score": "max"}
        )
        found.run(5)
        return [record.metrics for record in found.queries]

    assert study(lambda v: np.array([[v]])) == study(float)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.ma.masked, np.ma.array([3], mask=[True])])
def test_what_is_masked_was_not_measured(value: Any) -> None:
    task = Task("toy", SPACE, lambda arch: {"score": value}, objectives={"score": "max"})
    assert task.query(ARCH).kind == "nan"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.complex64(1 + 2j), 1j, torch.tensor([1 + 2j])])
def test_a_complex_number_is_none(value: Any) -> None:
    task = Task("toy", SPACE, lambda arch: {"score": value}, objectives={"score": "max"})
    assert "which is no number" in task.query(ARCH).reason


@pytest.mark.parametrize("value", SINGLE.values(), ids=SINGLE)
def test_a_number_of_few_digits_is_read_as_it_is_written(value: Any) -> None:
    assert to_float(value) == 3.2


@pytest.mark.parametrize("value", [123456792.0, 3.4e38, math.inf, 1e-30, -0.5])
def test_other_numbers_of_few_digits_stay_what_they_are(value: float) -> None:
    assert to_float(np.float32(value)) == pytest.approx(float(np.float32(value)), rel=1e-8, abs=0)
    assert math.isnan(to_float(np.float32(math.nan)))
