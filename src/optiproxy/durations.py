"""Durations as users write them: 90, 90s, 5m, 2h, 1d."""

from __future__ import annotations

import math
import re

from optiproxy.errors import invalid

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def seconds(field: str, value: object) -> float:
    """A duration in seconds.

    >>> seconds("time limit", "1.5h")
    5400.0

    Args:
        field: Its name, for the error message.
        value: A number of seconds, or a number with a unit: s, m, h or d.

    Raises:
        InvalidValueError: It is neither, or not positive and finite.
    """
    number, unit = math.nan, "s"
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([smhd]?)\s*", value)
        if match is not None:
            number, unit = float(match[1]), match[2] or "s"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    duration = number * _UNITS[unit]
    if not 0 < duration < math.inf:
        raise invalid(field, value, "give seconds, or a number with a unit: 90, 90s, 5m or 2h")
    return duration


def text(duration: float) -> str:
    """A duration in seconds, in the largest unit in which it is a whole number.

    >>> text(5400.0), text(0.5)
    ('90m', '0.5s')
    """
    for unit, length in _UNITS.items():
        if duration >= length and duration % length == 0:
            return f"{duration / length:g}{unit}"
    return f"{duration:g}s"
