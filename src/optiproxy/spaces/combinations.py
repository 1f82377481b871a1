"""Which combinations of options are valid: counted, listed, drawn and changed."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces._choices import Choices
from optiproxy.spaces._walk import Walk
from optiproxy.spaces.architecture import Indices

# Larger spaces are sampled and not listed.
ENUMERABLE = 1_000_000
# If a smaller share of this many draws is valid, valid rows are reached by a walk instead.
RARE, PROBED = 0.01, 4096

# Draws that may come back without enough valid rows before a walk is considered.
_PATIENT = 50


class Combinations(Choices):
    """The valid combinations of some choices, as rows of option numbers."""

    # ---- what a subclass defines ----

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        """Whether each row of (B, C) is an architecture of the space; (B,). By default all are."""
        return np.ones(len(indices), dtype=bool)

    def repair(self, indices: Indices) -> Indices:
        """Valid rows near those of (B, C), which need not be valid; (B or fewer, C).

        By default it keeps the valid rows and, where few combinations are valid, replaces the
        others by valid ones that it can walk to. A space that knows better overrides it.
        """
        allowed = self._allowed(indices)
        if allowed.all() or self._walk is None:
            return indices[allowed]
        rows = indices.copy()
        rows[~allowed] = self._walk.nearest(rows[~allowed])
        return rows

    # ---- what follows from it ----

    def _allowed(self, indices: Indices) -> NDArray[np.bool_]:
        """The answer of `valid`, checked: as an index, integers would select rows by number."""
        answer: Any = self.valid(indices)
        shape, kind = np.shape(answer), np.asarray(answer).dtype
        if shape != (len(indices),) or kind.kind != "b":
            raise invalid(
                "space: valid",
                f"{kind} {shape}",
                f"give one boolean for each row, ({len(indices)},)",
            )
        return np.asarray(answer)

    @cached_property
    def count(self) -> int | float:
        """The number of valid architectures; an upper bound in a large space with a `valid`, and
        infinite where a choice is any number of a range.
        """
        total = self._combinations
        if type(self).valid is Combinations.valid or total > ENUMERABLE:
            return total
        return len(self.all_indices)

    @cached_property
    def all_indices(self) -> Indices:
        """Every valid architecture, (count, C), in lexicographic order.

        Raises:
            InvalidValueError: The space is too large to be listed.
        """
        if self._combinations > ENUMERABLE:
            raise self._too_large()
        grid = self._grid()
        return np.ascontiguousarray(grid[self._allowed(grid)])

    def _too_large(self) -> InvalidValueError:
        remedy = f"it has over {ENUMERABLE:,} architectures; sample it instead"
        return invalid("space", repr(self), remedy)

    def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` valid rows drawn uniformly, numbers on their scale, with replacement; (n, C).

        Raises:
            InvalidValueError: Nearly nothing in the space is valid.
        """
        found: list[Indices] = []
        for turn in range(1000):
            if sum(map(len, found)) >= n:
                break
            if turn == _PATIENT and self._walk is not None:
                return self._walk.sample(n, rng)
            draw = self._draw(max(n, 16), rng)
            found.append(draw[self._allowed(draw)])
        rows = np.concatenate(found) if found else np.empty((0, len(self.sizes)), np.int64)
        if len(rows) < n and self._combinations <= ENUMERABLE:
            # Valid rows are too rare to be drawn, and the space is small enough to be listed.
            listed = self.all_indices
            rows = listed[rng.integers(0, len(listed), size=n)] if len(listed) else rows
        if len(rows) < n:
            remedy = (
                "too few architectures are valid; check `valid`, or state what is allowed as "
                'rules: Chain(..., where=["width2 <= width1"])'
            )
            raise invalid("space", repr(self), remedy)
        return rows[:n]

    @property
    def _combinations(self) -> int | float:
        """Of how many rows `valid` is asked when all are listed."""
        sizes: list[int | float] = self.sizes.tolist()
        for c, number in self.numbers.items():
            sizes[c] = number.first + number.cardinality
        return math.prod(sizes)

    def _grid(self) -> Indices:
        """These rows, in lexicographic order."""
        return np.indices(tuple(self.sizes.tolist()), dtype=np.int64).reshape(len(self.sizes), -1).T

    def _draw(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` of these rows, drawn uniformly, (n, C)."""
        rows = rng.integers(0, self.sizes, size=(n, len(self.sizes)))
        for c, number in self.numbers.items():
            rows[:, c] = number.nearest(rng.random(n))
        return rows

    @cached_property
    def _walk(self) -> Walk | None:
        """The way to valid rows where hardly any combination is valid and all are too many."""
        if self._combinations <= ENUMERABLE:
            return None
        probes = self._draw(PROBED, np.random.default_rng(0))
        allowed = self._allowed(probes)
        if allowed.mean() >= RARE:
            return None
        starts = np.concatenate([probes[allowed], self._likely_rows()])
        starts = starts[self._allowed(starts)]
        return Walk(self.sizes, self._allowed, starts) if len(starts) else None

    def _likely_rows(self) -> Indices:
        """Rows of which some are valid under most rules: the same option everywhere; options from
        a part of each list, as a budget asks for; and those in ascending or descending order.
        """
        same = np.arange(self.widths.max())[:, None].clip(max=self.sizes - 1)
        rng = np.random.default_rng(1)
        low, high = np.sort(rng.random((2, PROBED, 1)), axis=0)
        places = np.sort(low + (high - low) * rng.random((PROBED, len(self.sizes))), axis=1)
        places = np.concatenate([rng.permuted(places, axis=1), places, places[:, ::-1]])
        parts = (places * self.sizes).astype(np.int64)
        return np.concatenate([same, parts.clip(max=self.sizes - 1)])

    def neighbour_indices(self, rows: Indices) -> Indices:
        """Every valid row that differs from one of `rows` (B, C) in a single choice; of a number
        those at a few distances, from a quarter of its range down to a thousandth.
        """
        changed, _ = self._single_changes(rows)
        return changed[self._allowed(changed)]

    def _single_changes(self, rows: Indices) -> tuple[Indices, Indices]:
        """All rows that differ from one of `rows` in a single choice, (D, C), and that choice."""
        others = self.sizes - 1
        others[list(self.numbers)] = 0
        choice = np.repeat(np.arange(len(self.sizes)), others)  # (D,)
        shift = np.concatenate([np.arange(1, other + 1) for other in others])  # (D,)
        out = np.repeat(rows[:, None, :], len(choice), axis=1)  # (B, D, C)
        d = np.arange(len(choice))
        out[:, d, choice] = (out[:, d, choice] + shift) % self.sizes[choice]
        changed, which = [out.reshape(-1, len(self.sizes))], [np.tile(choice, len(rows))]
        for c in self.numbers:
            changed.append(self._moved(rows, c))
            which.append(np.full(len(changed[-1]), c))
        return np.concatenate(changed), np.concatenate(which)

    def _moved(self, rows: Indices, choice: int) -> Indices:
        """The rows (B, C) with another value of a number near the one they have."""
        near = np.sort(self.numbers[choice].neighbours(rows[:, choice]), axis=1)  # (B, K)
        new = near != rows[:, choice, None]
        new[:, 1:] &= near[:, 1:] != near[:, :-1]
        row, place = np.nonzero(new)
        moved = rows[row]
        moved[:, choice] = near[row, place]
        return moved
