"""A device that measures each network beside its evaluation (``--measure``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from optiproxy._example_input import tensors
from optiproxy.errors import DataError, MeasurementFailed, OptiProxyError, invalid
from optiproxy.metrics import Function
from optiproxy.spaces import Architecture

if TYPE_CHECKING:
    from torch import nn

# What the runtimes of this machine measure; see `hardware.Measurement`.
METRICS = ("latency_ms", "size_mb", "peak_memory_mb")


class Device:
    """Measures untrained networks, by a runtime of this machine or by the user's command.

    Args:
        text: ``"onnx"``, ``"torch"`` or a command with ``{onnx}`` in it.
        build: Architecture → network.
        example_input: One input of the networks, or a tuple of several.
        metrics: What the command prints, where that is known; a runtime measures `METRICS`.

    Attributes:
        metrics: What it measures; None where that is unknown: a command may print any metric.
    """

    def __init__(
        self,
        text: str,
        build: Callable[[Architecture], nn.Module],
        example_input: Callable[[], Any],
        metrics: Sequence[str] | None = None,
    ) -> None:
        self.text = text
        self.metrics: tuple[str, ...] | None = METRICS
        if is_command(text):
            self.metrics = None if metrics is None else tuple(metrics)
        self._build = build
        self._example_input = example_input

    def validate(self) -> None:
        """Raises InvalidValueError where the example input is none that can be measured."""
        given = self._example_input()
        if not tensors(given):
            raise invalid(
                "measure",
                self.text,
                f"the task's example_input is a {type(given).__name__}; give a tensor, or several "
                "in a tuple, or a function of your own: Metric('latency_ms', function, cheap=True)",
            )

    def may_measure(self, metric: str) -> bool:
        return self.metrics is None or metric in self.metrics

    def learn_metrics(self, archs: Iterable[Architecture]) -> None:
        """Measures the first of `archs` that can be measured, for the names of the metrics.

        Always the same networks are tried, so that the order of later measurements does not depend
        on which query came first.

        Raises:
            DataError: None can be measured.
        """
        problem: MeasurementFailed | None = None
        for arch in archs if self.metrics is None else ():
            try:
                self.metrics = tuple(self.measured(arch))
                return
            except MeasurementFailed as error:
                problem = error
        if problem is not None:
            raise DataError(f"measure: {self.text!r} measured no network: {problem}") from problem

    def measured(self, arch: Architecture) -> dict[str, Any]:
        """The metrics of the untrained network of `arch`, ``latency_ms`` among them.

        Raises:
            MeasurementFailed: It could not be built or measured.
        """
        from optiproxy.hardware import measure, runtime_of

        try:
            network = self._build(arch)
        except OptiProxyError:
            raise
        except Exception as error:
            raise MeasurementFailed(
                f"measurement: the network can't be built: {type(error).__name__}: {error}"
            ) from error
        return measure(network, self._example_input(), runtime=runtime_of(self.text)).metrics()

    def metric(self, name: str, own: Function | None, arch: Architecture) -> Any:
        """One metric of the untrained network of `arch`; by the task's `own` function where the
        device does not measure it.

        Raises:
            MeasurementFailed: It could not be built or measured, or nothing gives this metric.
        """
        if own is not None and not self.may_measure(name):
            return own(arch)
        found = self.measured(arch)
        if name in found:
            return found[name]
        if own is None:
            raise MeasurementFailed(f"measurement: it has {', '.join(found)}, and no {name}")
        return own(arch)


def is_command(text: str) -> bool:
    """Whether it is the user's command, and no runtime of this machine."""
    return text not in ("onnx", "torch")


def device_of(
    task: str,
    text: str,
    build: Callable[[Architecture], nn.Module] | None,
    example_input: Callable[[], Any] | None,
    named: Sequence[str],
    metrics: Sequence[str] | None,
) -> Device:
    """The device of a task.

    Args:
        task: The task's name.
        text: See `Device`.
        build: Of the task or its space, or None.
        example_input: The task's, or None.
        named: Cheap metrics without a function.
        metrics: See `Device`.

    Raises:
        InvalidValueError: The networks can't be measured, or not by `text`.
        OptiProxyError: What the runtime needs is not installed.
    """
    from optiproxy.hardware import runtime_of

    for name in named:
        if name not in METRICS:
            raise invalid(
                f"Metric {name!r}: function",
                None,
                f"give one: without it only {', '.join(METRICS)} can be measured",
            )
    runtime_of(text)
    if example_input is None:
        raise invalid(
            "measure",
            text,
            f"task {task!r} does not say what its networks read: give it one input, "
            "Task(…, example_input=torch.zeros(1, …))",
        )
    if build is None:
        raise invalid("measure", text, f"task {task!r} builds no network: Task(build=…)")
    return Device(text, build, example_input, metrics)
