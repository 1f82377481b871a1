"""One query of a task: what its evaluator is given, and how its answer is read."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from optiproxy.errors import EvaluationFailed, EvaluatorMistake
from optiproxy.metrics import Constraint, Function, Objective, is_name
from optiproxy.scalars import is_number, to_float
from optiproxy.spaces import Architecture
from optiproxy.tasks._arguments import parameters_of
from optiproxy.tasks._device import Device
from optiproxy.tasks._early_stopping import Curve, Stopped
from optiproxy.tasks.evaluation import Evaluation, evaluation_seed
from optiproxy.tasks.failures import NOT_FINITE, kind_of, traceback_of

# Characters of a wrong return value that a message has.
_REPR = 200


class Queried(Protocol):
    """What a query reads of a task; see `Task`."""

    @property
    def evaluator(self) -> Callable[..., object]: ...
    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def needed(self) -> tuple[str, ...]: ...
    @property
    def exact(self) -> Mapping[str, Function]: ...
    @property
    def cheap(self) -> Mapping[str, Function]: ...
    @property
    def fidelities(self) -> tuple[int, ...]: ...
    @property
    def device(self) -> Device | None: ...


def keywords(
    task: Queried,
    arch: Architecture,
    seed: int,
    epochs: int | None,
    curve: Curve,
    folder: Path | None,
) -> dict[str, Any]:
    """The evaluator's keywords, of those that it declares."""
    parameters = parameters_of(task.evaluator)
    found: dict[str, Any] = {}
    if "seed" in parameters:
        found["seed"] = evaluation_seed(seed, arch)
    if task.fidelities:
        found["epochs"] = task.fidelities[-1] if epochs is None else epochs
    if "report" in parameters:
        found["report"] = curve
    if "folder" in parameters:
        found["folder"] = folder
    return found


def answer(
    task: Queried,
    arch: Architecture,
    seed: int,
    epochs: int | None,
    curve: Curve,
    folder: Path | None,
) -> Evaluation:
    """Evaluates one architecture; see `Task.query`."""
    given = keywords(task, arch, seed, epochs, curve, folder)

    def evaluate() -> object:
        with _forks_end():
            return task.evaluator(arch, **given)

    return evaluated(task, arch, evaluate, curve, given.get("epochs"))


def evaluated(
    task: Queried,
    arch: Architecture,
    evaluate: Callable[[], object] | None,
    curve: Curve,
    epochs: int | None = None,
) -> Evaluation:
    """An architecture's evaluation; whatever goes wrong in it is a failure.

    Args:
        task: What is searched.
        arch: An architecture of its space.
        evaluate: The rest of the evaluation, if no limit is broken by what is measured before;
            None for those measurements alone.
        curve: What `evaluate` reports to.
        epochs: How many it trains for, if that is known.
    """
    known: dict[str, Any] = {}
    start = time.perf_counter()
    try:
        # Measured first: a network that can't be measured is not trained.
        for found in _preliminary(task, arch):
            known = {**found, **known}
            if _broken(task, known):
                break
        broken = _broken(task, known)
        if broken or evaluate is None:
            seconds = time.perf_counter() - start
            return Evaluation(_finite(known), seconds, dropped=broken, measured=_how(known))
        # Training-free values override the evaluator's: by them it was decided to train.
        found = {**_mapping(task, evaluate(), known), **known}
        metrics, left_out = _checked(task, found)
    except Stopped as error:
        # Without fidelities, a full training is as long as the longest one so far.
        length = epochs or curve.longest
        return Evaluation(
            None,
            time.perf_counter() - start,
            str(error),
            curve=tuple(curve.points),
            stopped=True,
            known=_finite(known),
            cost=min(1.0, error.trained / length),
        )
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        failure = _failure(error, time.perf_counter() - start)
        return replace(failure, curve=tuple(curve.points))
    seconds = time.perf_counter() - start
    return Evaluation(
        metrics, seconds, measured=_how(found), curve=tuple(curve.points), left_out=left_out
    )


@contextmanager
def folder_of(task: Queried, folder: Path | None = None) -> Iterator[Path | None]:
    """The folder for the evaluator: `folder`, by default a temporary one; None if it takes none."""
    if "folder" not in parameters_of(task.evaluator) or folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="optiproxy-") as temporary:
        yield Path(temporary)


class _NotFinite(EvaluationFailed):
    """A metric that is NaN or infinite."""


def _failure(error: BaseException, seconds: float) -> Evaluation:
    kind, name, text = kind_of(error), type(error).__name__, said(error)
    if isinstance(error, EvaluationFailed):
        reason = text or name
        kind = NOT_FINITE if isinstance(error, _NotFinite) else kind
    else:
        reason = f"{name}: {text}"
    return Evaluation(None, seconds, reason, kind=kind, traceback=traceback_of(error))


@contextmanager
def _forks_end() -> Iterator[None]:
    """Ends a process that the evaluator forked, however it leaves: it is no second search."""
    process, code = os.getpid(), 1
    try:
        yield
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    finally:
        if os.getpid() != process:
            os._exit(code)


def said(error: BaseException) -> str:
    """An exception's text, as far as it has one that can be stored and printed."""
    try:
        text = str(error)
    except Exception:  # Of the user's own class.
        return ""
    # What is no text of Unicode, such as the name of a file, can't be stored or printed.
    return text.encode("utf-8", "backslashreplace").decode()


def number(metric: str, value: Any) -> float:
    """A metric's value as a plain number.

    Raises:
        EvaluatorMistake: It is none.
        EvaluationFailed: It is None, for what was not measured, or too large for a float.
    """
    if value is None:
        raise EvaluationFailed(f"{metric} is None, which is no number")
    try:
        return to_float(value)
    except TypeError as error:
        if "of shape" in str(error):
            remedy = "return one value, such as the last or their mean"
            raise EvaluatorMistake(f"{metric} is {error}; {remedy}") from None
        raise EvaluatorMistake(f"{metric} is {value!r}, which is no number") from None
    except (ValueError, RuntimeError):
        raise EvaluatorMistake(f"{metric} is {value!r}, which is no number") from None
    except OverflowError:
        raise EvaluationFailed(f"{metric} is a whole number too large for a float") from None


def _preliminary(task: Queried, arch: Architecture) -> Iterator[dict[str, Any]]:
    """What is measured of an architecture before its training, the cheapest first.

    First the exact metrics, then the task's own cheap metrics, then those of the device, which
    override the task's own. The values are as the functions gave them: a `hardware.Measurement`
    also says how it was made.

    Raises:
        EvaluationFailed: A measurement, or an exact metric that is needed, is no finite number.
    """
    counted = {}
    for name, function in task.exact.items():
        if name in task.needed:
            counted[name] = function(arch)
            _check_finite(name, counted[name])
        else:  # What no limit needs is no reason to lose a training.
            with suppress(Exception):
                counted[name] = function(arch)
    yield counted
    device = task.device
    later = {n: f for n, f in task.cheap.items() if device is not None and device.may_measure(n)}
    yield from _measured_here(arch, {n: f for n, f in task.cheap.items() if n not in later})
    if device is not None:
        found = device.measured(arch)
        yield found
        yield from _measured_here(arch, {n: f for n, f in later.items() if n not in found})


def _measured_here(
    arch: Architecture, functions: Mapping[str, Function]
) -> Iterator[dict[str, Any]]:
    for name, function in functions.items():
        measured = function(arch)
        _check_finite(name, measured)
        yield {name: measured}


def _check_finite(name: str, value: Any) -> None:
    """Raises EvaluationFailed where it is no finite number."""
    if not math.isfinite(known := number(name, value)):
        raise _NotFinite(f"{name} is {known}")


def _broken(task: Queried, known: Mapping[str, Any]) -> str:
    """Which limit is broken by what is known; empty for none."""
    numbers = _finite(known)
    for c in task.constraints:
        if c.metric in numbers and not c.relative and c.violation(numbers[c.metric]) > 0:
            return f"{c.metric} is {numbers[c.metric]:g}, not {c}"
    return ""


def _mapping(task: Queried, result: object, known: Mapping[str, Any]) -> dict[str, Any]:
    # A bare number may also come as a scalar or an array of numpy or torch.
    bare = not isinstance(result, Mapping) and is_number(result)
    unknown = [o.metric for o in task.objectives if o.metric not in known]
    if bare and len(unknown) == 1:
        result = {unknown[0]: result}
    if not isinstance(result, Mapping):
        metrics = ", ".join(f"{o.metric!r}: number" for o in task.objectives)
        raise EvaluatorMistake(
            f"the evaluator returned {_short(result)}; it must return metrics, {{{metrics}}}"
        )
    return {str(name): value for name, value in result.items()}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _REPR else f"{text[:_REPR]}…"


def _checked(task: Queried, found: Mapping[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """The metrics, and the names of values that are no metrics and not needed."""
    metrics, left_out = {}, []
    for name, value in found.items():
        if not is_name(name):
            left_out.append(name)
            continue
        try:
            metrics[name] = number(name, value)
        except EvaluationFailed:
            if name in task.needed:
                raise
            # No reason to lose a training. None means that it was not measured.
            if value is not None:
                left_out.append(name)
    for metric in task.needed:
        value = metrics.get(metric)
        if value is None:
            raise EvaluatorMistake(
                f"the evaluator returned no {metric!r}, "
                f"only {', '.join(metrics) or 'an empty mapping'}"
            )
        if not math.isfinite(value):
            raise _NotFinite(f"{metric} is {value}")
    # The others are left out where they were not measured: NaN is no number in JSON.
    return _finite(metrics), tuple(left_out)


def _how(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How metrics were measured, where the values say it, as a `hardware.Measurement` does."""
    return {
        name: json.loads(json.dumps(said, default=_plain))
        for name, value in found.items()
        # A Series of pandas has both methods too, and gives a text.
        if hasattr(value, "__float__")
        and hasattr(value, "to_json")
        and isinstance(said := value.to_json(), dict)
    }


def _plain(value: Any) -> float | str:
    """A value that JSON has no type for, such as a number of numpy's."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return repr(value)


def _finite(found: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers, without those that could not be measured."""
    metrics = {name: number(name, value) for name, value in found.items()}
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
