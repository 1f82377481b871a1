"""Durations as users write and read them: 90, 90s, 5m, 2h, 1d; 90 s, 5 min."""

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


def rounded(duration: float) -> str:
    """A duration as a reader would say it.

    >>> rounded(0.0421), rounded(7.31), rounded(754), rounded(40_000)
    ('42 ms', '7.3 s', '13 min', '11.1 h')
    """
    if duration < 1:
        return "0 s" if duration == 0 else f"{max(1, round(1000 * duration))} ms"
    if duration < 120:
        return f"{duration:.1f} s" if duration < 10 else f"{duration:.0f} s"
    minutes = duration / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
