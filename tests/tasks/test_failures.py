"""The kinds of failures, and what is kept of them."""

from __future__ import annotations

import errno
import math

import pytest

import optiproxy as op
from optiproxy.errors import MeasurementFailed
from optiproxy.tasks.failures import kind_of, traceback_of

SPACE = op.spaces.Chain({"width": [1, 2]})


class OutOfMemoryError(RuntimeError):
    """As torch's, whose text may be anything."""


class AcceleratorError(RuntimeError):
    """As torch's."""


class Unprintable(RuntimeError):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom"),
        (OutOfMemoryError("20 GiB"), "oom"),
        (RuntimeError("CUDA error: out of memory"), "oom"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "oom"),
        (RuntimeError("CUDA error: device-side assert triggered"), "device"),
        (RuntimeError("HIP error: invalid device function"), "device"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "device"),
        (AcceleratorError("unspecified launch failure"), "device"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576"), "disk"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "FileNotFoundError"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "RuntimeError"),
        (ValueError("a list out of memory order"), "ValueError"),
        (Unprintable(), "Unprintable"),
    ],
)
def test_an_exception_has_a_kind(error, kind):
    assert kind_of(error) == kind


def evaluation(error=None, value=1.0):
    def evaluate(arch):
        if error is not None:
            raise error
        return value

    return op.Task("t", SPACE, evaluate, objectives={"val": "max"}).query(
        SPACE.architecture({"width": 1})
    )


@pytest.mark.parametrize(
    ("error", "value", "kind", "reason"),
    [
        (None, math.nan, "nan", "val is nan"),
        (None, math.inf, "nan", "val is inf"),
        (None, "high", "mistake", "must return metrics"),
        (op.EvaluationFailed("it diverged"), 0, "EvaluationFailed", "it diverged"),
        (MeasurementFailed("no device"), 0, "MeasurementFailed", "no device"),
        (KeyError("lr"), 0, "KeyError", "KeyError: 'lr'"),
        (MemoryError("no more"), 0, "oom", "MemoryError: no more"),
        (SystemExit(3), 0, "SystemExit", "SystemExit: 3"),
    ],
)
def test_a_failed_evaluation_says_of_which_kind_it_is(error, value, kind, reason):
    found = evaluation(error, value)
    assert found.kind == kind
    assert reason in found.reason
    assert found.metrics is None
    assert found.traceback.startswith("Traceback (most recent call last)")


def test_a_traceback_leads_to_the_line_of_the_evaluator():
    assert (
        "raise error\nZeroDivisionError: 1 / 0" in evaluation(ZeroDivisionError("1 / 0")).traceback
    )


def test_a_result_has_no_kind_and_no_traceback():
    assert (evaluation().kind, evaluation().traceback) == ("", "")


def test_long_and_unprintable_tracebacks_are_kept_as_far_as_they_go():
    long = traceback_of(ValueError("x" * 50_000 + "end"))
    assert len(long) < 11_000
    assert long.rstrip().endswith("end")
    assert "Unprintable" in traceback_of(Unprintable())
    assert "\\udc80" in traceback_of(ValueError("\udc80"))


@pytest.mark.parametrize(("given", "expected"), [("2h", 7200.0), (90, 90.0), (None, None)])
def test_a_task_has_a_time_limit(given, expected):
    task = op.Task("t", SPACE, lambda arch: 1.0, objectives={"val": "max"}, time_limit=given)
    assert task.time_limit == expected


def test_a_time_limit_that_is_none():
    with pytest.raises(ValueError, match="Task: time_limit: got 'soon'"):
        op.Task("t", SPACE, lambda arch: 1.0, objectives={"val": "max"}, time_limit="soon")
