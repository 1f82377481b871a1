"""Objectives, constraints and metrics: what is read, and how a share becomes a bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from optiproxy import metrics
from optiproxy.errors import InvalidValueError
from optiproxy.metrics import (
    Constraint,
    Metric,
    mean_metrics,
    parse_constraints,
    parse_objectives,
    resolved,
)
from optiproxy.spaces import Architecture, Chain


def test_a_share_is_resolved_against_the_largest_value() -> None:
    asked = parse_constraints(["ms<=60%", "acc >= 50 %".replace(" %", "%"), "mb <= 3"])
    assert [c.relative for c in asked] == [True, True, False]
    values = {"ms": [1.0, 20.0, math.nan, 5.0], "acc": [80.0, 90.0]}
    bounds = resolved(asked, values.__getitem__)
    assert bounds == (
        Constraint("ms", 1.0, 12.0),
        Constraint("acc", -1.0, 45.0),
        Constraint("mb", 1.0, 3.0),
    )


def test_a_value_at_its_limit_meets_it_however_it_was_rounded() -> None:
    (share,) = resolved(parse_constraints("ms<=60%"), lambda _: [3.0])  # 1.7999999999999998
    assert share.violation(1.8) <= 0
    (bound,) = parse_constraints("ms>=0.3")
    assert bound.violation(0.1 + 0.2) == bound.violation(0.3) == 0
    assert bound.violation(0.3 * (1 - 1e-9)) > 0
    assert bound.excess(np.array([0.3, 0.2, math.nan])) == pytest.approx(
        [0, 0.1, math.nan], nan_ok=True
    )
    (count,) = parse_constraints("params<=10000000")
    assert count.violation(10_000_001) == 1


def test_the_mean_of_equal_values_is_that_value() -> None:
    for value in (0.1, 3.2, 57.3):
        assert mean_metrics([{"ms": value}] * 3) == {"ms": value}
    assert mean_metrics([{"ms": 1.0}, None, {"ms": 2.0, "acc": 3.0}]) == {"ms": 1.5, "acc": 3.0}


def test_the_first_of_a_sample_tells_nothing_of_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    space = Chain({"width": list(range(1000))})

    def count(arch: Architecture) -> float:
        clock[0] += 0.1 if clock[0] else 10.0  # The first one loads a library.
        return 1.0

    metrics.sampled(space, "flops", count, size=100)
    (message,) = caplog.messages
    assert message.endswith("of 100 random architectures first: 2 are done, about 9.8 s left")


@pytest.mark.parametrize(
    "text", ["ms <= 12.5%", "ms >= 0.1", "ms <= 3.0000000000000004", "latency (ms) <= 5.0"]
)
def test_text_reads_back(text: str) -> None:
    (constraint,) = parse_constraints(text)
    (again,) = parse_constraints(constraint.text)
    assert again.text == constraint.text
    assert again.share == constraint.share


def test_what_was_read_is_read_again() -> None:
    objectives = parse_objectives(["acc=max", "lat=ms=min"])
    assert parse_objectives(objectives) == objectives
    assert parse_objectives(objectives[0]) == parse_objectives(["acc=max"])
    constraints = parse_constraints(["ms<=0.1234567890123", "acc>=33.3333%"])
    assert all(a is b for a, b in zip(parse_constraints(constraints), constraints, strict=True))
    with pytest.raises(InvalidValueError, match="give each metric once"):
        parse_objectives([*objectives, "acc=max"])


def test_signs_in_names_and_spaces_before_the_percent_sign() -> None:
    assert parse_objectives("lat=ms=min") == parse_objectives({"lat=ms": "min"})
    assert parse_constraints({"y": "<= 5 %"}) == parse_constraints("y<=5%")
    with pytest.raises(InvalidValueError, match="has no <, > or = in it; call it differently"):
        parse_constraints({"lat=ms": "<= 3"})


def test_a_share_holds_for_nothing_before_it_is_resolved() -> None:
    (constraint,) = parse_constraints("ms<=60%")
    assert constraint.violation(0.0) == math.inf
    with pytest.raises(InvalidValueError, match="give a number"):
        resolved([constraint], lambda metric: [math.nan])


@pytest.mark.parametrize("text", ["ms<=-5%", "ms<=0%", "ms<=%", "ms<=5%%", "ms<=inf%"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(InvalidValueError, match="constraint"):
        parse_constraints(text)


@pytest.mark.parametrize("values", [[-4.0, -1.0], [0.0, 0.0]])
def test_a_share_of_nothing_above_zero_is_told(values: list[float]) -> None:
    # 50 % of -1 would be -0.5, which every one of them meets.
    with pytest.raises(InvalidValueError, match=r"'ms <= 50%'; the largest .* give a number"):
        resolved(parse_constraints("ms<=50%"), lambda metric: values)


@pytest.mark.parametrize("sense", ["<", ">"])
def test_a_strict_limit_is_told_and_not_widened(sense: str) -> None:
    with pytest.raises(InvalidValueError, match=f"write {sense}=, the bound itself is allowed"):
        parse_constraints(f"depth{sense}5")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": ""}, "short text"),
        ({"name": "ms", "function": len}, "one of exact=True and cheap=True"),
        ({"name": "ms", "exact": True}, "give a function"),
        ({"name": "ms", "function": len, "cheap": True, "exact": True}, "choose one"),
        ({"name": "ms", "function": 3, "exact": True}, "a function of an architecture"),
        ({"name": "ms", "function": len, "exact": "no"}, "exact: got 'no'; give True or False"),
        ({"name": "ms", "function": len, "cheap": 1}, "cheap: got 1; give True or False"),
    ],
)
def test_metrics_that_are_none(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        Metric(**arguments)


@pytest.mark.parametrize("texts", [["ms<=5", "ms>=6"], ["ms<=9", "ms>=6", "ms<=5", "mb<=1"]])
def test_limits_that_no_value_meets(texts: list[str]) -> None:
    with pytest.raises(InvalidValueError, match="ms >= 6 and ms <= 5'; no ms meets both"):
        parse_constraints(texts)
    with pytest.raises(InvalidValueError, match="no ms meets both"):
        resolved(parse_constraints(["ms<=50%", "ms>=6"]), lambda metric: [10.0])
    assert len(parse_constraints(["ms<=6", "ms>=6", "mb>=7"])) == 3


def test_a_large_bound_is_shown_without_an_exponent() -> None:
    shown = [str(c) for c in parse_constraints(["p <= 2048000", "q <= 1.5e20", "r <= 0.06"])]
    assert shown == ["p <= 2048000", "q <= 1.5e+20", "r <= 0.06"]
    assert [str(c) for c in parse_constraints("p <= 60%")] == ["p <= 60%"]
