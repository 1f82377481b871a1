"""An ordered list of independent choices: macro spaces, stage depths and widths, kernel sizes."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces import _rules
from optiproxy.spaces._diagram import Diagram
from optiproxy.spaces._rule_reader import read
from optiproxy.spaces.architecture import GraphTemplate, Indices, Option, is_number
from optiproxy.spaces.base import Space
from optiproxy.spaces.numbers import Float

# The weight of the choice that a neighbour has to differ in, more than all others together.
_KEPT = 1e4
# Moves of the numbers of a row that are tried where they break a rule.
_MOVES = 256


class Chain(Space):
    """Named choices in a row, each with its own options.

    The graph encoding is a path: input → first choice → … → last choice → output. Every option is
    a separate vertex feature, so N = choices + 2 and F = all options + 2.

    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
    >>> space.count
    18

    Rules between choices are text. What they allow is counted and drawn exactly, also where that
    is one combination in a million:

    >>> narrower = Chain(
    ...     {f"width{i}": range(16, 208, 16) for i in range(8)},
    ...     where=[*(f"width{i} >= width{i + 1}" for i in range(7)), "width0 + width1 <= 256"],
    ... )
    >>> narrower.count
    9393

    Args:
        choices: Name → options (text, numbers, booleans or None), or a `Float` or an `Int` for the
            numbers of a range, in the order they are applied.
        where: Rules that every architecture keeps: comparisons (``<= < >= > == != in``, ``is
            None``) of choices, numbers, text and ``+ - * / // % **``, ``sum``, ``min``, ``max``,
            ``abs`` of them, joined by ``and``, ``or``, ``not`` and ``implies(if, then)``. A name
            that is no Python name stands between backquotes. Numbers are decimal and exact. As in
            the CHECK of a database, a comparison with None (an inactive choice) is neither true nor
            false, and a rule is broken only where it is false; ``sum``, ``min`` and ``max`` pass
            over None. Rules that name a `Float` or an `Int` are checked: architectures that break
            them are drawn again.

    Raises:
        InvalidValueError: `choices` or `where` can't be used; all mistakes are in one message.
    """

    def __init__(
        self, choices: Mapping[str, Sequence[Option]], *, where: Sequence[str] = ()
    ) -> None:
        super().__init__(choices)
        for name, options in choices.items():
            if isinstance(options, tuple) and _looks_like_a_range(options):
                warnings.warn(
                    f"choice {name!r}: {options!r} gives two options; for the numbers between them "
                    f"write {Float(*options)!r}, for the two options a list, {list(options)!r}",
                    stacklevel=2,
                )
        if isinstance(where, str) or not isinstance(where, Sequence):
            raise invalid("where", where, 'give a list of rules, such as ["width2 <= width1"]')
        self.where = tuple(where)
        # Rules on numbers of a range are checked; only those on lists can be counted.
        self._rules: list[_rules.Expression] = []
        self._number_rules: list[_rules.Expression] = []
        problems = []
        for rule in self.where:
            try:
                found = read(rule, self.names, list(self.choices.values()))
            except InvalidValueError as error:
                problems.append(str(error))
                continue
            on_numbers = not _rules.choices_of(found).isdisjoint(self.numbers)
            (self._number_rules if on_numbers else self._rules).append(found)
        if problems:
            raise InvalidValueError(f"{type(self).__name__}: {'; '.join(problems)}")

    def _definition(self) -> dict[str, Any]:
        return {"where": self.where} if self.where else {}

    # ---- rules ----

    @cached_property
    def _diagram(self) -> Diagram | None:
        """What the rules allow; None without rules."""
        return self._diagram_of(self._rules) if self._rules else None

    @cached_property
    def _values(self) -> list[list[_rules.Value]]:
        """Of each choice; for a number, which no counted rule names, one value stands for all."""
        return [
            [_rules.value_of(options[i]) for i in range(last + 1)]
            for options, last in zip(
                self.choices.values(), self._last_columns.tolist(), strict=True
            )
        ]

    def _with_numbers(self, rows: Indices, numbers: Indices) -> Indices:
        """Rows (B, C) in which one value stands for all of a number, with those of other rows."""
        for c, number in self.numbers.items():
            active = rows[:, c] >= number.first
            rows[:, c] = np.where(active, numbers[:, c].clip(min=number.first), 0)
        return rows

    def _diagram_of(
        self, rules: Sequence[_rules.Expression], order: Sequence[int] | None = None
    ) -> Diagram:
        diagram = Diagram(self._values, rules, order)
        if not diagram.count and diagram.is_exact:
            raise invalid(
                f"{type(self).__name__}: where", self.where, "no architecture keeps all these rules"
            )
        return diagram

    @property
    def _exact(self) -> Diagram | None:
        """The diagram where it holds all that the rules allow."""
        return self._diagram if self._diagram is not None and self._diagram.is_exact else None

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        """Whether each row of (B, C) keeps all rules, (B,)."""
        found = np.ones(len(indices), dtype=bool)
        if self._exact is not None:
            found &= self._exact.contains(self.columns(indices))
        else:
            for rule in self._rules:
                found &= _rules.holds(rule, self._values, self.columns(indices))
        found[found] = self._numbers_allowed(indices[found])
        return found

    def _numbers_allowed(self, rows: Indices) -> NDArray[np.bool_]:
        """Whether each of rows (B, C) keeps the rules on numbers, (B,)."""
        options = [self.numbers.get(c, values) for c, values in enumerate(self._values)]
        found = np.ones(len(rows), dtype=bool)
        for rule in self._number_rules:
            found[found] = _rules.holds(rule, options, rows[found])
        return found

    def _with_allowed_numbers(self, rows: Indices) -> Indices:
        """Rows (B, C) whose numbers are moved where they break rules, as little as possible."""
        if not self._number_rules:
            return rows
        broken = np.flatnonzero(~self._numbers_allowed(rows))
        rng = np.random.default_rng(0)
        tried = np.repeat(rows[broken], _MOVES, axis=0)
        reach = np.tile(np.linspace(0, 1, _MOVES), len(broken))
        moved = np.zeros(len(tried))
        for c in sorted(set().union(*map(_rules.choices_of, self._number_rules))):
            if (number := self.numbers.get(c)) is None:
                continue
            level, active = number.levels(tried[:, c]), tried[:, c] >= number.first
            other = (level + reach * rng.uniform(-1, 1, len(tried))).clip(0, 1)
            tried[:, c] = np.where(active, number.nearest(other), tried[:, c])
            moved += np.where(active, (other - level) ** 2, 0)
        moved[~self._numbers_allowed(tried)] = np.inf
        nearest = moved.reshape(len(broken), _MOVES).argmin(1) if len(broken) else broken
        rows = rows.copy()
        rows[broken] = tried[np.arange(len(broken)) * _MOVES + nearest]
        return rows

    @cached_property
    def count(self) -> int | float:
        """The number of valid architectures, infinite with any number of a range; an upper bound in
        a large space with a `valid`, or with rules that are too entangled to be counted.
        """
        exact = self._exact is not None or not self._rules
        if self._number_rules or (self.numbers and self._diagram is not None):
            exact = False  # in the diagram one value stands for all of a number
        return self._combinations if exact and self._valid_by_rules else super().count

    @property
    def _valid_by_rules(self) -> bool:
        """Whether validity follows from the rules alone: no subclass overrides `valid`."""
        return type(self).valid is Chain.valid

    @property
    def _combinations(self) -> int | float:
        exact = None if self.numbers else self._exact
        return super()._combinations if exact is None else exact.count

    def _grid(self) -> Indices:
        exact = None if self.numbers else self._exact
        return super()._grid() if exact is None else exact.rows()

    def _draw(self, n: int, rng: np.random.Generator) -> Indices:
        if self._exact is None:
            return super()._draw(n, rng)
        rows = self._exact.sample(n, rng)
        return self._with_numbers(rows, super()._draw(n, rng)) if self.numbers else rows

    def _likely_rows(self) -> Indices:
        rows = super()._likely_rows()
        if self._diagram is None or not self._diagram.count:
            return rows
        drawn = self._diagram.sample(1000, np.random.default_rng(0))
        if self.numbers:
            drawn = self._with_numbers(drawn, super()._draw(1000, np.random.default_rng(0)))
        return np.concatenate([rows, drawn])

    def repair(self, indices: Indices) -> Indices:
        """Rows that keep the rules, near those of (B, C); (B or fewer, C)."""
        if self._exact is not None:
            found = self._exact.nearest(self.columns(indices))
            indices = self._with_numbers(found, indices)
        return super().repair(self._with_allowed_numbers(indices))

    def neighbour_indices(self, rows: Indices) -> Indices:
        """Every valid row that differs from one of `rows` (B, C) in a single choice, and in as few
        others as the rules make necessary.
        """
        if self._exact is None:
            return super().neighbour_indices(rows)
        changed, choice = self._single_changes(rows)
        weights = np.ones(changed.shape, np.float32)
        weights[np.arange(len(changed)), choice] = _KEPT
        near = self._exact.nearest(self.columns(changed), weights)
        near = self._with_numbers(near, changed)
        kept = near[np.arange(len(near)), choice] == changed[np.arange(len(near)), choice]
        _, first = np.unique(near[kept], axis=0, return_index=True)
        different: Indices = near[kept][np.sort(first)]
        return different[self._allowed(different)]

    @cached_property
    def graph(self) -> GraphTemplate:
        return self._chain(self.widths)

    def graph_with(self, kept: Sequence[Indices]) -> GraphTemplate:
        if type(self).graph is not Chain.graph:
            return super().graph_with(kept)
        return self._chain(np.array([len(options) for options in kept]))

    def _chain(self, sizes: Indices) -> GraphTemplate:
        """The path of choices with so many options each."""
        n, f = len(sizes) + 2, int(sizes.sum()) + 2
        adjacency = np.eye(n, k=1, dtype=np.float32)
        features = np.zeros((n, f), np.float32)
        features[0, 0] = features[-1, -1] = 1
        terms = np.zeros((n - 2, int(sizes.max()), n, f), np.float32)
        offsets = 1 + np.concatenate([[0], np.cumsum(sizes)[:-1]])
        c, o = np.nonzero(np.arange(sizes.max()) < sizes[:, None])
        terms[c, o, c + 1, offsets[c] + o] = 1
        return GraphTemplate(adjacency, features, terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Windows of one and two neighbouring choices: the path encoding, truncated at length 2."""
        single = tuple((c,) for c in range(len(self.sizes)))
        return single + tuple(itertools.pairwise(range(len(self.sizes))))


def _looks_like_a_range(options: tuple[Option, ...]) -> bool:
    """Whether two options may have been meant as the ends of a range."""
    if len(options) != 2 or not all(is_number(option) for option in options):
        return False
    return any(isinstance(option, float) for option in options) and options[0] < options[1]  # type: ignore[operator]
