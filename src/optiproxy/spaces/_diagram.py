"""Counts, uniform draws and nearest rows under rules: a decision diagram of the choices.

The choices are gone through in order. What is left of the rules, given the options so far, is a
state; two ways to the same state have the same ways on. So the number of architectures is a sum
over states instead of over architectures, and a state without ways on is never entered: sampling
looks ahead to the last choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces._rules import Bounds, Expression, Value, choices_of, put
from optiproxy.spaces.architecture import Indices

# With more, counting takes longer than a second or two. Rules between neighbours need tens.
MAX_STATES = 5_000
MAX_STEPS = 150_000
# Where there are more, so many states of a choice are drawn at random and followed.
FOLLOWED = 64
# Numbers of states, options and rows that are compared at a time.
_CHUNK = 4_000_000

_State = frozenset[Expression]


class Diagram:
    """The states of a space with rules, and from each of them the number of ways on.

    Args:
        options: Of each choice, see `_rules.value_of`.
        rules: All of which hold.
        order: The choices in the order in which they are gone through; by default their own.

    Attributes:
        is_exact: Whether all valid rows are in it; else some of them are, or none.
        count: The number of rows.
    """

    def __init__(
        self,
        options: Sequence[Sequence[Value]],
        rules: Sequence[Expression],
        order: Sequence[int] | None = None,
    ) -> None:
        self._options = options
        self._order = list(range(len(options)) if order is None else order)
        self._bounds = [_bounds(values) for values in options]
        self._known: dict[tuple[Expression, int, Value], Expression] = {}
        self.is_exact = True
        tables = self._forward(rules)
        #: For each choice of the order (states, options): the next state's number, -1 for none.
        self._next: list[NDArray[np.int64]] = []
        #: The same for the chance of an option.
        self._chances: list[NDArray[np.float64]] = []
        self.count = self._backward(tables)
        self._known.clear()

    # ---- building ----

    def _forward(self, rules: Sequence[Expression]) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng(0)
        level: dict[_State, int] = {frozenset(rules): 0}
        tables: list[NDArray[np.int64]] = []
        for choice in self._order:
            options = self._options[choice]
            few = len(level) <= MAX_STATES and len(level) * len(options) <= MAX_STEPS
            self.is_exact &= few and len(self._known) <= MAX_STEPS
            if not self.is_exact and len(level) > FOLLOWED:
                kept = rng.choice(len(level), FOLLOWED, replace=False)
                number = np.full(len(level) + 1, -1)  # its last entry maps -1 to -1
                number[kept] = np.arange(FOLLOWED)
                tables[-1] = number[tables[-1]]
                states = list(level)
                level = {states[state]: i for i, state in enumerate(kept)}
            ahead: dict[_State, int] = {}
            table = np.full((len(level), len(options)), -1)
            for state, row in level.items():
                for option, value in enumerate(options):
                    following = self._after(state, choice, value)
                    if following is not None:
                        table[row, option] = ahead.setdefault(following, len(ahead))
            tables.append(table)
            level = ahead
        return tables

    def _after(self, state: _State, choice: int, value: Value) -> _State | None:
        """What is left of the rules once a choice has its option; None where one is broken."""
        left = set()
        for rule in state:
            if choice not in choices_of(rule):
                left.add(rule)
                continue
            key = rule, choice, value
            if key not in self._known:
                self._known[key] = put(rule, choice, value, self._bounds.__getitem__)
            found = self._known[key]
            if found is False:
                return None
            if found is not True and found is not None:
                left.add(found)
        return frozenset(left)

    def _backward(self, tables: Sequence[NDArray[np.int64]]) -> int:
        """Drops dead ends, merges states with the same ways on, and returns the count."""
        ways = [1]
        number = np.array([0, -1])  # of each state, and -1 for none
        for choice, table in zip(reversed(self._order), reversed(tables), strict=True):
            last = choice == self._order[-1]  # all rules are decided here
            table = np.where(table >= 0, 0, -1) if last else number[table]
            states, which = np.unique(table, axis=0, return_inverse=True)
            open_ = (states >= 0).any(1)
            number = np.append(np.where(open_, open_.cumsum() - 1, -1)[which.ravel()], -1)
            states = states[open_]
            on = [[ways[n] if n >= 0 else 0 for n in row] for row in states.tolist()]
            ways = [sum(row) for row in on]
            chances = [[w / total for w in row] for row, total in zip(on, ways, strict=True)]
            self._next.insert(0, states)
            self._chances.insert(0, np.array(chances).reshape(states.shape))
        return ways[0] if ways else 0

    # ---- reading ----

    def contains(self, rows: Indices) -> NDArray[np.bool_]:
        """Whether each of rows (B, C) is in it, (B,)."""
        state = np.zeros(len(rows), np.int64)
        inside = np.full(len(rows), self.count > 0)
        for choice, table in zip(self._order, self._next if self.count else [], strict=False):
            state = table[state, rows[:, choice]]
            inside &= state >= 0
            state = np.where(inside, state, 0)
        return inside

    def sample(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` of its rows drawn uniformly, with replacement; (n, C). It must have some."""
        rows = np.zeros((n, len(self._options)), np.int64)
        state = np.zeros(n, np.int64)
        for choice, table, chances in zip(self._order, self._next, self._chances, strict=True):
            upto = chances[state].cumsum(1)
            # The last option that exists takes what rounding leaves.
            upto[upto >= upto[:, -1:]] = np.inf
            option = (rng.random(n)[:, None] >= upto).sum(1)
            rows[:, choice] = option
            state = table[state, option]
        return rows

    def rows(self) -> Indices:
        """All its rows in lexicographic order, (count, C)."""
        rows = np.zeros((min(self.count, 1), len(self._options)), np.int64)
        state = np.zeros(len(rows), np.int64)
        for choice, table in zip(self._order, self._next if self.count else [], strict=False):
            which, option = np.nonzero(table[state] >= 0)
            rows, state = rows[which], table[state[which], option]
            rows[:, choice] = option
        return rows[np.lexsort(rows.T[::-1])]

    def nearest(self, rows: Indices, weights: NDArray[np.float32] | None = None) -> Indices:
        """The nearest of its rows to each of rows (B, C), which need not be in it.

        Distances are the number of choices that differ; of rows equally far, options near in their
        order are preferred.

        Args:
            rows: (B, C).
            weights: (B, C), of the choices in the distance; by default ones.
        """
        if weights is None:
            weights = np.ones(rows.shape, np.float32)
        step = max(1, _CHUNK // max(table.size for table in self._next))
        blocks = [
            self._nearest(rows[start : start + step], weights[start : start + step])
            for start in range(0, len(rows), step)
        ]
        return np.concatenate([rows[:0], *blocks])

    def _nearest(self, rows: Indices, weights: NDArray[np.float32]) -> Indices:
        b = np.arange(len(rows))
        costs: list[NDArray[np.float32]] = []  # of all ways, (B, states, options)
        cheapest = np.zeros((len(rows), 1), np.float32)
        for choice, table in zip(reversed(self._order), reversed(self._next), strict=True):
            size = table.shape[1]
            off = np.abs(np.arange(size) - rows[:, choice, None]).astype(np.float32)
            off = np.where(off > 0, 1 + off / (100 * size), 0) * weights[:, choice, None]
            ahead = np.where(table >= 0, cheapest[:, table], np.float32(np.inf))
            costs.insert(0, ahead + off[:, None])
            cheapest = costs[0].min(2)
        found = np.empty_like(rows)
        state = np.zeros(len(rows), np.int64)
        for choice, table, cost in zip(self._order, self._next, costs, strict=True):
            found[:, choice] = cost[b, state].argmin(1)
            state = table[state, found[:, choice]]
        return found


def _bounds(values: Sequence[Value]) -> Bounds:
    if any(value is None or isinstance(value, str) for value in values):
        return None
    try:
        numbers = [float(value) for value in values]  # type: ignore[arg-type]
    except OverflowError:
        return None
    return min(numbers), max(numbers)
