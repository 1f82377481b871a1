"""A task whose networks are measured beside their evaluation (``--measure``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from optiproxy.errors import MeasurementFailed, OptiProxyError, invalid
from optiproxy.metrics import SAMPLE, SAMPLE_MEASURED, Function
from optiproxy.spaces import Architecture

if TYPE_CHECKING:
    from optiproxy.tasks.task import Task


# What the runtimes of this machine measure; see `hardware.Measurement`.
METRICS = ("latency_ms", "size_mb", "peak_memory_mb")


def is_command(text: str) -> bool:
    """Whether it is the user's device; what is no command either is refused by `check`."""
    return text not in ("onnx", "torch")


# Command → what it told of the first network; beside this, it may tell anything.
_TOLD: dict[str, frozenset[str]] = {}


def tells(task: Task, name: str) -> bool:
    """Whether the device tells a metric; of a command that has not been asked yet it may be so."""
    if task.measure is None:
        return False
    told = _TOLD.get(task.measure) if is_command(task.measure) else METRICS
    return told is None or name in told


def measures(task: Task, metric: str) -> bool:
    """Whether `metric` is measured before the evaluation; a command may measure any."""
    return task.measure is not None and (is_command(task.measure) or metric in METRICS)


def check(task: Task, text: str) -> None:
    """Raises InvalidValueError where `task` can't be measured by `text`, before any query."""
    from optiproxy.hardware import runtime_of

    runtime_of(text)
    if task.example_input is None:
        raise invalid(
            "measure",
            text,
            f"task {task.name!r} does not say what its networks read: Task(example_input=…)",
        )
    if not task.can_build:
        raise invalid("measure", text, f"task {task.name!r} builds no network: Task(build=…)")


def check_named(task: Task, names: Sequence[str]) -> None:
    """Has cheap metrics without a function measured in torch.

    Raises:
        InvalidValueError: One is nothing that can be measured, or `task` has no networks.
    """
    for name in names:
        if name not in METRICS:
            raise invalid(
                f"Metric {name!r}: function",
                None,
                f"give one: without it only {', '.join(METRICS)} can be measured",
            )
    if names:
        check(task, "torch")
        task.measure = "torch"


def measured(task: Task, arch: Architecture) -> dict[str, Any]:
    """The metrics of the untrained network of `arch`, ``latency_ms`` among them.

    Raises:
        MeasurementFailed: It could not be built or measured.
    """
    from optiproxy.hardware import measure, runtime_of

    assert task.measure is not None
    assert task.example_input is not None
    try:
        network = task.build(arch)
    except OptiProxyError:
        raise
    except Exception as error:
        raise MeasurementFailed(
            f"measurement: the network can't be built: {type(error).__name__}: {error}"
        ) from error
    found = measure(network, task.example_input(), runtime=runtime_of(task.measure)).metrics()
    _TOLD.setdefault(task.measure, frozenset(found))
    return found


def metric(task: Task, name: str, own: Function | None, arch: Architecture) -> Any:
    """One metric of the untrained network of `arch`, by the task's own function where the device
    does not tell it.

    Raises:
        MeasurementFailed: It could not be built or measured, or nobody tells it.
    """
    if own is not None and not tells(task, name):
        return own(arch)
    found = measured(task, arch)
    if name not in found and own is not None:
        return own(arch)
    if name not in found:
        raise MeasurementFailed(f"measurement: it tells {', '.join(found)}, and no {name}")
    return found[name]


def sampling(task: Task, name: str) -> tuple[Function | None, int]:
    """How a metric is sampled for a relative limit: its function, and for how many."""
    function = task.training_free(name)
    if name in task.exact or not measures(task, name):
        return function, SAMPLE
    return partial(metric, task, name, function), SAMPLE_MEASURED
