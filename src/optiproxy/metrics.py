"""What a search is asked for: objectives, constraints, and the order they put results in.

A *metric* is a name with a number (``val_accuracy``, ``latency_ms``). An *objective* says which way
a metric is to go; a *constraint* says which values of it are allowed. Both are read once, here,
into frozen values, so that everything behind works on arrays. A limit in percent is relative: it is
resolved against a random sample of the space, once, before the search.
"""

from __future__ import annotations

import logging
import math
import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, TypeAlias, TypeVar

from optiproxy.durations import rounded
from optiproxy.errors import invalid, truth, unknown
from optiproxy.scalars import to_float

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from optiproxy.spaces import Architecture, Space

Function = Callable[["Architecture"], SupportsFloat]

Values = TypeVar("Values", float, "NDArray[np.float64]")

_logger = logging.getLogger("optiproxy")

# A value that differs from a limit by no more than this fraction of it equals it: the mean of three
# equal latencies, or 60 % of 3.0, is off in the last digit.
ROUNDING = 1e-12

# Random architectures that a relative limit refers to; fewer where each is measured on a device.
SAMPLE, SAMPLE_MEASURED = 200, 20
# Seconds after which a slow sample is announced.
WARN_AFTER = 5.0

# Names that begin like this are those of what a study keeps beside the metrics.
RESERVED = "optiproxy:"

#: Whether another evaluation of an architecture gives another value: see `optiproxy.Task`.
Noise: TypeAlias = Literal["none", "single", "repeat"]
NOISE = ("none", "single", "repeat")

DIRECTIONS = {"max": 1.0, "maximize": 1.0, "min": -1.0, "minimize": -1.0}


_NAME_REMEDY = f"give a short text that can be stored and does not begin with {RESERVED!r}"


def is_name(name: str) -> bool:
    """Whether a metric may be called so."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name) and not name.startswith(RESERVED)


@dataclass(frozen=True)
class Objective:
    """A metric to maximise (`sign` +1) or to minimise (`sign` -1)."""

    metric: str
    sign: float

    @property
    def direction(self) -> str:
        return "max" if self.sign > 0 else "min"

    @property
    def text(self) -> str:
        """As it is written: ``METRIC=max``."""
        return f"{self.metric}={self.direction}"


@dataclass(frozen=True)
class Metric:
    """A metric that need not be trained for: given in ``metrics=[...]`` of a task or a study.

    >>> params = Metric("params", lambda arch: 9.0 * arch["width"] ** 2, exact=True)

    Args:
        name: As in objectives and constraints.
        function: ``function(arch) → number``; or a `hardware.Measurement`, which also tells on what
            and how it was measured.
        exact: It costs nothing: the search computes it for every candidate instead of predicting
            it, and proposes nothing that breaks its limit. It must give the same number each time.
        cheap: It costs something, but far less than a training, as a latency does: it is measured
            before a proposal is trained. One that breaks a limit is dropped untrained; what was
            measured is kept and teaches the search. Without a function it is one of
            ``latency_ms``, ``size_mb`` and ``peak_memory_mb``: the task builds the network and it
            is measured in torch, on this machine or as ``--measure`` says.

    Raises:
        InvalidValueError: An argument can't be used.
    """

    name: str
    function: Function | None = None
    _: KW_ONLY
    exact: bool = False
    cheap: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not is_name(self.name):
            raise invalid("Metric: name", self.name, _NAME_REMEDY)
        truth(f"Metric {self.name!r}: exact", self.exact)
        truth(f"Metric {self.name!r}: cheap", self.cheap)
        if self.exact and self.cheap:
            raise invalid(f"Metric {self.name!r}", "exact and cheap", "choose one of them")
        missing = self.exact and self.function is None
        if missing or (self.function is not None and not (self.exact or self.cheap)):
            raise invalid(
                f"Metric {self.name!r}: function",
                self.function,
                "give a function and one of exact=True and cheap=True, or neither",
            )
        if self.function is not None and not callable(self.function):
            raise invalid(
                f"Metric {self.name!r}: function",
                self.function,
                "give a function of an architecture",
            )


@dataclass(frozen=True)
class Constraint:
    """`metric` is at most (`sign` +1) or at least (`sign` -1) `bound`, in the metric's unit.

    A relative one has a `share`, and NaN for a bound until it is resolved (`resolved`).
    """

    metric: str
    sign: float
    bound: float
    share: float | None = None

    @property
    def relative(self) -> bool:
        """Whether it still has to be resolved."""
        return self.share is not None

    def violation(self, value: float) -> float:
        """How far `value` is on the wrong side; satisfied when ``<= 0``, NaN counts as violated."""
        excess = self.excess(value)
        return math.inf if math.isnan(excess) else excess

    def excess(self, values: Values) -> Values:
        """How far each of `values` is on the wrong side, NaN where it is; rounding is no distance.

        >>> Constraint("latency_ms", 1.0, 0.3).excess(0.1 + 0.2)
        0.0
        """
        excess = self.sign * (values - self.bound)
        return excess * (abs(excess) > ROUNDING * abs(self.bound))

    @property
    def text(self) -> str:
        """As it is written, with all digits of the bound: `str` rounds it for reading."""
        bound = repr(self.bound) if self.share is None else f"{100 * self.share!r}%"
        return f"{self.metric} {'<=' if self.sign > 0 else '>='} {bound}"

    def __str__(self) -> str:
        # Parameters and FLOPs in whole digits, without an exponent.
        style = ".0f" if 1e6 <= abs(self.bound) < 1e15 else "g"
        bound = f"{self.bound:{style}}" if self.share is None else f"{100 * self.share:g}%"
        return f"{self.metric} {'<=' if self.sign > 0 else '>='} {bound}"


#: What `parse_objectives` and `parse_constraints` read.
Objectives: TypeAlias = Mapping[str, str] | Sequence[str | Objective] | str | Objective
Constraints: TypeAlias = Mapping[str, str] | Sequence[str | Constraint] | str | Constraint | None


def parse_objectives(objectives: Objectives) -> tuple[Objective, ...]:
    """Reads ``{"val_accuracy": "max"}``, ``"val_accuracy=max"``, an `Objective`, or a list of them.

    Raises:
        InvalidValueError: No objective, or a direction that is neither max nor min.
    """
    if isinstance(objectives, str | Objective):
        objectives = [objectives]
    if not isinstance(objectives, Mapping):
        given = _texts("objectives", objectives, "METRIC=max", Objective)
        texts = [item.text if isinstance(item, Objective) else item for item in given]
        pairs = [t.rpartition("=") if "=" in t else (t, "", "") for t in texts]
        if len({name.strip() for name, _, _ in pairs}) < len(pairs):
            raise invalid("objectives", list(objectives), "give each metric once")
        objectives = {name.strip(): direction.strip() for name, _, direction in pairs}
    parsed = []
    for metric, direction in objectives.items():
        if not isinstance(metric, str) or not metric:
            raise invalid(
                "objective", f"{metric}={direction}", "name a metric: METRIC=max or METRIC=min"
            )
        if not is_name(metric):
            raise invalid("objective: metric", metric, _NAME_REMEDY)
        if not isinstance(direction, str) or direction not in DIRECTIONS:
            raise invalid(
                f"objective {metric!r}", direction, "give a direction: max or min (METRIC=max)"
            )
        parsed.append(Objective(metric, DIRECTIONS[direction]))
    if not parsed:
        raise invalid("objectives", {}, "give at least one, such as {'val_accuracy': 'max'}")
    return tuple(parsed)


_CONSTRAINT = re.compile(r"^\s*([^<>=]*?)\s*(<=|>=|<|>)\s*(\S+?(?:\s*%)?)\s*$")


def parse_constraints(constraints: Constraints) -> tuple[Constraint, ...]:
    """Reads ``{"latency_ms": "<= 5"}``, ``"latency_ms<=5"``, a `Constraint`, or a list of them.

    ``latency_ms<=60%`` is relative: 60 % of the largest value in a random sample of the space.

    Raises:
        InvalidValueError: Text that is not ``METRIC <= NUMBER`` or ``METRIC >= NUMBER``, or two
            limits that no value meets.
    """
    if constraints is None:
        return ()
    if isinstance(constraints, str | Constraint):
        constraints = [constraints]
    if isinstance(constraints, Mapping):
        for metric in constraints:
            if set(str(metric)) & set("<>="):
                remedy = "the name of a limited metric has no <, > or = in it; call it differently"
                raise invalid("constraint", metric, remedy)
        constraints = [f"{metric} {rule}" for metric, rule in constraints.items()]
    parsed = []
    for text in _texts("constraints", constraints, "METRIC<=NUMBER", Constraint):
        if isinstance(text, Constraint):
            parsed.append(text)
            continue
        match = _CONSTRAINT.match(text)
        remedy = (
            "write METRIC<=NUMBER or METRIC>=NUMBER, for example latency_ms<=5 or latency_ms<=60%"
        )
        if match is None or not match[1]:
            raise invalid("constraint", text, remedy)
        metric, sense, number = match.groups()
        share = number.endswith("%")
        try:
            bound = float(number.removesuffix("%"))
        except ValueError:
            raise invalid("constraint", text, f"{number!r} is not a number; {remedy}") from None
        if not math.isfinite(bound):
            raise invalid("constraint", text, f"the bound must be finite; {remedy}")
        if len(sense) == 1:  # Of whole numbers, 4 < 5 is not 4 <= 5.
            raise invalid("constraint", text, f"write {sense}=, the bound itself is allowed")
        sign = 1.0 if sense == "<=" else -1.0
        if share and bound <= 0:
            raise invalid("constraint", text, "give a share above 0 %, for example latency_ms<=60%")
        relative = Constraint(metric, sign, math.nan, bound / 100)
        parsed.append(relative if share else Constraint(metric, sign, bound))
    _check_compatible(parsed)
    return tuple(parsed)


def _texts(field: str, given: object, form: str, parsed: type[Any]) -> list[Any]:
    """A list of texts and of `parsed` objects, or the error that asks for texts."""
    texts: list[Any] = list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(text, str | parsed) for text in texts):
        raise invalid(field, given, f"give texts of the form {form}, or a mapping")
    return texts


def _check_compatible(constraints: Iterable[Constraint]) -> None:
    """Raises InvalidValueError where no value at all meets two of them."""
    least: dict[str, Constraint] = {}
    most: dict[str, Constraint] = {}
    for c in constraints:
        if c.relative:
            continue
        strictest = most if c.sign > 0 else least
        other = strictest.setdefault(c.metric, c)
        if c.sign * c.bound < other.sign * other.bound:
            strictest[c.metric] = c
    for metric in least.keys() & most.keys():
        low, high = least[metric], most[metric]
        if low.bound > high.bound:
            raise invalid(
                "constraints",
                f"{low} and {high}",
                f"no {metric} meets both; leave one out or change its bound",
            )


def sampled(
    space: Space, metric: str, function: Function | None, size: int = SAMPLE
) -> list[float]:
    """A metric of random architectures, the same ones for every study and seed; NaN where it fails.

    Args:
        space: Where the architectures are drawn from.
        metric: Its name, for messages.
        function: Architecture → value; None where the metric is known after training alone.
        size: How many architectures.

    Raises:
        InvalidValueError: There is no function, or it gives a finite value for none of them.
    """
    if function is None:
        raise invalid(
            "constraint",
            f"{metric} in percent",
            "give a number, for it is known after a training alone; or have it known before: "
            f"Metric({metric!r}, function, cheap=True), or --measure where a device measures it",
        )
    values: list[float] = []
    problem = ""
    begun = first = time.monotonic()
    warned = False
    for arch in space.sample(size, seed=0):
        if len(values) == 1:  # The first one may load libraries: it tells nothing of the others.
            first = time.monotonic()
        now = time.monotonic()
        if len(values) > 1 and now - begun > WARN_AFTER and not warned:
            warned = True
            _logger.warning(
                "a limit in percent needs %s of %d random architectures first: %d are done, about "
                "%s left",
                *(metric, size, len(values)),
                rounded((now - first) / (len(values) - 1) * (size - len(values))),
            )
        try:
            values.append(to_float(function(arch)))
        except Exception as error:  # One failed measurement is no reason to stop.
            values.append(math.nan)
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = problem or f"{values[-1]} for {arch!r}"
    if not any(map(math.isfinite, values)):
        raise invalid(
            "constraint",
            f"{metric} in percent",
            f"no value could be measured ({problem}); repair the measurement, or give a number",
        )
    return values


def resolved(
    constraints: Iterable[Constraint], values_of: Callable[[str], Iterable[float]]
) -> tuple[Constraint, ...]:
    """The constraints with absolute bounds alone.

    Args:
        constraints: Absolute ones stay as they are.
        values_of: Metric → its values in a random sample of the space (`sampled`); NaN is left out.

    Raises:
        InvalidValueError: No value is above 0, `values_of` raised it, or no value meets all bounds.
    """
    found = []
    for constraint in constraints:
        if constraint.share is not None:
            values = [float(v) for v in values_of(constraint.metric)]
            largest = max((v for v in values if math.isfinite(v)), default=math.nan)
            if not largest > 0:
                raise invalid(
                    "constraint",
                    str(constraint),
                    f"the largest value in the sample is {largest:g}, and a share needs one above "
                    "0; give a number",
                )
            bound = constraint.share * largest
            constraint = Constraint(constraint.metric, constraint.sign, bound)
        found.append(constraint)
    _check_compatible(found)
    return tuple(found)


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
            others = ", ".join(name for name in known if name not in reported)
            remedy = f"use one of {others}" if others else "take it out of `reported`"
            raise invalid(
                kind, metric, f"this metric is only reported and never guides a search; {remedy}"
            )
        if known and metric not in known:
            raise unknown(kind, metric, [name for name in known if name not in reported])


def mean_metrics(
    results: Iterable[Mapping[str, float] | None],
) -> dict[str, float] | None:
    """The mean of each metric over the results that have it; None if all evaluations failed."""
    known = [result for result in results if result is not None]
    if not known:
        return None
    values: dict[str, list[float]] = {}
    for result in known:
        for name, value in result.items():
            values.setdefault(name, []).append(value)
    # Exact: the mean of equal values is that value.
    return {
        name: found[0] if len(found) == 1 else statistics.mean(found)
        for name, found in values.items()
    }


def is_feasible(metrics: Mapping[str, float], constraints: Iterable[Constraint]) -> bool:
    """Whether measured `metrics` satisfy every constraint; a missing metric does not."""
    return all(c.violation(metrics.get(c.metric, math.nan)) <= 0 for c in constraints)
