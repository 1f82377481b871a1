"""Exact counts and uniform draws where conditions depend on several choices.

The choices are gone through in order, parents first. What is left of the later conditions, given
the options so far, is a state; two ways to the same state have the same ways on. So the number of
architectures is a sum over states instead of over architectures.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces.architecture import Indices

# Beyond, conditions are too entangled; where each asks for a few choices before it there are tens.
MAX_STATES = 20_000

_Terms = Sequence[Sequence[tuple[int, NDArray[np.bool_]]]]
# A condition that options so far have left open: any of its terms, each a set of (choice, options).
_Open = frozenset[frozenset[tuple[int, frozenset[int]]]]
_HOLDS: _Open = frozenset([frozenset()])
_FAILS: _Open = frozenset()
_State = tuple[tuple[int, _Open], ...]


class TooManyStates(Exception):
    """The conditions can't be counted in a short time."""


class Counted:
    """The states of a conditional space, and from each of them the number of ways on.

    Args:
        sizes: Options of each choice.
        conditions: Choice → its terms; its option 0 is to be inactive.

    Raises:
        TooManyStates: There are more than `MAX_STATES` at one choice.
    """

    def __init__(self, sizes: Sequence[int], conditions: Mapping[int, _Terms]) -> None:
        self._sizes = sizes
        self._order = _parents_first(len(sizes), conditions)
        start: _State = tuple((choice, _opened(conditions[choice])) for choice in conditions)
        level: dict[_State, int] = {start: 0}
        #: For each choice of the order (states, options): the next state's number, -1 for none.
        self._next: list[NDArray[np.int64]] = []
        for choice in self._order:
            ahead: dict[_State, int] = {}
            table = np.full((len(level), sizes[choice]), -1)
            for state, row in level.items():
                for option in _options(choice, sizes[choice], dict(state)):
                    following = _after(state, choice, option)
                    table[row, option] = ahead.setdefault(following, len(ahead))
            if len(ahead) > MAX_STATES:
                raise TooManyStates
            self._next.append(table)
            level = ahead
        ways = [1] * len(level)
        #: For each choice of the order (states, options): the chance of an option.
        self._chances: list[NDArray[np.float64]] = []
        for table in reversed(self._next):
            on = [[ways[n] if n >= 0 else 0 for n in row] for row in table.tolist()]
            ways = [sum(row) for row in on]
            chances = [[w / total for w in row] for row, total in zip(on, ways, strict=True)]
            self._chances.insert(0, np.array(chances))
        self.count = ways[0]

    def sample(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` rows, uniform over the architectures, with replacement; (n, C)."""
        rows = np.zeros((n, len(self._sizes)), np.int64)
        state = np.zeros(n, np.int64)
        for choice, table, chances in zip(self._order, self._next, self._chances, strict=True):
            upto = chances[state].cumsum(1)
            # The last option that exists takes what rounding leaves.
            upto[upto >= upto[:, -1:]] = np.inf
            option = (rng.random(n)[:, None] >= upto).sum(1)
            rows[:, choice] = option
            state = table[state, option]
        return rows


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


def _opened(terms: _Terms) -> _Open:
    return frozenset(
        frozenset((parent, frozenset(np.flatnonzero(on).tolist())) for parent, on in term)
        for term in terms
    )


def _options(choice: int, size: int, state: Mapping[int, _Open]) -> Sequence[int]:
    if choice not in state:
        return range(size)
    return range(1, size) if state[choice] == _HOLDS else [0]


def _after(state: _State, choice: int, option: int) -> _State:
    """What is left open once a choice has its option."""
    return tuple(
        (later, _decided(condition, choice, option))
        for later, condition in state
        if later != choice
    )


def _decided(condition: _Open, choice: int, option: int) -> _Open:
    left = set()
    for term in condition:
        asked = [options for parent, options in term if parent == choice]
        if all(option in options for options in asked):
            left.add(frozenset(literal for literal in term if literal[0] != choice))
    if frozenset() in left:
        return _HOLDS
    # A term that asks for more than another one adds nothing.
    return frozenset(term for term in left if not any(other < term for other in left))
