"""Reads rules between choices: ``"width2 <= width1"``, ``"sum(a, b, c) <= 96"``.

A rule is parsed by `ast` and never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from optiproxy.errors import InvalidValueError, unknown
from optiproxy.spaces._rules import (
    Choice,
    Expression,
    call,
    is_value,
    joined,
    total_of,
    value_of,
)
from optiproxy.spaces.architecture import Option
from optiproxy.spaces.numbers import Number as Range

_TEXT = 1_000  # characters of a rule
# What stands between backquotes, or a name with dots: ``stage.0.width`` is none to Python.
_NAME = re.compile(r"`([^`]+)`|\b[A-Za-z_]\w*(?:\.\w+)+")


def read(rule: str, names: Sequence[str], options: Sequence[Sequence[Option]]) -> Expression:
    """The expression of a rule.

    Args:
        rule: ``a <= b``, ``implies(a == "x", b >= 3)``, ``a + 2 * b < 10``, …
        names: Of the choices; names that Python can't read stand between backquotes.
        options: Of each choice.

    Raises:
        InvalidValueError: It can't be read, names no choice, or counts with text.
    """
    return _Reader(rule, names, options).expression()


_OPERATORS: Mapping[type, str] = {
    ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
_HELP = (
    "write comparisons of choices, numbers and text with + - * / // % **, sum, min, max, abs, and, "
    "or, not, in, is None, implies(if, then)"
)


class _Reader:
    """Reads one rule; see `read`."""

    def __init__(
        self, rule: str, names: Sequence[str], options: Sequence[Sequence[Option]]
    ) -> None:
        self._rule, self._names, self._options = rule, list(names), options
        self._quoted: dict[str, str] = {}

    def expression(self) -> Expression:
        if not isinstance(self._rule, str) or len(self._rule) > _TEXT:
            raise self._wrong(f"give a text of at most {_TEXT} characters")

        def quoted(match: re.Match[str]) -> str:
            name = match[1] or match[0]
            if match[1] is None and name not in self._names:
                return name
            key = f"_quoted{len(self._quoted)}_"
            self._quoted[key] = name
            return key

        try:
            tree = ast.parse(_NAME.sub(quoted, self._rule).strip(), mode="eval").body
            found = self._truth(tree)
        except (SyntaxError, RecursionError, MemoryError, OverflowError) as error:
            raise self._wrong(f"it can't be read ({error}); {_HELP}") from None
        except InvalidValueError:
            raise
        except ValueError as error:
            raise self._wrong(f"it can't be read ({error}); {_HELP}") from None
        if is_value(found):
            raise self._wrong(f"it is {found} whatever is chosen; compare choices")
        return found  # type: ignore[no-any-return]

    def _wrong(self, remedy: str) -> InvalidValueError:
        return InvalidValueError(f"where: rule {self._rule!r}: {remedy}")

    def _truth(self, node: ast.AST) -> Any:
        """An expression that is true, false or unknown."""
        if isinstance(node, ast.BoolOp):
            parts = [self._truth(value) for value in node.values]
            return joined("and" if isinstance(node.op, ast.And) else "or", parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return call("not", self._truth(node.operand))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return joined("and", [self._comparison(a, op, b) for a, op, b in pairs])
        if _called(node) == "implies" and len(node.args) == 2:  # type: ignore[attr-defined]
            first, then = map(self._truth, node.args)  # type: ignore[attr-defined]
            return joined("or", [call("not", first), then])
        if (name := self._name(node)) is not None:
            choice = self._choice(name)
            if all(isinstance(option, bool | None) for option in self._options[choice.choice]):
                return choice
        raise self._wrong(f"{self._text(node)!r} is neither true nor false; {_HELP}")

    def _comparison(self, a: ast.AST, op: ast.cmpop, b: ast.AST) -> Any:
        if isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot):
            opposite = {ast.NotEq: ast.Eq, ast.NotIn: ast.In, ast.IsNot: ast.Is}[type(op)]
            return call("not", self._comparison(a, opposite(), b))
        if isinstance(op, ast.In):
            if not isinstance(b, ast.Tuple | ast.List | ast.Set):
                raise self._wrong("give a list after `in`, such as (3, 5)")
            return joined("or", [self._comparison(a, ast.Eq(), one) for one in b.elts])
        if isinstance(op, ast.Eq | ast.Is):
            first, second = self._value(a), self._value(b)
            if first is None or second is None:
                return call("is None", second if first is None else first)
            return call("==", first, second)
        first, second = self._number(a), self._number(b)
        if isinstance(op, ast.Gt | ast.GtE):
            first, second = second, first
        strict = isinstance(op, ast.Lt | ast.Gt)
        return call("< 0" if strict else "<= 0", total_of(0, [(first, 1), (second, -1)]))

    def _value(self, node: ast.AST) -> Any:
        """A number, or the text of an option."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str | None):
            return node.value
        name = self._name(node)
        return self._number(node) if name is None else self._choice(name)

    def _number(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            return value_of(node.value)
        if isinstance(node, ast.BinOp):
            a, b = self._number(node.left), self._number(node.right)
            if isinstance(node.op, ast.Add | ast.Sub):
                return total_of(0, [(a, 1), (b, 1 if isinstance(node.op, ast.Add) else -1)])
            if type(node.op) in _OPERATORS:
                return call(_OPERATORS[type(node.op)], a, b)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign = -1 if isinstance(node.op, ast.USub) else 1
            return total_of(0, [(self._number(node.operand), sign)])
        function = _called(node)
        if function in ("sum", "min", "max", "abs"):
            parts = [self._number(part) for part in self._arguments(node)]
            if function == "sum":
                return total_of(0, [(self._or_0(part), 1) for part in parts])
            if function == "abs" and len(parts) != 1:
                raise self._wrong("abs takes one number")
            return call(function, *parts)
        name = self._name(node)
        if name is None:
            raise self._wrong(f"{self._text(node)!r} is not a number; {_HELP}")
        choice = self._choice(name)
        options = self._options[choice.choice]
        text = [] if isinstance(options, Range) else [o for o in options if isinstance(o, str)]
        if text:
            raise self._wrong(f"choice {name!r} has the option {text[0]!r}, which is no number")
        return choice

    def _or_0(self, part: Any) -> Any:
        """An inactive choice adds nothing to a sum."""
        active = isinstance(part, Choice) and None not in self._options[part.choice]
        return part if active else call("or 0", part)

    def _arguments(self, node: Any) -> Iterator[ast.AST]:
        """Of a call; lists in it are opened."""
        for part in node.args:
            yield from part.elts if isinstance(part, ast.Tuple | ast.List) else [part]

    def _name(self, node: ast.AST) -> str | None:
        """The choice's name that a node is: ``width``, ``stage1.width`` or between backquotes."""
        if isinstance(node, ast.Name):
            return self._quoted.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (before := self._name(node.value)) is not None:
            return f"{before}.{node.attr}"
        return None

    def _choice(self, name: str) -> Choice:
        if name not in self._names:
            raise unknown(f"where: rule {self._rule!r}: choice", name, self._names)
        return Choice(self._names.index(name))

    def _text(self, node: ast.AST) -> str:
        text = ast.unparse(node)
        return reduce(lambda t, pair: t.replace(*pair), self._quoted.items(), text)


def _called(node: ast.AST) -> str | None:
    """The name of the function that a node calls."""
    plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords
    return node.func.id if plain else None  # type: ignore[attr-defined]
