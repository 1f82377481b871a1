"""The metrics of a task: those that are known before a training, and what measures them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optiproxy.metrics import Function, Metric
from optiproxy.spaces import Architecture
from optiproxy.tasks._arguments import metrics_by_name
from optiproxy.tasks._device import Device, device_of, is_command
from optiproxy.tasks.networks import Costs

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.nn import ModelSpace


@dataclass(frozen=True)
class TaskMetrics:
    """The metrics of a task; see `Task` for the attributes of the same names.

    Attributes:
        given: As the user gave them, with the costs of a model's networks.
        names: All of them; empty where what `evaluate` returns is unknown.
    """

    given: tuple[str | Metric, ...]
    names: tuple[str, ...]
    exact: dict[str, Function]
    cheap: dict[str, Function]
    measure: str | None
    device: Device | None


def read_metrics(
    task: str,
    metrics: Sequence[str | Metric],
    *,
    complete: bool,
    model_space: ModelSpace | None,
    measure: str | None,
    measured: Sequence[str] | None,
    build: Callable[[Architecture], nn.Module] | None,
    example_input: Callable[[], Any] | None,
) -> TaskMetrics:
    """The metrics of a task, by its arguments of the same names.

    Args:
        task: Its name.
        complete: Whether the list is complete even if it has `Metric` objects alone.
        model_space: Whose networks' costs are metrics too; None for none.

    Raises:
        InvalidValueError: They can't be used, or the networks can't be measured.
    """
    known = metrics_by_name(metrics)
    # Objects alone add to what `evaluate` returns; a name says that the list is complete.
    complete = complete or any(isinstance(metric, str) for metric in metrics)
    if model_space is not None:
        metrics = (*metrics, *Costs(model_space, example_input).metrics(known))
        known = metrics_by_name(metrics)
    names = tuple(known) if complete else ()
    by_device = [m.name for m in known.values() if m.cheap and not m.function]
    how = measure or ("torch" if by_device else None)
    device = None
    if how is not None:
        device = device_of(task, how, build, example_input, by_device, measured)
    if names and measure is not None and device is not None:
        # A command may print metrics that no list names.
        found = None if is_command(measure) else device.metrics
        names = tuple(dict.fromkeys((*names, *found))) if found else ()
    return TaskMetrics(
        given=tuple(metrics),
        names=names,
        exact={name: m.function for name, m in known.items() if m.exact and m.function},
        cheap={name: m.function for name, m in known.items() if m.cheap and m.function},
        measure=how,
        device=device,
    )
