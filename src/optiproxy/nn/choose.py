"""What a function that builds a network asks for its choices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TypeAlias

from optiproxy.errors import InvalidValueError, invalid, whole_number
from optiproxy.spaces import Float, Int, Option

# The current run, from which `Value` gets its answer; None outside of a run.
_CURRENT: ContextVar[Choose | None] = ContextVar("optiproxy_choose", default=None)

# The methods `int` and `float` of the class hide these in its annotations.
Integer: TypeAlias = int
Number: TypeAlias = float

# Whole numbers are a list up to so many, and a range beyond.
LISTED = 64

#: The label of None among options, since None itself marks an inactive choice.
NONE = "none"


class Choose:
    """One run of a function that builds a network: it answers each choice with an option.

    >>> def network(choose):
    ...     width = choose("width", [16, 32])
    ...     layer = choose("layer", {"linear": nn.Linear, "none": None})
    ...     return nn.Sequential(*([layer(width, width)] if layer else []), nn.Linear(width, 10))

    Args:
        answer: ``answer(name, labels)`` → the number of the option; of a range, of its ends.
        numbers: The answers to ranges, by name.

    Attributes:
        asked: The choices of this run, name → labels of its options, in order.
        picked: Name → the label that was answered.
    """

    def __init__(
        self,
        answer: Callable[[str, tuple[Option, ...]], Integer],
        numbers: Mapping[str, Option] = MappingProxyType({}),
    ) -> None:
        self._answer = answer
        self._numbers = numbers
        self._given: dict[str, object] = {}  # labels, or a range
        self.asked: dict[str, tuple[Option, ...]] = {}
        self.picked: dict[str, Option] = {}

    def __call__(self, name: str, options: Sequence[Any] | Mapping[str, Any] | Float | Int) -> Any:
        """One of the options.

        Args:
            name: Of the choice. Asked again under the same name, it has the same answer.
            options: Texts, numbers, booleans or None; anything else by name: ``{name: anything}``;
                or a range, `spaces.Float` or `spaces.Int`, on whose value no other choice depends.

        Raises:
            InvalidValueError: The options can't be used, or are others than before.
        """
        if isinstance(options, Float | Int):
            return self._number(name, options)
        labels, values = _labelled(name, options)
        self._ask(name, labels, labels)
        if name not in self.picked:
            self.picked[name] = labels[self._answer(name, labels)]
        return values[labels.index(self.picked[name])]

    @property
    def ranges(self) -> dict[str, Float | Int]:
        """Those of the choices that are numbers of a range; their labels are its ends."""
        return {n: given for n, given in self._given.items() if isinstance(given, Float | Int)}

    def _number(self, name: str, among: Float | Int) -> Any:
        labels, _ = _labelled(name, [among.low, among.high])
        self._ask(name, labels, among)
        if name not in self.picked:
            known = self._numbers.get(name)
            self.picked[name] = labels[self._answer(name, labels)] if known is None else known
        return self.picked[name]

    def _ask(self, name: str, labels: tuple[Option, ...], given: object) -> None:
        before = self._given.setdefault(name, given)
        if before != given:
            remedy = "a name that is asked twice must have the same options; use another name"
            raise invalid(f"choose: {name!r}", f"{before}, then {given}", remedy)
        self.asked[name] = labels

    @contextmanager
    def running(self) -> Iterator[None]:
        """Makes it the run that `Value` asks."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def float(
        self,
        name: str,
        low: Number,
        high: Number,
        *,
        steps: Integer | None = None,
        log: bool = False,
    ) -> Any:
        """A number of a range; with `steps`, one of so many values, evenly on its scale."""
        if steps is not None:
            whole_number(f"choose.float: {name!r}: steps", steps, 2)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise invalid(f"choose.float: {name!r}", (low, high), "give low < high")
        if log and low <= 0:
            raise invalid(f"choose.float: {name!r}: low", low, "a log scale begins above 0")
        if steps is None:
            return self(name, Float(low, high, log=log))
        parts = [i / (steps - 1) for i in range(steps)]
        if log:
            values = [low * (high / low) ** part for part in parts]
        else:
            values = [low + (high - low) * part for part in parts]
        # The ends as given; six digits tell the values between them apart.
        return self(name, [low, *(Number(f"{value:.6g}") for value in values[1:-1]), high])

    def int(
        self, name: str, low: Integer, high: Integer, *, step: Integer = 1, log: bool = False
    ) -> Any:
        """A whole number from `low` to `high` in steps; more than 64, or on a log scale: a range.

        Other choices may depend on a number of a list, and not on one of a range.
        """
        whole_number(f"choose.int: {name!r}: step", step)
        if low >= high:
            raise invalid(f"choose.int: {name!r}", (low, high), "give low < high")
        values = range(low, high + 1, step)
        if log or len(values) > LISTED:
            return self(name, Int(low, high, log=log, step=step))
        return self(name, list(values))


def current() -> Choose | None:
    """The run that is going on."""
    return _CURRENT.get()


def _labelled(name: str, options: Any) -> tuple[tuple[Option, ...], list[Any]]:
    """The options' labels, as they are stored, and what each stands for."""
    if not isinstance(name, str) or not name:
        raise invalid("choose: name", name, "give a short text")
    if isinstance(options, Mapping):
        labels, values = list(options), list(options.values())
    elif isinstance(options, Sequence) and not isinstance(options, str):
        labels, values = [NONE if o is None else o for o in options], list(options)
    else:
        raise invalid(f"choose: {name!r}", options, "give a list of options, or {name: option}")
    if not labels:
        raise invalid(f"choose: {name!r}", options, "give at least one option")
    if not all(isinstance(label, str | int | float) for label in labels):
        remedy = "name what is no text, number or boolean: {name: option}"
        raise invalid(f"choose: {name!r}", options, remedy)
    if any(isinstance(label, float) and not math.isfinite(label) for label in labels):
        raise invalid(f"choose: {name!r}", options, "give finite numbers")
    if len(set(labels)) < len(labels):
        raise InvalidValueError(f"choose: {name!r}: got {options!r}; give each option once")
    return tuple(labels), values
