"""The errors that users can catch, and the form of their messages.

A message names the field, the value, and the remedy, for example::

    budget: got 0; give a whole number of 1 or more
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable

# The most names that a message lists; there are over a hundred tasks.
_LISTED = 40
# The most characters of a value in a message: an array or a data set has thousands.
_SHOWN = 400


class OptiProxyError(Exception):
    """Base class of all errors that the library raises."""


class InvalidValueError(OptiProxyError, ValueError):
    """A value that can't be used: an unknown name, a number out of range, a bad space."""


class DataError(OptiProxyError):
    """A published table that is missing, truncated or has a wrong checksum."""


class StudyError(OptiProxyError):
    """A stored study that can't be opened, or that belongs to another search."""


class EvaluationFailed(OptiProxyError):
    """Raise it in an evaluator when a query has no result; the search records it and goes on."""


class EvaluatorMistake(EvaluationFailed):
    """A wrong call or return value of an evaluator: a fault of its code, of no architecture."""


class MeasurementFailed(EvaluationFailed):
    """A network that could not be measured: a failed evaluation, and no end of the search."""


class ScoreFailed(OptiProxyError):
    """A network whose training-free score can't be computed; the message has score and reason."""


def invalid(field: str, got: object, remedy: str) -> InvalidValueError:
    """The error for a bad value: ``field: got value; remedy``. A long value is cut short."""
    shown = repr(got)
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
    return InvalidValueError(f"{field}: got {shown}; {remedy}")


def first_line(error: BaseException) -> str:
    """The kind of an error of a user's code or of a library, and the beginning of what it says."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def whole_number(field: str, got: object, least: int = 1) -> int:
    """`got` as an int, where it is a whole number (numpy's too) of `least` or more.

    Raises:
        InvalidValueError: It is not such a number.
    """
    if isinstance(got, bool) or not isinstance(got, numbers.Integral) or got < least:
        raise invalid(field, got, f"give a whole number of {least} or more")
    return int(got)


def truth(field: str, got: object) -> bool:
    """`got`, where it is True or False; Python takes a text such as "no" for True.

    Raises:
        InvalidValueError: It is neither.
    """
    if not isinstance(got, bool):
        raise invalid(field, got, "give True or False")
    return got


def unknown(field: str, got: object, allowed: Iterable[object]) -> InvalidValueError:
    """The error for a name that is not among `allowed`; the nearest ones come first."""
    allowed = list(allowed)
    names = [str(name) for name in allowed]
    if str(got) in names:
        # Equal as text, such as the number 3 and the text '3'.
        names = [repr(name) for name in allowed]
        return invalid(field, got, f"the type differs: give one of {', '.join(names[:_LISTED])}")
    near = difflib.get_close_matches(str(got), names, n=3, cutoff=0.5)
    listed = ", ".join(names[:_LISTED])
    if len(names) > _LISTED:
        listed += f" and {len(names) - _LISTED} more"
    if near:
        remedy = f"did you mean {' or '.join(repr(name) for name in near)}?"
        remedy += f" All: {listed}" if len(names) <= _LISTED else f" There are {len(names)}"
    else:
        remedy = f"give one of {listed}" if names else "nothing is available here"
    return invalid(field, got, remedy)
