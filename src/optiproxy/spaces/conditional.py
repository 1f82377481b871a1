"""Choices that exist only where another choice has certain options."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces._refine import row_keys
from optiproxy.spaces.architecture import GraphTemplate, Indices, Option
from optiproxy.spaces.base import ENUMERABLE
from optiproxy.spaces.chain import Chain

INACTIVE = None


class Conditional(Chain):
    """Named choices, some of which an option of another one switches on.

    A choice that stands in `when` gets None as an additional first option: it is inactive. It is so
    exactly where its parent has none of the options named, and an architecture may leave it out.
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
        when: Name of a choice → the name of its parent and those options of it that switch the
            choice on, ``{parent: [option, …]}``. A parent may be conditional itself.

    Raises:
        InvalidValueError: All that is wrong with `choices` and `when`, told together: unknown
            names and options, circles, choices that nothing switches on.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Option]],
        when: Mapping[str, Mapping[str, Sequence[Option]]],
    ) -> None:
        problems = [*_base_problems(choices), *_condition_problems(choices, when)]
        if problems:
            raise InvalidValueError("Conditional: " + "; ".join(problems))
        super().__init__({n: [INACTIVE, *o] if n in when else o for n, o in choices.items()})
        self.when = {
            name: {parent: tuple(options) for parent, options in condition.items()}
            for name, condition in when.items()
        }
        # Parents before children, whatever order they are named in.
        self._conditions = sorted(
            (self._condition(name) for name in self.when), key=lambda c: self._level(c[0])
        )

    def _condition(self, name: str) -> tuple[int, int, NDArray[np.bool_]]:
        """(choice, parent, (options of the parent,) whether each switches the choice on)."""
        ((parent, options),) = self.when[name].items()
        on = np.array([_among(option, options) for option in self.choices[parent]])
        return self.names.index(name), self.names.index(parent), on

    def _level(self, choice: int) -> int:
        """How many conditions stand above a choice."""
        condition = self.when.get(self.names[choice])
        return 0 if condition is None else 1 + self._level(self.names.index(next(iter(condition))))

    def _definition(self) -> dict[str, Any]:
        return {"when": self.when}

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        found = np.ones(len(indices), dtype=bool)
        for choice, parent, on in self._conditions:
            found &= on[indices[:, parent]] == (indices[:, choice] > 0)
        return found

    def repair(self, indices: Indices) -> Indices:
        """Switches off what is not active; what is, but has no option, gets any of them; (B, C)."""
        rows = indices.copy()
        # Any, and the same whenever this row comes: no generator is at hand here.
        number = (row_keys(rows) >> np.uint64(2)).astype(np.int64)
        for choice, parent, on in self._conditions:
            anyone = 1 + number % (self.sizes[choice] - 1)
            option = np.where(rows[:, choice] > 0, rows[:, choice], anyone)
            rows[:, choice] = np.where(on[rows[:, parent]], option, 0)
        return rows

    @cached_property
    def _ways(self) -> list[list[int]]:
        """For each choice and option the number of ways to choose all that hangs on it."""
        ways = [[1] * int(size) for size in self.sizes]
        for choice, parent, on in reversed(self._conditions):
            total = sum(ways[choice][1:])
            ways[parent] = [w * (total if o else 1) for w, o in zip(ways[parent], on, strict=True)]
        return ways

    @cached_property
    def count(self) -> int:
        roots = set(range(len(self.names))) - {choice for choice, _, _ in self._conditions}
        return math.prod(sum(self._ways[choice]) for choice in roots)

    @cached_property
    def all_indices(self) -> Indices:
        """Every architecture, (count, C), in lexicographic order; however many combinations of the
        choices are none.
        """
        if self.count > ENUMERABLE:
            raise self._too_large()
        above = {choice: (parent, on) for choice, parent, on in self._conditions}
        roots = [choice for choice in range(len(self.names)) if choice not in above]
        rows = np.zeros((1, len(self.names)), dtype=np.int64)
        for choice in [*roots, *above]:
            options = np.arange(int(choice in above), self.sizes[choice])
            active = np.ones(len(rows), dtype=bool)
            if choice in above:
                parent, on = above[choice]
                active = on[rows[:, parent]]
            chosen = np.repeat(rows[active], len(options), axis=0)
            chosen[:, choice] = np.tile(options, int(active.sum()))
            rows = np.concatenate([rows[~active], chosen])
        return rows[np.lexsort(rows.T[::-1])]

    def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` valid rows drawn uniformly over the architectures, with replacement; (n, C)."""
        rows = np.empty((n, len(self.sizes)), np.int64)
        for c, ways in enumerate(self._ways):
            first = int(self.names[c] in self.when)
            total = sum(ways[first:])
            p = [w / total for w in ways[first:]]
            rows[:, c] = first + rng.choice(len(p), size=n, p=p)
        return self.repair(rows)

    def neighbour_indices(self, rows: Indices) -> Indices:
        """Rows that differ from one of `rows` in one active choice, and in what hangs on it."""
        out = [np.empty((0, len(self.sizes)), np.int64)]
        for c, size in enumerate(self.sizes):
            first = int(self.names[c] in self.when)
            for option in range(first, int(size)):
                active = rows[(rows[:, c] >= first) & (rows[:, c] != option)].copy()
                active[:, c] = option
                out.append(self.repair(active))
        return np.concatenate(out)

    def complete(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
        """Adds the inactive choices that an architecture leaves out."""
        given = dict(mapping)
        for choice, parent, on in self._conditions:
            name, above = self.names[choice], self.names[parent]
            options = [o for o, active in zip(self.choices[above], on, strict=True) if active]
            if above in given and _among(given[above], options):
                if name in given and given[name] is INACTIVE:
                    remedy = f"it is active where {above!r} is {given[above]!r}; give an option"
                    raise invalid(f"architecture: option of choice {name!r}", INACTIVE, remedy)
            elif (
                given.setdefault(name, INACTIVE) is not INACTIVE
                and above in given
                and _among(given[above], self.choices[above])
            ):
                remedy = f"it is inactive where {above!r} is {given[above]!r}; leave it out"
                raise invalid(f"architecture: option of choice {name!r}", given[name], remedy)
        return given

    @cached_property
    def graph(self) -> GraphTemplate:
        chain = super().graph
        terms = chain.feature_terms.copy()
        terms[[choice for choice, _, _ in self._conditions], 0] = 0
        return GraphTemplate(chain.adjacency, chain.features, terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Single choices, neighbours in the chain, and each choice with its parent."""
        found = dict.fromkeys(super().paths)
        for choice, parent, _ in self._conditions:
            found.setdefault((min(choice, parent), max(choice, parent)))
        return tuple(found)


def _among(option: Any, options: Sequence[Option]) -> bool:
    """Whether the option is in the list; True is not 1."""
    return any(option == o and isinstance(option, bool) == isinstance(o, bool) for o in options)


def _base_problems(choices: Mapping[str, Sequence[Option]]) -> Iterator[str]:
    try:
        Chain(choices)
    except InvalidValueError as error:
        yield str(error)


def _condition_problems(
    choices: Mapping[str, Sequence[Option]], when: Mapping[str, Mapping[str, Sequence[Option]]]
) -> Iterator[str]:
    if not isinstance(when, Mapping):
        yield f"when: got {when!r}; give a mapping, choice → {{parent: [options]}}"
        return
    names = choices if isinstance(choices, Mapping) else {}
    parents: dict[str, str] = {}
    for name, condition in when.items():
        if name not in names:
            yield f"when: choice {name!r} is not among {', '.join(map(repr, names))}"
            continue
        if _among(INACTIVE, _list(names[name])):
            yield f"choice {name!r}: None says that a choice is inactive; name the option otherwise"
        if not isinstance(condition, Mapping) or len(condition) != 1:
            yield f"when: {name!r}: got {condition!r}; give one parent, {{parent: [options]}}"
            continue
        ((parent, options),) = condition.items()
        if parent not in names:
            yield f"when: {name!r}: its parent {parent!r} is no choice"
            continue
        parents[name] = parent
        if isinstance(options, str) or not isinstance(options, Sequence):
            yield f"when: {name!r}: got {options!r}; give a list of options of {parent!r}"
        elif not options:
            yield f"when: {name!r} can't be reached: no option of {parent!r} switches it on"
        else:
            for option in options:
                if not _among(option, _list(names[parent])):
                    yield f"when: {name!r}: {parent!r} has no option {option!r}"
    for name in parents:
        seen = [name]
        while seen[-1] in parents and parents[seen[-1]] not in seen:
            seen.append(parents[seen[-1]])
        if parents.get(seen[-1]) == name and name == min(seen):
            yield f"when: a circle, {' ← '.join([*seen, name])}"


def _list(options: object) -> Sequence[Option]:
    return options if isinstance(options, Sequence) and not isinstance(options, str) else ()
