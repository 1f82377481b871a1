"""Choices that exist only where other choices have certain options."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces._diagram import Diagram
from optiproxy.spaces._refine import row_keys
from optiproxy.spaces._rules import Call, Choice, Expression, joined
from optiproxy.spaces.architecture import GraphTemplate, Indices, Option
from optiproxy.spaces.chain import Chain
from optiproxy.spaces.numbers import Number

INACTIVE = None

Condition = Mapping[str, Sequence[Option]] | Sequence[Mapping[str, Sequence[Option]]]
When = Mapping[str, Condition]
# A parent and which of its options fulfil the condition; all of a term hold, or any of the terms.
_Literal = tuple[int, NDArray[np.bool_]]
_Terms = list[list[_Literal]]


class Conditional(Chain):
    """Named choices, some of which are active only under options of others.

    A choice that stands in `when` gets None as an additional first option: it is inactive. It is so
    exactly where its condition does not hold, and an architecture may leave it out.
    The graph encoding is a chain of fixed size, in which an inactive choice has no feature (its
    row of X is zero), so that the proxy sees no option that does not exist.

    >>> space = Conditional(
    ...     {"op": ["conv", "pool", "skip"], "kernel": [3, 5], "norm": ["batch", "group"],
    ...      "groups": [2, 4, 8]},
    ...     when={"kernel": {"op": ["conv", "pool"]}, "norm": {"op": ["conv"]},
    ...           "groups": {"norm": ["group"]}},
    ... )
    >>> space.count  # conv: 2 kernels x (batch, or group with 3 sizes); pool: 2; skip: 1
    11
    >>> dict(space.architecture({"op": "pool", "kernel": 5}))
    {'op': 'pool', 'kernel': 5, 'norm': None, 'groups': None}

    Args:
        choices: Name → options.
        when: Name of a choice → its condition, ``{parent: [option, …]}``: the parent has one of
            these options. Of several parents all must; a list of such mappings holds where any of
            them does. A parent may be conditional itself; where it is inactive it has no option.
        where: Rules between choices, as in `Chain`; an inactive choice keeps every comparison.

    Raises:
        InvalidValueError: All that is wrong with `choices` and `when` in one message: unknown
            names and options, circles, choices that can't become active. Or `where` can't be used.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Option]],
        when: When,
        *,
        where: Sequence[str] = (),
    ) -> None:
        problems = [*_base_problems(choices), *_condition_problems(choices, when)]
        if problems:
            raise InvalidValueError("Conditional: " + "; ".join(problems))
        options = {n: _options(o, n in when) for n, o in choices.items()}
        super().__init__(options, where=where)
        self.when: dict[str, Any] = {name: _frozen(when[name]) for name in when}
        # Parents before children, whatever order they are named in.
        levels: dict[int, int] = {}
        self._conditions = sorted(
            ((self.names.index(name), self._terms(name)) for name in self.when),
            key=lambda condition: self._level(condition[0], levels),
        )

    def _terms(self, name: str) -> _Terms:
        return [
            [
                (
                    self.names.index(parent),
                    np.array([_among(option, options) for option in self.choices[parent]]),
                )
                for parent, options in term.items()
            ]
            for term in _alternatives(self.when[name])
        ]

    def _level(self, choice: int, known: dict[int, int]) -> int:
        """How many conditions stand above a choice."""
        if choice not in known:
            terms = _alternatives(self.when.get(self.names[choice], ()))
            parents = {self.names.index(parent) for term in terms for parent in term}
            known[choice] = max((1 + self._level(parent, known) for parent in parents), default=0)
        return known[choice]

    def _definition(self) -> dict[str, Any]:
        return {"when": self.when, **super()._definition()}

    @cached_property
    def _diagram(self) -> Diagram | None:
        """What rules and conditions allow; None without rules where each choice has one parent."""
        if not self._rules and all(
            len(terms) == 1 == len(terms[0]) for _, terms in self._conditions
        ):
            return None
        conditions = [self._rule_of(choice, terms) for choice, terms in self._conditions]
        above = dict(self._conditions)
        return self._diagram_of([*conditions, *self._rules], _parents_first(len(self), above))

    def _rule_of(self, choice: int, terms: _Terms) -> Expression:
        """The choice is inactive, or its condition holds: one of both."""
        literals = [
            [
                Call("one of", (Choice(parent), *itertools.compress(self._values[parent], on)))
                for parent, on in term
            ]
            for term in terms
        ]
        holds = joined("or", [joined("and", term) for term in literals])
        return Call("either", (Call("is None", (Choice(choice),)), holds))

    @property
    def _valid_by_rules(self) -> bool:
        return type(self).valid is Conditional.valid

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        found = super().valid(indices)
        if self._exact is None:
            for choice, terms in self._conditions:
                found &= _holds(terms, indices) == (indices[:, choice] > 0)
        return found

    @property
    def _is_plain(self) -> bool:
        """Whether conditions alone say what is valid."""
        return not self._rules and not self._number_rules and self._valid_by_rules

    def repair(self, indices: Indices) -> Indices:
        """Inactive choices become None; active ones without an option get one of theirs; (B, C)."""
        if self._rules and self._exact is not None:
            return super().repair(indices)
        rows = self._switched(indices)
        return rows if self._is_plain else super().repair(rows)

    def _switched(self, indices: Indices) -> Indices:
        rows = indices.copy()
        # A hash in place of a generator: the same row always gets the same option.
        number = (row_keys(rows) >> np.uint64(2)).astype(np.int64)
        for choice, terms in self._conditions:
            if choice in self.numbers:
                drawn = self.numbers[choice].nearest(number / 2.0**62)
            else:
                drawn = 1 + number % (self.sizes[choice] - 1)
            option = np.where(rows[:, choice] > 0, rows[:, choice], drawn)
            rows[:, choice] = np.where(_holds(terms, rows), option, 0)
        return rows

    @cached_property
    def _ways(self) -> list[list[int]]:
        """For each choice and option the number of ways to choose all that depends on it alone; any
        number counts as one option.
        """
        return self._ways_of([[1] * (last + 1) for last in self._last_columns.tolist()])

    def _ways_of(self, ways: list[list[Any]]) -> list[list[Any]]:
        """`_ways`, from what each option counts for."""
        for choice, terms in reversed(self._conditions):
            if len(terms) == 1 == len(terms[0]):
                ((parent, on),) = terms[0]
                total = sum(ways[choice][1:])
                ways[parent] = [
                    w * (total if o else 1) for w, o in zip(ways[parent], on, strict=True)
                ]
        return ways

    @property
    def _combinations(self) -> int | float:
        if self._exact is not None:
            return super()._combinations
        options: list[list[Any]] = [[1] * (last + 1) for last in self._last_columns.tolist()]
        for c, number in self.numbers.items():
            options[c][-1] = number.cardinality
        single = {c for c, terms in self._conditions if len(terms) == 1 == len(terms[0])}
        count: int | float = math.prod(
            sum(ways[int(self.names[c] in self.when) :])
            for c, ways in enumerate(self._ways_of(options))
            if c not in single
        )
        return count

    def _grid(self) -> Indices:
        if self._exact is not None:
            return super()._grid()
        above = dict(self._conditions)
        roots = [choice for choice in range(len(self.names)) if choice not in above]
        rows = np.zeros((1, len(self.names)), dtype=np.int64)
        for choice in [*roots, *above]:
            options = np.arange(int(choice in above), self.sizes[choice])
            active = np.ones(len(rows), dtype=bool)
            if choice in above:
                active = _holds(above[choice], rows)
            chosen = np.repeat(rows[active], len(options), axis=0)
            chosen[:, choice] = np.tile(options, int(active.sum()))
            rows = np.concatenate([rows[~active], chosen])
        return rows[np.lexsort(rows.T[::-1])]

    def _draw(self, n: int, rng: np.random.Generator) -> Indices:
        if self._exact is not None:
            return super()._draw(n, rng)
        rows = np.empty((n, len(self.sizes)), np.int64)
        for c, ways in enumerate(self._ways):
            first = int(self.names[c] in self.when)
            total = sum(ways[first:])
            p = [w / total for w in ways[first:]]
            rows[:, c] = first + rng.choice(len(p), size=n, p=p)
        for c, number in self.numbers.items():
            rows[:, c] = number.nearest(rng.random(n))
        return self._switched(rows)

    def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` valid rows with replacement, (n, C): uniform over the architectures wherever `count`
        is exact, where any number counts as one option.
        """
        return self._draw(n, rng) if self._is_plain else super().random_indices(n, rng)

    def neighbour_indices(self, rows: Indices) -> Indices:
        """Rows that differ from one of `rows` in one active choice, and in what depends on it."""
        if self._rules and self._exact is not None:
            return super().neighbour_indices(rows)
        out = [np.empty((0, len(self.sizes)), np.int64)]
        for c, size in enumerate(self.sizes):
            if c in self.numbers:
                active = rows[rows[:, c] >= self.numbers[c].first]
                out.append(self._switched(self._moved(active, c)))
                continue
            first = int(self.names[c] in self.when)
            for option in range(first, int(size)):
                active = rows[(rows[:, c] >= first) & (rows[:, c] != option)].copy()
                active[:, c] = option
                out.append(self._switched(active))
        near = np.concatenate(out)
        return near if self._is_plain else near[self._allowed(near)]

    def default_option(self, name: str) -> Option:
        return self.choices[name][int(name in self.when)]  # where it is active

    def fill_defaults(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
        """Adds the inactive choices that an architecture leaves out."""
        given = dict(mapping)
        for choice, _ in self._conditions:
            name = self.names[choice]
            terms = _alternatives(self.when[name])
            parents = dict.fromkeys(parent for term in terms for parent in term)
            here = " and ".join(f"{p!r} is {given[p]!r}" for p in parents if p in given)
            if any(all(p in given and _among(given[p], o) for p, o in t.items()) for t in terms):
                if name in given and given[name] is INACTIVE:
                    remedy = f"it is active where {here}; give an option"
                    raise invalid(f"architecture: option of choice {name!r}", INACTIVE, remedy)
            elif given.setdefault(name, INACTIVE) is not INACTIVE and all(
                p in given and _among(given[p], self.choices[p]) for p in parents
            ):
                remedy = f"it is inactive where {here}; leave it out"
                raise invalid(f"architecture: option of choice {name!r}", given[name], remedy)
        return given

    def _chain(self, sizes: Indices) -> GraphTemplate:
        chain = super()._chain(sizes)
        chain.feature_terms[[choice for choice, _ in self._conditions], 0] = 0
        return chain

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Single choices, neighbours in the chain, and each choice with each of its parents."""
        found = dict.fromkeys(super().paths)
        for choice, terms in self._conditions:
            for parent in dict.fromkeys(parent for term in terms for parent, _ in term):
                found.setdefault((min(choice, parent), max(choice, parent)))
        return tuple(found)


def _holds(terms: _Terms, rows: Indices) -> NDArray[np.bool_]:
    """Whether a condition holds in each of the rows, (B,)."""
    found = np.zeros(len(rows), dtype=bool)
    for term in terms:
        holds = np.ones(len(rows), dtype=bool)
        for parent, on in term:
            holds &= on[rows[:, parent]]
        found |= holds
    return found


def _parents_first(choices: int, conditions: Mapping[int, _Terms]) -> list[int]:
    """All choices, those with smaller numbers first as far as parents allow."""
    waiting = {c: {p for term in terms for p, _ in term} for c, terms in conditions.items()}
    ready = [c for c in range(choices) if c not in waiting]
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for choice, parents in waiting.items():
            if order[-1] in parents:
                parents.remove(order[-1])
                if not parents:
                    heapq.heappush(ready, choice)
    return order


def _alternatives(condition: Any) -> Sequence[Mapping[str, Sequence[Option]]]:
    return [condition] if isinstance(condition, Mapping) else condition


def _frozen(condition: Any) -> Any:
    """A condition with tuples of options; one mapping stays one."""
    terms = tuple({p: tuple(o) for p, o in term.items()} for term in _alternatives(condition))
    return terms[0] if isinstance(condition, Mapping) or len(terms) == 1 else terms


def _among(option: Any, options: Sequence[Option]) -> bool:
    """Whether the option is in the list; True is not 1."""
    return any(option == o and isinstance(option, bool) == isinstance(o, bool) for o in options)


def _base_problems(choices: Mapping[str, Sequence[Option]]) -> Iterator[str]:
    try:
        Chain(choices)
    except InvalidValueError as error:
        yield str(error)


def _condition_problems(choices: Mapping[str, Sequence[Option]], when: When) -> Iterator[str]:
    if not isinstance(when, Mapping):
        yield f"when: got {when!r}; give a mapping, choice → {{parent: [options]}}"
        return
    names = choices if isinstance(choices, Mapping) else {}
    parents: dict[str, list[str]] = {}
    for name, condition in when.items():
        if name not in names:
            yield f"when: choice {name!r} is not among {', '.join(map(repr, names))}"
            continue
        if _among(INACTIVE, _list(names[name])):
            yield f"choice {name!r}: None says that a choice is inactive; name the option otherwise"
        terms = [condition] if isinstance(condition, Mapping) else _list(condition)
        if not terms or not all(isinstance(term, Mapping) and term for term in terms):
            yield (
                f"when: {name!r}: got {condition!r}; give {{parent: [options]}}, or a list of such"
            )
            continue
        for parent, options in ((p, o) for term in terms for p, o in term.items()):
            if parent not in names:
                yield f"when: {name!r}: its parent {parent!r} is no choice"
                continue
            if isinstance(names[parent], Number):
                yield (
                    f"when: {name!r}: its parent {parent!r} is a number of a range; give the "
                    "parent a list of options"
                )
                continue
            parents.setdefault(name, []).append(parent)
            yield from _option_problems(name, parent, options, _list(names[parent]))
    for name in parents:
        if (circle := _circle(name, parents)) and name == min(circle):
            yield f"when: a circle, {' ← '.join([*circle, name])}"


def _option_problems(name: str, parent: str, options: Any, known: Sequence[Any]) -> Iterator[str]:
    if isinstance(options, str) or not isinstance(options, Sequence):
        yield f"when: {name!r}: got {options!r}; give a list of options of {parent!r}"
    elif not options:
        yield f"when: {name!r} can't be reached: no option of {parent!r} switches it on"
    else:
        for option in options:
            if not _among(option, known):
                yield f"when: {name!r}: {parent!r} has no option {option!r}"


def _circle(name: str, parents: Mapping[str, Sequence[str]]) -> list[str]:
    """The way from a choice over parents back to itself; empty where there is none."""
    ways, seen = [[name]], {name}
    while ways:
        way = ways.pop()
        for parent in parents.get(way[-1], ()):
            if parent == name:
                return way
            if parent not in seen:
                seen.add(parent)
                ways.append([*way, parent])
    return []


def _list(options: object) -> Sequence[Any]:
    return (
        options if isinstance(options, Sequence) and not isinstance(options, str | Number) else ()
    )


def _options(options: Sequence[Option], conditional: bool) -> Sequence[Option]:
    """The options of a choice; the first of a conditional one is None."""
    if isinstance(options, Number):
        return options.as_optional() if conditional else options
    return [INACTIVE, *options] if conditional else list(options)
