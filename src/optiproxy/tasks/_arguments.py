"""Checks of a task's arguments, before any query."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from optiproxy._example_input import tensors
from optiproxy.errors import invalid, unknown
from optiproxy.metrics import NOISE, Metric, Noise
from optiproxy.spaces import Space
from optiproxy.tasks.evaluation import Evaluator


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's arguments; empty where they can't be found."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def check_kinds(name: object, space: object, reported: object) -> None:
    """Raises InvalidValueError for an argument that is of another kind than it has to be."""
    if not isinstance(name, str) or not name:
        raise invalid("Task: name", name, "give a short text")
    if not isinstance(space, Space) and not callable(space):
        remedy = "give a search space, such as spaces.Chain({...}), or a model"
        raise invalid("Task: space", space, remedy)
    if isinstance(reported, str) or not isinstance(reported, Iterable):
        raise invalid("Task: reported", reported, "give a list of names")


def checked_evaluator(evaluator: Evaluator | None) -> Evaluator:
    """`evaluator` itself.

    Raises:
        InvalidValueError: It is no function, or one that does not return by itself.
    """
    if not callable(evaluator):
        raise invalid("Task: evaluate", evaluator, "give a function of one architecture")
    if inspect.iscoroutinefunction(evaluator):
        remedy = f"nothing awaits it: give lambda arch: asyncio.run({evaluator.__name__}(arch))"
        raise invalid("Task: evaluate", evaluator, remedy)
    if inspect.isgeneratorfunction(evaluator):
        raise invalid("Task: evaluate", evaluator, "it yields; it must return its metrics")
    return evaluator


def check_evaluator(function: Callable[..., Any], fidelities: Sequence[int]) -> None:
    """Raises InvalidValueError where an evaluator can't be called as a query calls it."""
    parameters = parameters_of(function)
    if fidelities and "epochs" not in parameters:
        raise invalid(
            "Task: evaluate", parameters, "with fidelities it must declare a keyword epochs"
        )
    declared = {"seed", "report", "folder"} & set(parameters)
    names = [*declared, "epochs"] if fidelities else [*declared]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # Some functions of C have no signature.
    try:
        signature.bind(None, **dict.fromkeys(names))
    except TypeError as error:
        raise invalid(
            "Task: evaluate",
            f"{getattr(function, '__name__', function)}{signature}",
            f"it must take one architecture, and of keywords seed, report, folder and (with "
            f"fidelities) epochs at most: {error}",
        ) from None


def checked_fidelities(fidelities: Iterable[int]) -> tuple[int, ...]:
    """The epochs as a tuple.

    Raises:
        InvalidValueError: They are no list of positive whole numbers, ascending.
    """
    remedy = "give a list of epochs, ascending, such as (12, 200)"
    if isinstance(fidelities, str) or not isinstance(fidelities, Iterable):
        raise invalid("Task: fidelities", fidelities, remedy)
    given = tuple(fidelities)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in given)
    if not whole or list(given) != sorted(set(given)):
        raise invalid("Task: fidelities", given, remedy)
    return given


def check_low_fidelity(task: str, epochs: int, fidelities: Sequence[int]) -> None:
    """Raises InvalidValueError unless `epochs` is a fidelity below the full one."""
    lower = fidelities[:-1]
    if epochs not in lower:
        remedy = f"task {task!r} has one fidelity alone: Task(fidelities=…) names more"
        if lower:
            remedy = f"give one of {', '.join(map(str, lower))}"
        raise invalid("low fidelity", epochs, remedy)


def metrics_by_name(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    """Name → metric.

    Raises:
        InvalidValueError: They are no list of names and metrics, each once.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise invalid("Task: metrics", metrics, "give a list of names or Metric objects")
    given: dict[str, Metric] = {}
    for metric in metrics:
        if not isinstance(metric, str | Metric):
            raise invalid("Task: metrics", metric, "give a name or a Metric")
        metric = Metric(metric) if isinstance(metric, str) else metric
        if metric.name in given:
            raise invalid("Task: metrics", metric.name, "give each metric once")
        given[metric.name] = metric
    return given


def noise_of(evaluator: Callable[..., Any]) -> Any:
    """What an evaluator says of noise; one that takes a seed can be repeated with another."""
    repeatable = "repeat" if "seed" in parameters_of(evaluator) else None
    return getattr(evaluator, "noise", repeatable)


def checked_noise(noise: Any) -> Noise | None:
    """`noise` itself.

    Raises:
        InvalidValueError: It is no kind of noise, nor None.
    """
    if noise is not None and noise not in NOISE:
        raise unknown("Task: noise", noise, NOISE)
    return noise  # type: ignore[no-any-return]


def input_function(example_input: Any) -> Callable[[], Any] | None:
    """The function of an example input that may be given itself, as tensors.

    Raises:
        InvalidValueError: It is neither.
    """
    given = example_input
    if tensors(list(given.values()) if isinstance(given, Mapping) else given):
        return partial(_itself, given)
    if given is not None and not callable(given):
        remedy = "give a tensor, several in a tuple, keywords in a mapping, or a function of these"
        raise invalid("Task: example_input", given, remedy)
    function: Callable[[], Any] | None = given
    return function


def _itself(value: Any) -> Any:
    return value


def check_functions(**functions: object) -> None:
    """Raises InvalidValueError for an argument that is neither a function nor None."""
    for argument, function in functions.items():
        if function is not None and not callable(function):
            raise invalid(f"Task: {argument}", function, "give a function, or leave it out")
