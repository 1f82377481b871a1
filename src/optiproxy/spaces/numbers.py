"""Choices that are numbers of a range, where other choices have a list of options.

A number is read by its level, from 0 at the lower end of its range to 1 at the upper one, evenly on
a linear or a logarithmic scale. Inside the package a row has the number of a cell: values are kept
to about six digits, so that each is a cell of its own, is stored exactly, and is the same for all
who write it. In a relaxed architecture a number has two columns, ``1 - level`` and ``level``: a
point between the two ends of its range.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid

Array = NDArray[np.float64]
Cells = NDArray[np.int64]

# Significant digits of a number on a logarithmic scale; on a linear one, its range has so many.
DIGITS = 6
_PER_DECADE = 9 * 10 ** (DIGITS - 1)
# Neighbours lie a quarter of the range away, an eighth, and so on; the last is a thousandth.
NEIGHBOURS = tuple(2.0**-k for k in range(2, 11))


@dataclass(frozen=True)
class Number(Sequence[Any]):
    """The basis of `Float` and `Int`: a computed list of options, in increasing order.

    Attributes:
        low: The least value.
        high: The greatest value.
        log: Whether the scale is logarithmic.
        step: The distance of the values; None for any value of the range.
        optional: Whether None, for a choice that is inactive, is the first option. `Conditional`
            sets it.
    """

    low: Any
    high: Any
    log: bool = False
    step: Any = None
    optional: bool = False

    # ---- as a list of options ----

    @property
    def first(self) -> int:
        """The index of the least value: 1 behind None."""
        return int(self.optional)

    @property
    def width(self) -> int:
        """Its columns in a relaxed architecture: None if it is optional, and both ends."""
        return self.first + 2

    @property
    @abstractmethod
    def cardinality(self) -> int | float:
        """How many values it has, without None; infinite for any value of a range."""

    def as_optional(self) -> Self:
        """The same, for a choice that may be inactive."""
        return replace(self, optional=True)

    def __len__(self) -> int:
        return self.first + self._cells

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = int(index) + (len(self) if index < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(index)
        return None if place < self.first else self._value(place - self.first)

    def __contains__(self, value: object) -> bool:
        try:
            self.index(value)
        except ValueError:
            return False
        return True

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The index of a value, which is read to six digits.

        Raises:
            InvalidValueError: It is none of the range.
        """
        if value is None and self.optional:
            return 0
        if isinstance(value, np.generic):
            value = value.item()
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not self.low <= value <= self.high:
            raise invalid("number", value, f"give a number from {self.low!r} to {self.high!r}")
        cell = int(self._cell(np.array(float(value) if abs(value) < 2**53 else value)))
        if self.step is not None and abs(self._value(cell) - value) > 1e-6 * self.step:
            raise invalid("number", value, f"give a number of {self!r}")
        return self.first + cell

    def plain(self) -> dict[str, Any]:
        """Its definition as JSON."""
        kind = {"kind": type(self).__name__.lower(), "low": self.low, "high": self.high}
        kind |= {"log": True} if self.log else {}
        kind |= {"step": self.step} if self.step not in (None, 1) else {}
        return kind

    def __repr__(self) -> str:
        more = (", log=True" if self.log else "") + (
            f", step={self.step!r}" if self.step not in (None, 1) else ""
        )
        return f"{type(self).__name__}({self.low!r}, {self.high!r}{more})"

    def values(self, indices: Cells) -> Array:
        """The value of each index, up to rounding; NaN for None."""
        values = self._values(np.maximum(indices - self.first, 0))
        return np.where(indices < self.first, np.nan, values)

    # ---- as a level ----

    def levels(self, indices: Cells) -> Array:
        """The level of each index, from 0 to 1; one half for None."""
        below, above = self._ends
        values = self._values(np.maximum(indices - self.first, 0))
        level = (self._scaled(values) - below) / (above - below)
        return np.where(indices < self.first, 0.5, level)

    def nearest(self, levels: Array) -> Cells:
        """The index of the value nearest to each level."""
        below, above = self._ends
        scaled = below + np.clip(levels, 0.0, 1.0) * (above - below)
        return self.first + self._cell(np.exp(scaled) if self.log else scaled)

    def neighbours(self, indices: Cells) -> Cells:
        """(B, K): for each of (B,) indices of values others near it, or itself at an end."""
        steps = np.array([sign * step for step in NEIGHBOURS for sign in (1, -1)])
        return self.nearest(self.levels(indices)[:, None] + steps)

    def columns(self, indices: Cells) -> Array:
        """(B, width), the relaxed form of each index."""
        level = self.levels(indices)
        ends = np.stack([1 - level, level], -1)
        if not self.optional:
            return ends
        inactive = (indices < self.first)[:, None]
        return np.concatenate([inactive, np.where(inactive, 0.0, ends)], 1)

    def from_columns(self, columns: Array) -> Cells:
        """The index nearest to each relaxed number (B, width)."""
        ends = columns[:, self.first : self.first + 2]
        total = ends.sum(1)
        level = np.divide(ends[:, 1], total, out=np.full(len(ends), 0.5), where=total > 0)
        active = (total >= 0.5) if self.optional else np.ones(len(ends), dtype=bool)
        return np.where(active, self.nearest(level), 0)

    # ---- values and cells ----

    @property
    @abstractmethod
    def _cells(self) -> int: ...

    @abstractmethod
    def _value(self, cell: int) -> Any:
        """The value of a cell as users see it."""

    @abstractmethod
    def _values(self, cells: Cells) -> Array:
        """The values of cells, up to rounding."""

    @abstractmethod
    def _cell(self, values: Array) -> Cells:
        """The cells of values in the range."""

    @property
    @abstractmethod
    def _margin(self) -> float:
        """How far the outermost cells reach beyond the range, so that all have an equal share."""

    @cached_property
    def _ends(self) -> tuple[float, float]:
        ends = self._scaled(np.array([self.low - self._margin, self.high + self._margin]))
        return float(ends[0]), float(ends[1])

    def _scaled(self, values: Array) -> Array:
        return np.log(values) if self.log else values


@dataclass(frozen=True, repr=False)
class Float(Number):
    """A number from `low` to `high`.

    >>> rate = Float(1e-4, 1e-1, log=True)
    >>> rate.levels(np.array([rate.index(1e-3)])).round(3).tolist()
    [0.333]

    Args:
        low: The least value.
        high: The greatest value; with a `step` the last one is not above it.
        log: Whether the scale is logarithmic; `low` is above 0 then.
        step: The distance of the values, from `low` on; None for any value of the range.

    Raises:
        InvalidValueError: The range is empty or not finite, or a logarithmic scale begins at 0 or
            below or has a step.
    """

    def __post_init__(self) -> None:
        problem = _problem(self, (int, float))
        if problem is None and self.step is not None and self.log:
            problem = "step: a logarithmic scale has no step"
        if problem is not None:
            raise InvalidValueError(f"Float: {problem}")
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))
        if self.step is not None:
            object.__setattr__(self, "high", self._value(self._cells - 1))

    @property
    def cardinality(self) -> int | float:
        return math.inf if self.step is None else self._cells

    @cached_property
    def _step(self) -> Decimal:
        """The distance of the cells on a linear scale."""
        if self.step is not None:
            return Decimal(repr(self.step))
        decade = Decimal(repr(self.high - self.low)).adjusted() - DIGITS
        # A narrow range far from 0 has fewer floats.
        finest = Decimal(math.ulp(max(-self.low, self.high))).adjusted() + 2
        return Decimal(10) ** max(decade, finest)

    @cached_property
    def _by_digits(self) -> bool:
        """Whether the cells are all numbers of `DIGITS` digits; within a decade they are even."""
        return bool(self.log and self.high >= 10 * self.low)

    @cached_property
    def _cells(self) -> int:
        if self._by_digits:
            return int(_decimal_order(np.array(self.high)) - self._lowest) + 1
        span = (Decimal(repr(self.high)) - Decimal(repr(self.low))) / self._step
        return int(span if self.step is not None else round(span)) + 1

    @cached_property
    def _lowest(self) -> int:
        return int(_decimal_order(np.array(self.low)))

    def _value(self, cell: int) -> float:
        if self.step is None and cell == self._cells - 1:
            return float(self.high)  # also between two steps
        if self._by_digits:
            decade, digits = divmod(cell + self._lowest, _PER_DECADE)
            value = float(f"{digits + 10 ** (DIGITS - 1)}e{decade - DIGITS + 1}")
        else:
            value = float(Decimal(repr(self.low)) + cell * self._step)
        return float(min(max(value, self.low), self.high))

    def _values(self, cells: Cells) -> Array:
        if self._by_digits:
            decade, digits = np.divmod(cells + self._lowest, _PER_DECADE)
            values = (digits + 10.0 ** (DIGITS - 1)) * 10.0 ** (decade - DIGITS + 1.0)
        else:
            values = self.low + cells * float(self._step)
        return np.clip(values, self.low, self.high)

    def _cell(self, values: Array) -> Cells:
        if self._by_digits:
            cells = _decimal_order(values) - self._lowest
        else:
            cells = np.rint((values - self.low) / float(self._step)).astype(np.int64)
        return np.asarray(np.clip(cells, 0, self._cells - 1))

    @property
    def _margin(self) -> float:
        return 0.0 if self.step is None else self.step / 2


@dataclass(frozen=True, repr=False)
class Int(Number):
    """A whole number from `low` to `high`.

    A few numbers that stand for different things are better as a list of options; so are the
    parents of a conditional choice.

    >>> batch = Int(1, 512, log=True)
    >>> batch[15], len(batch)
    (16, 512)

    Args:
        low: The least value.
        high: The greatest value; with a `step` the last one is not above it.
        log: Whether the scale is logarithmic; `low` is 1 or more then.
        step: The distance of the values, from `low` on; 1 on a logarithmic scale.

    Raises:
        InvalidValueError: The range is empty, an end is no whole number, or a logarithmic scale
            begins at 0 or below or has another step.
    """

    step: Any = 1

    def __post_init__(self) -> None:
        problem = _problem(self, (int,))
        if problem is None and self.step != 1 and self.log:
            problem = "step: a logarithmic scale has the step 1"
        if problem is not None:
            raise InvalidValueError(f"Int: {problem}")
        object.__setattr__(self, "high", self._value(self._cells - 1))

    @property
    def cardinality(self) -> int:
        return self._cells

    @property
    def _cells(self) -> int:
        return int((self.high - self.low) // self.step) + 1

    def _value(self, cell: int) -> int:
        return int(self.low + cell * self.step)

    def _values(self, cells: Cells) -> Array:
        return np.asarray(self.low + cells * self.step, dtype=np.float64)

    def _cell(self, values: Array) -> Cells:
        cells = np.rint((values - self.low) / self.step).astype(np.int64)
        return np.asarray(np.clip(cells, 0, self._cells - 1))

    @property
    def _margin(self) -> float:
        return float(self.step / 2)


def _problem(number: Number, kinds: tuple[type, ...]) -> str | None:
    """What is wrong with a range."""
    whole = "whole number" if kinds == (int,) else "finite number"
    for name in ("low", "high", "step"):
        value: Any = getattr(number, name)
        if isinstance(value, np.generic):
            value = value.item()
            object.__setattr__(number, name, value)
        if name == "step" and value is None and float in kinds:
            continue
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits or not abs(value) < (2**53 if whole == "whole number" else math.inf):
            return f"{name}: got {value!r}; give a {whole}"
    if not number.low < number.high or math.isinf(number.high - number.low):
        return f"got low={number.low!r}, high={number.high!r}; give low < high"
    finest = 100 * math.ulp(max(abs(number.low), abs(number.high)))
    if float in kinds and min(number.step or math.inf, (number.high - number.low) / 100) < finest:
        return f"got {number.low!r} to {number.high!r}; there are too few floats between the values"
    if not isinstance(number.log, bool):
        return f"log: got {number.log!r}; give True or False"
    if number.log and number.low <= 0:
        return f"low: got {number.low!r}; a logarithmic scale begins above 0"
    if number.step is not None and not 0 < number.step <= number.high - number.low:
        return f"step: got {number.step!r}; give a distance that fits between low and high"
    return None


def _decimal_order(values: Array) -> Cells:
    """The place of each positive value among all numbers of `DIGITS` significant digits."""
    decade = np.floor(np.log10(values))
    digits = np.rint(values / 10.0 ** (decade - (DIGITS - 1)))
    # Rounding may lead to the next decade, and the logarithm may fall just below its own.
    place = decade * _PER_DECADE + digits - 10 ** (DIGITS - 1)
    return np.asarray(place, dtype=np.int64)
