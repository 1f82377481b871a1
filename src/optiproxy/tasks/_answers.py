"""How the answer to a query is read: which values are metrics, and what is a failure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from optiproxy.errors import EvaluationFailed, EvaluatorMistake
from optiproxy.metrics import Objective, is_name
from optiproxy.scalars import is_number, to_float
from optiproxy.tasks._device import METRICS as DEVICE_METRICS
from optiproxy.tasks.evaluation import Evaluation
from optiproxy.tasks.failures import NOT_FINITE, kind_of, traceback_of

# Characters of a wrong return value that a message has.
_REPR = 200


class _NotFinite(EvaluationFailed):
    """A metric that is NaN or infinite."""


def failure(error: BaseException, seconds: float) -> Evaluation:
    kind, name, text = kind_of(error), type(error).__name__, said(error)
    if isinstance(error, EvaluationFailed):
        reason = text or name
        kind = NOT_FINITE if isinstance(error, _NotFinite) else kind
    else:
        reason = f"{name}: {text}"
    return Evaluation(None, seconds, reason, kind=kind, traceback=traceback_of(error))


def said(error: BaseException) -> str:
    """An exception's text, as far as it has one that can be stored and printed."""
    try:
        text = str(error)
    except Exception:  # Of the user's own class.
        return ""
    # Surrogates, as in some file names, can't be stored or printed.
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


def check_finite(name: str, value: Any) -> None:
    """Raises EvaluationFailed where it is no finite number."""
    if not math.isfinite(known := number(name, value)):
        raise _NotFinite(f"{name} is {known}")


def mapping(
    result: object, objectives: Sequence[Objective], known: Mapping[str, Any]
) -> dict[str, Any]:
    """What an evaluator returned, as metric → value.

    Args:
        result: A mapping, or a bare number where one objective is not `known`.
        objectives: The task's.
        known: The metrics that were measured before.

    Raises:
        EvaluatorMistake: It is something else.
    """
    # A bare number may also come as a scalar or an array of numpy or torch.
    bare = not isinstance(result, Mapping) and is_number(result)
    unknown = [o.metric for o in objectives if o.metric not in known]
    if bare and len(unknown) == 1:
        result = {unknown[0]: result}
    if not isinstance(result, Mapping):
        metrics = ", ".join(f"{o.metric!r}: number" for o in objectives)
        raise EvaluatorMistake(
            f"the evaluator returned {_short(result)}; it must return metrics, {{{metrics}}}"
        )
    return {str(name): value for name, value in result.items()}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _REPR else f"{text[:_REPR]}…"


def checked(
    found: Mapping[str, Any], needed: Sequence[str]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The metrics, and the names of values that are no metrics and not needed.

    Raises:
        EvaluatorMistake: A needed metric is missing.
        EvaluationFailed: A needed metric is no finite number.
    """
    metrics, left_out = {}, []
    for name, value in found.items():
        if not is_name(name):
            left_out.append(name)
            continue
        try:
            metrics[name] = number(name, value)
        except EvaluationFailed:
            if name in needed:
                raise
            # The training is kept all the same. None means that it was not measured.
            if value is not None:
                left_out.append(name)
    for metric in needed:
        value = metrics.get(metric)
        if value is None:
            remedy = ""
            if metric in DEVICE_METRICS:
                remedy = "; of a task with networks --measure torch, or onnx, measures it"
            raise EvaluatorMistake(
                f"the evaluator returned no {metric!r}, "
                f"only {', '.join(metrics) or 'an empty mapping'}{remedy}"
            )
        if not math.isfinite(value):
            raise _NotFinite(f"{metric} is {value}")
    # The others are left out where they were not measured: NaN is no number in JSON.
    return finite(metrics), tuple(left_out)


def how_measured(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


def finite(found: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers, without those that could not be measured."""
    metrics = {name: number(name, value) for name, value in found.items()}
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
