"""Durations as users write them."""

import doctest

import pytest

from optiproxy import durations
from optiproxy.errors import InvalidValueError


@pytest.mark.parametrize(
    ("value", "expected"),
    [(90, 90), (1.5, 1.5), ("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), (" 1.5 h ", 5400),
     ("3d", 259200), (".5s", 0.5)],
)  # fmt: skip
def test_a_duration_is_read(value, expected):
    assert durations.seconds("time limit", value) == expected


@pytest.mark.parametrize(
    "value", [0, -1, "0s", "", "h", "2 hours", "1h30m", True, None, float("nan"), float("inf")]
)
def test_what_is_no_duration(value):
    with pytest.raises(InvalidValueError, match=r"time limit: got .* 90, 90s, 5m or 2h"):
        durations.seconds("time limit", value)


@pytest.mark.parametrize("duration", [0.5, 1, 59, 60, 90, 3600, 5400, 86400, 90061])
def test_what_is_written_is_read_again(duration):
    assert durations.seconds("d", durations.text(duration)) == duration


def test_examples():
    assert doctest.testmod(durations).failed == 0
