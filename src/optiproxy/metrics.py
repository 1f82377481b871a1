"""What a search is asked for: objectives, constraints, and the order they put results in.

A *metric* is a name with a number (``val_accuracy``, ``latency_ms``). An *objective* says which way
a metric is to go; a *constraint* says which values of it are allowed. Both are read once, here,
into frozen values, so that everything behind works on arrays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optiproxy.errors import invalid, unknown

DIRECTIONS = {"max": 1.0, "maximize": 1.0, "min": -1.0, "minimize": -1.0}


@dataclass(frozen=True)
class Objective:
    """A metric to maximise (`sign` +1) or to minimise (`sign` -1)."""

    metric: str
    sign: float

    @property
    def direction(self) -> str:
        return "max" if self.sign > 0 else "min"


@dataclass(frozen=True)
class Constraint:
    """`metric` is at most (`sign` +1) or at least (`sign` -1) `bound`, in the metric's unit."""

    metric: str
    sign: float
    bound: float

    def violation(self, value: float) -> float:
        """How far `value` is on the wrong side; satisfied when ``<= 0``, NaN counts as violated."""
        excess = self.sign * (value - self.bound)
        return math.inf if math.isnan(excess) else excess

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.sign > 0 else '>='} {self.bound:g}"


def parse_objectives(objectives: Mapping[str, str] | Sequence[str] | str) -> tuple[Objective, ...]:
    """Reads ``{"val_accuracy": "max"}``, ``"val_accuracy=max"`` or a list of the latter.

    Raises:
        InvalidValueError: No objective, or a direction that is neither max nor min.
    """
    if isinstance(objectives, str):
        objectives = [objectives]
    if not isinstance(objectives, Mapping):
        pairs = [text.partition("=") for text in objectives]
        if len({name.strip() for name, _, _ in pairs}) < len(pairs):
            raise invalid("objectives", list(objectives), "give each metric once")
        objectives = {name.strip(): direction.strip() for name, _, direction in pairs}
    parsed = []
    for metric, direction in objectives.items():
        if not metric:
            raise invalid("objective", f"={direction}", "name a metric: METRIC=max or METRIC=min")
        if direction not in DIRECTIONS:
            raise invalid(
                f"objective {metric!r}", direction, "give a direction: max or min (METRIC=max)"
            )
        parsed.append(Objective(metric, DIRECTIONS[direction]))
    if not parsed:
        raise invalid("objectives", {}, "give at least one, such as {'val_accuracy': 'max'}")
    return tuple(parsed)


_CONSTRAINT = re.compile(r"^\s*([^<>=\s]*)\s*(<=|>=|<|>)\s*(\S+)\s*$")


def parse_constraints(
    constraints: Mapping[str, str] | Sequence[str] | str | None,
) -> tuple[Constraint, ...]:
    """Reads ``{"latency_ms": "<= 5"}``, ``"latency_ms<=5"`` or a list of the latter.

    Raises:
        InvalidValueError: Text that is not ``METRIC <= NUMBER`` or ``METRIC >= NUMBER``.
    """
    if constraints is None:
        return ()
    if isinstance(constraints, str):
        constraints = [constraints]
    if isinstance(constraints, Mapping):
        constraints = [f"{metric} {rule}" for metric, rule in constraints.items()]
    parsed = []
    for text in constraints:
        match = _CONSTRAINT.match(text)
        remedy = "write METRIC<=NUMBER or METRIC>=NUMBER, for example latency_ms<=5"
        if match is None or not match[1]:
            raise invalid("constraint", text, remedy)
        metric, sense, number = match.groups()
        try:
            bound = float(number)
        except ValueError:
            raise invalid("constraint", text, f"{number!r} is not a number; {remedy}") from None
        if not math.isfinite(bound):
            raise invalid("constraint", text, f"the bound must be finite; {remedy}")
        parsed.append(Constraint(metric, 1.0 if sense[0] == "<" else -1.0, bound))
    return tuple(parsed)


def check_known(
    objectives: Iterable[Objective],
    constraints: Iterable[Constraint],
    known: Sequence[str],
    reported: Sequence[str] = (),
) -> None:
    """Raises InvalidValueError where an objective or a constraint names no metric of the task."""
    for kind, metric in [
        *(("objective", o.metric) for o in objectives),
        *(("constraint", c.metric) for c in constraints),
    ]:
        if metric in reported:
            raise invalid(
                kind,
                metric,
                "this metric is only reported and never guides a search; use "
                f"one of {', '.join(name for name in known if name not in reported)}",
            )
        if known and metric not in known:
            raise unknown(kind, metric, [name for name in known if name not in reported])


def is_feasible(metrics: Mapping[str, float], constraints: Iterable[Constraint]) -> bool:
    """Whether measured `metrics` satisfy every constraint; a missing metric does not."""
    return all(c.violation(metrics.get(c.metric, math.nan)) <= 0 for c in constraints)
