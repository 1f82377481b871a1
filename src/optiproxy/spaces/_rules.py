"""Rules between choices as expressions, which `_rule_reader` reads.

An expression is a value, the number of a choice, a sum or a call of one of `_FUNCTIONS`. Putting an
option into it (`put`) leaves a smaller one, decided as soon as the options that are left can't
change it: so rules are propagated choice by choice (`_diagram`). Numbers are exact: 0.1 is a tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces.architecture import Indices, Option
from optiproxy.spaces.numbers import Number as Range

Number = int | Fraction
# Text, a number, True, False, or None: unknown, as a choice that is inactive.
Value = str | Number | None


class Choice(NamedTuple):
    """The option of a choice."""

    choice: int


class Sum(NamedTuple):
    """``constant + sum(weight * term)``."""

    constant: Number
    terms: tuple[tuple[Any, Number], ...]  # (expression, weight)


class Call(NamedTuple):
    """One of `_FUNCTIONS` of expressions."""

    function: str
    arguments: tuple[Any, ...]


Expression = Value | Choice | Sum | Call
_GROUPS = (Choice, Sum, Call)
_LARGEST_POWER = 64


def value_of(option: Option) -> Value:
    """An option in a rule; floats are the decimal number that is written."""
    if isinstance(option, float):
        return int(option) if option.is_integer() else Fraction(repr(option))
    return option


@lru_cache(maxsize=100_000)
def choices_of(expression: Expression) -> frozenset[int]:
    """The numbers of the choices that an expression depends on."""
    if isinstance(expression, Choice):
        return frozenset([expression.choice])
    parts: Sequence[Any] = ()
    if isinstance(expression, Sum):
        parts = [term for term, _ in expression.terms]
    elif isinstance(expression, Call):
        parts = expression.arguments
    return frozenset().union(*map(choices_of, parts))


def put(
    expression: Expression, choice: int, value: Value, bounds: Callable[[int], Bounds]
) -> Expression:
    """What is left of an expression once a choice has its option.

    Args:
        expression: The expression.
        choice: Its number.
        value: Its option, see `value_of`.
        bounds: Of the options of a choice; None where not all are numbers.
    """

    def inside(part: Any) -> Any:
        if not isinstance(part, _GROUPS) or choice not in choices_of(part):
            return part
        if isinstance(part, Choice):
            return value
        if isinstance(part, Sum):
            return total_of(part.constant, [(inside(term), weight) for term, weight in part.terms])
        return _decided(call(part.function, *map(inside, part.arguments)), bounds)

    return inside(expression)  # type: ignore[no-any-return]


Options = Sequence[Value] | Range  # of a choice, as of `value_of`


def holds(expression: Expression, options: Sequence[Options], rows: Indices) -> NDArray[np.bool_]:
    """Whether each of rows (B, C) keeps a rule, (B,)."""
    kept = np.broadcast_to(_values(expression, options, rows), len(rows))
    return np.array([value is not False for value in kept], dtype=bool)  # what is unknown is kept


def _values(part: Any, options: Sequence[Options], rows: Indices) -> Any:
    """The values of an expression in each of rows (B, C), an array of objects (B,) or a value."""
    if isinstance(part, Choice):
        among = options[part.choice]
        if isinstance(among, Range):
            exact = [value_of(among[i]) for i in rows[:, part.choice]]
            return np.array([*exact, None], dtype=object)[:-1]
        return np.array([*among, None], dtype=object)[:-1][rows[:, part.choice]]
    if isinstance(part, Sum):
        total: Any = part.constant
        for term, weight in part.terms:
            total = _ADD(total, _MULTIPLY(_values(term, options, rows), weight))
        return total
    if not isinstance(part, Call):
        return part
    function = _FUNCTIONS[part.function]
    if part.function in ("<= 0", "< 0") and (found := _floats(part.arguments[0], options, rows)):
        number, size = found
        kept = (number < 0).astype(object)
        kept[np.isnan(size)] = None
        # Where rounding could decide, exact numbers do.
        near = np.flatnonzero(~(np.abs(number) > _ROUNDING * size) & ~np.isnan(size))
        if len(near):
            exact = _values(part.arguments[0], options, rows[near])
            kept[near] = np.frompyfunc(function, 1, 1)(exact)
        return kept
    parts = [_values(argument, options, rows) for argument in part.arguments]
    return np.frompyfunc(function, len(parts), 1)(*parts)


_Floats = NDArray[np.float64]


def _floats(part: Any, options: Sequence[Options], rows: Indices) -> tuple[_Floats, _Floats] | None:
    """Numbers (B,), NaN for None, and the sizes of what was added up; None where it is not a sum.

    A hundred times faster than exact numbers.
    """
    if isinstance(part, Choice):
        among = options[part.choice]
        if isinstance(among, Range):
            number = among.values(rows[:, part.choice])
        else:
            table = np.array([np.nan if o is None else float(o) for o in among])
            number = table[rows[:, part.choice]]
        return number, np.abs(number)
    if isinstance(part, Sum):
        number = np.full(len(rows), float(part.constant))
        size = np.abs(number)
        for term, weight in part.terms:
            if (found := _floats(term, options, rows)) is None:
                return None
            number = number + float(weight) * found[0]
            size = size + abs(float(weight)) * found[1]
        return number, size
    if isinstance(part, Call) and part.function == "*":
        a, b = (_floats(argument, options, rows) for argument in part.arguments)
        return None if a is None or b is None else (a[0] * b[0], a[1] * b[1])
    if isinstance(part, Call) and part.function == "or 0":
        found = _floats(part.arguments[0], options, rows)
        return None if found is None else (np.nan_to_num(found[0]), np.nan_to_num(found[1]))
    return None


# ---- functions of values; None is unknown, as NULL in the CHECK of a database ----


def _arithmetic(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: None if None in values else function(*values)


def _quotient(a: Any, b: Any) -> Number | None:
    return Fraction(a) / Fraction(b) if b else None


def _power(a: Any, b: Any) -> Number | None:
    if abs(b) > _LARGEST_POWER or (a == 0 and b < 0):
        return None
    power = Fraction(a) ** b if b == int(b) else float(a) ** float(b)
    return Fraction(power) if isinstance(power, Fraction | float) else None


def _and(*values: bool | None) -> bool | None:
    return False if False in values else None if None in values else True


def _or(*values: bool | None) -> bool | None:
    return True if True in values else None if None in values else False


def _any_known(function: Callable[..., Any]) -> Callable[..., Any]:
    def of_known(*values: Any) -> Any:
        known = [value for value in values if value is not None]
        return function(known) if known else None

    return of_known


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "*": _arithmetic(lambda a, b: a * b),
    "/": _arithmetic(_quotient),
    "//": _arithmetic(lambda a, b: a // b if b else None),
    "%": _arithmetic(lambda a, b: a % b if b else None),
    "**": _arithmetic(_power),
    "abs": _arithmetic(abs),
    "min": _any_known(min),
    "max": _any_known(max),
    "or 0": lambda value: 0 if value is None else value,
    "<= 0": _arithmetic(lambda a: a <= 0),
    "< 0": _arithmetic(lambda a: a < 0),
    "==": _arithmetic(lambda a, b: a == b),
    "is None": lambda value: value is None,
    "one of": lambda value, *options: value in options,
    "either": lambda a, b: a != b,  # of two that are known
    "not": _arithmetic(lambda a: not a),
    "and": _and,
    "or": _or,
}
_ADD = np.frompyfunc(_arithmetic(lambda a, b: a + b), 2, 1)
_MULTIPLY = np.frompyfunc(_FUNCTIONS["*"], 2, 1)


# ---- expressions in their simplest form ----


def is_value(part: Any) -> bool:
    """Whether an expression depends on no choice."""
    return not isinstance(part, _GROUPS)


def total_of(constant: Any, terms: Sequence[tuple[Any, Number]]) -> Any:
    """A constant and weighted terms, added up; those that are known or sums themselves too."""
    weights: dict[Any, Number] = {}
    waiting = list(reversed(terms))
    while waiting:
        term, weight = waiting.pop()
        if term is None or constant is None:
            return None
        if isinstance(term, Sum):
            constant += weight * term.constant
            waiting += [(inner, weight * w) for inner, w in reversed(term.terms)]
        elif is_value(term):
            constant += weight * term
        else:
            weights[term] = weights.get(term, 0) + weight
    left = tuple((term, weight) for term, weight in weights.items() if weight)
    if constant == 0 and [weight for _, weight in left] == [1]:
        return left[0][0]
    return Sum(constant, left) if left else constant


def call(function: str, *arguments: Any) -> Any:
    """A function of expressions, or its value."""
    if function in ("and", "or"):
        return joined(function, arguments)
    if all(map(is_value, arguments)):
        return _FUNCTIONS[function](*arguments)
    if function == "*":
        for a, b in (arguments, arguments[::-1]):
            if is_value(b):
                return total_of(0, [(a, b)]) if b is not None else None
    if function == "/" and is_value(arguments[1]):
        divisor = arguments[1]
        return None if not divisor else total_of(0, [(arguments[0], Fraction(1) / divisor)])
    if function == "not" and isinstance(arguments[0], Call):
        inner, parts = arguments[0]
        if inner == "not":
            return parts[0]
        if inner in ("<= 0", "< 0"):  # not a <= 0: -a < 0
            return call("< 0" if inner == "<= 0" else "<= 0", total_of(0, [(parts[0], -1)]))
        if inner in ("and", "or"):
            other = "or" if inner == "and" else "and"
            return joined(other, [call("not", part) for part in parts])
    return Call(function, arguments)


def joined(function: str, arguments: Sequence[Any]) -> Any:
    """``and`` or ``or`` of expressions, without parts that do not matter."""
    parts: dict[Any, None] = {}
    for part in arguments:
        inside = part.arguments if isinstance(part, Call) and part.function == function else [part]
        parts.update(dict.fromkeys(inside))
    deciding = function == "or"
    if deciding in parts:
        return deciding
    parts.pop(not deciding, None)
    if len(parts) < 2:
        return next(iter(parts), not deciding)
    return Call(function, tuple(parts))


# ---- what is decided before all options are known ----

#: The least and the greatest value; None where it is not known. In floats, which are faster.
Bounds = tuple[float, float] | None
# Closer than this part of the largest value, rounding could decide.
_ROUNDING = 1e-9


def _decided(expression: Any, bounds: Callable[[int], Bounds]) -> Any:
    """A comparison's value where that is the same for all options that are left."""
    if isinstance(expression, Call) and expression.function in ("<= 0", "< 0"):
        (side,) = expression.arguments
        found = _range(side, bounds)
        if found is not None:
            constant = float(side.constant) if isinstance(side, Sum) else 0.0
            near = _ROUNDING * max(map(abs, (*found, constant)))
            if found[1] < -near or found[0] > near:
                return found[1] < 0
    return expression


def _range(part: Any, bounds: Callable[[int], Bounds]) -> Bounds:
    if isinstance(part, Choice):
        return bounds(part.choice)
    if isinstance(part, Sum):
        low = high = float(part.constant)
        for term, weight in part.terms:
            found = _range(term, bounds)
            if found is None:
                return None
            ends = float(weight) * found[0], float(weight) * found[1]
            low, high = low + min(ends), high + max(ends)
        return low, high
    if isinstance(part, Call) and part.function in ("*", "min", "max"):
        ranges = [found for x in part.arguments if (found := _range(x, bounds))]
        if len(ranges) == len(part.arguments):
            if part.function == "*":
                products = [x * y for x in ranges[0] for y in ranges[1]]
                return min(products), max(products)
            function = min if part.function == "min" else max
            return function(low for low, _ in ranges), function(high for _, high in ranges)
    return None if part is None or isinstance(part, str | Call) else (float(part), float(part))
