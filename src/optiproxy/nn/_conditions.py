"""From runs to conditions: which options of which other choices a choice is asked under.

A condition is learnt from the runs that asked for the choice and from those that did not. It is a
disjunction of terms; a term allows, of some choices that are asked before, some of the options.
Where one term does not do, the runs that asked are covered by several, as in Michalski's AQ
algorithm: each begins with one of the runs and takes in others while it excludes every run that
did not ask. Of the literals of a term those are kept that are needed to exclude them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError
from optiproxy.nn._runs import Run
from optiproxy.spaces import Option

# A condition of more alternatives is refused: no reader would understand it.
MAX_TERMS = 32
# Combinations of the parents' options; of more than these not all are run.
MAX_COMBINATIONS = 512

#: Parent → which of its options.
Term = dict[int, NDArray[np.bool_]]
_Ints = NDArray[np.int64]


class Observed:
    """Runs as arrays, which grow by names and by runs.

    Attributes:
        options: Name → labels, in the order of first sight.
        terms: Choice → the terms of its condition; no entry where it is always asked.
        values: The number of each run's options, (R, C), -1 where a choice was not asked.
        refused: Answers, name → label, that no run can have, since they break a rule.
    """

    def __init__(self) -> None:
        self.options: dict[str, tuple[Option, ...]] = {}
        self.terms: dict[str, list[dict[str, tuple[Option, ...]]]] = {}
        self.values = np.empty((0, 0), np.int64)
        self.refused: list[dict[str, Option]] = []
        # Which place each choice had in each run, (R, C).
        self._places = np.empty((0, 0), np.int64)

    @property
    def covered(self) -> NDArray[np.int64]:
        """`values`, and behind them the rows that were refused."""
        refused = [
            [
                labels.index(row[name]) if name in row else -1
                for name, labels in self.options.items()
            ]
            for row in self.refused
        ]
        return np.array([*self.values, *refused], np.int64).reshape(-1, len(self.options))

    def add(self, run: Run) -> bool:
        """Adds a run; returns whether the conditions predicted it."""
        new = {name: labels for name, labels in run.asked.items() if name not in self.options}
        row = [
            labels.index(run.picked[name]) if name in run.picked else -1
            for name, labels in self.options.items()
        ]
        expected = self._active(np.array([row], np.int64))[0]
        wrong = {n for n, v, on in zip(self.options, row, expected, strict=True) if on != (v >= 0)}
        self.options.update(new)
        row += [labels.index(run.picked[name]) for name, labels in new.items()]
        place = {name: number for number, name in enumerate(run.asked)}
        self.values = _grown(self.values, row)
        self._places = _grown(self._places, [place.get(name, -1) for name in self.options])
        names = list(self.options)
        for name in (n for n in names if n in wrong or n in new):  # Sets have no order.
            found = _learnt(self.values, self._places, names.index(name), self._sizes())
            self.terms[name] = [self._named(term) for term in found]
            if not found:
                del self.terms[name]
        return not wrong and not new

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """`n` runs as predicted, (n, C). In turn: random options, options under which a random
        condition holds, and the same with one choice changed so that it does not.
        """
        values = rng.integers(0, self._sizes(), size=(n, len(self.options)))
        conditional = list(self.terms)
        for r in range(n):
            if conditional and r % 3:
                name = conditional[int(rng.integers(len(conditional)))]
                self._fulfil(name, values[r], rng)
                if r % 3 == 2:
                    self._miss(name, values[r], rng)
        return np.where(self._active(values), values, -1)

    def _fulfil(self, name: str, row: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Gives the choices above `name` options under which it is asked."""
        terms = self.terms.get(name, [])
        for parent, options in terms[int(rng.integers(len(terms)))].items() if terms else ():
            option = options[int(rng.integers(len(options)))]
            row[list(self.options).index(parent)] = self.options[parent].index(option)
            self._fulfil(parent, row, rng)

    def _miss(self, name: str, row: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Gives one of its parents another option than the condition names, where it has one."""
        parents = [(p, o) for term in self.terms[name] for p, o in term.items()]
        parent, options = parents[int(rng.integers(len(parents)))]
        other = [i for i, option in enumerate(self.options[parent]) if option not in options]
        if other:
            row[list(self.options).index(parent)] = other[int(rng.integers(len(other)))]

    def picked(self, row: NDArray[np.int64]) -> dict[str, Option]:
        """The labels of a row of option numbers, (C,)."""
        items = zip(self.options.items(), row.tolist(), strict=True)
        return {name: labels[number] for (name, labels), number in items if number >= 0}

    def one_hot(self, values: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of option numbers (R, C) as zeros and ones, (R, all options)."""
        hot = [
            (values[:, c, None] == np.arange(size)[None]).astype(np.float32)
            for c, size in enumerate(self._sizes())
        ]
        return np.concatenate(hot, 1)

    def new_parents(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """In how many conditions on several choices these have options that no run had together,
        for each row of (R, C); (R,).
        """
        new = np.zeros(len(values), np.int64)
        names, sizes = list(self.options), self._sizes()
        for family in {
            frozenset(p for term in terms for p in term) for terms in self.terms.values()
        }:
            columns = [names.index(parent) for parent in family]
            shape = [sizes[c] + 1 for c in columns]
            if len(columns) > 1 and math.prod(shape) <= MAX_COMBINATIONS:
                ours, seen = (
                    np.ravel_multi_index(tuple(rows[:, columns].T + 1), shape)
                    for rows in (values, self.covered)
                )
                new += ~np.isin(ours, seen)
        return new

    def _active(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which choices are asked where those that are have these options, (R, C)."""
        numbers = {name: c for c, name in enumerate(self.options)}
        conditions = {
            numbers[name]: [
                [
                    # The last entry stands for -1, not asked.
                    (numbers[p], np.array([*(label in o for label in self.options[p]), False]))
                    for p, o in term.items()
                ]
                for term in terms
            ]
            for name, terms in self.terms.items()
        }
        active = np.ones(values.shape, dtype=bool)
        active[:, list(conditions)] = False
        while True:
            before = active.sum()
            for c, terms in conditions.items():
                for term in terms:
                    holds = [active[:, p] & on[values[:, p]] for p, on in term]
                    active[:, c] |= np.logical_and.reduce(holds)
            if active.sum() == before:
                return active

    def _insert(self, run: Run) -> None:
        """Inserts each new name behind the one that was asked before it."""
        last = ""
        for name in run.asked:
            if name not in self.options:
                names = list(self.options)
                names.insert(names.index(last) + 1 if last else 0, name)
                self.options = {n: run.asked[n] if n == name else self.options[n] for n in names}
            last = name

    def _sizes(self) -> list[int]:
        return [len(labels) for labels in self.options.values()]

    def _named(self, term: Term) -> dict[str, tuple[Option, ...]]:
        items = list(self.options.items())
        return {
            items[p][0]: tuple(o for o, allowed in zip(items[p][1], on, strict=True) if allowed)
            for p, on in term.items()
        }


def _grown(rows: _Ints, row: Sequence[int]) -> _Ints:
    """`rows` with one more row, and with columns for the names that are new in it."""
    grown = np.full((len(rows) + 1, len(row)), -1)
    grown[:-1, : rows.shape[1]] = rows
    grown[-1] = row
    return grown


def _learnt(values: _Ints, places: _Ints, x: int, sizes: Sequence[int]) -> list[Term]:
    """The condition of choice `x`; empty where every run asked for it.

    Raises:
        InvalidValueError: It has too many alternatives.
    """
    active = values[:, x] >= 0
    asked, other = np.flatnonzero(active), values[~active]
    if not len(other):
        return []
    everything = _term(values, places, asked, other, x, sizes)
    if everything is not None:
        return [everything]
    terms: list[Term] = []
    while len(asked):
        group = asked[:1]
        for run in asked[1:]:
            grown = np.append(group, run)
            if _term(values, places, grown, other, x, sizes) is not None:
                group = grown
        term = _term(values, places, group, other, x, sizes)
        if term is None or len(terms) == MAX_TERMS:
            raise InvalidValueError(
                f"space_of: choice number {x + 1} depends on the others in over {MAX_TERMS} ways; "
                "ask for it in every run, or write the space by hand"
            )
        terms.append(term)
        asked = asked[~_fulfilled(term, values[asked])]
    return terms


def _term(
    values: _Ints, places: _Ints, group: _Ints, other: _Ints, x: int, sizes: Sequence[int]
) -> Term | None:
    """A term that holds in the runs `group` and in none of `other`; None where there is none."""
    literals: dict[int, NDArray[np.bool_]] = {}
    excluded: dict[int, NDArray[np.bool_]] = {}
    for p, size in enumerate(sizes):
        before = (values[group, p] >= 0) & (places[group, p] < places[group, x])
        if p != x and before.all():
            on = np.zeros(size + 1, dtype=bool)  # The last entry stands for -1, not asked.
            on[values[group, p]] = True
            literals[p], excluded[p] = on[:-1], ~on[other[:, p]]
    left, term = np.ones(len(other), dtype=bool), {}
    while left.any():
        # What excludes most; of equals a choice's options before the fact that it is asked.
        best = max(
            literals,
            key=lambda p: (int((excluded[p] & left).sum()), not literals[p].all(), -p),
            default=None,
        )
        if best is None or not (excluded[best] & left).any():
            return None
        term[best] = literals[best]
        left &= ~excluded[best]
    for p in list(term):  # Those that later ones made redundant.
        rest = [excluded[q] for q in term if q != p]
        if rest and np.logical_or.reduce(rest).all():
            del term[p]
    return dict(sorted(term.items()))


def _fulfilled(term: Term, rows: _Ints) -> NDArray[np.bool_]:
    holds = [np.append(on, False)[rows[:, p]] for p, on in term.items()]
    return np.asarray(np.logical_and.reduce(holds))
