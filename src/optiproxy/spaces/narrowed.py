"""A space with some of its options alone.

Models and encodings have an entry for each option. Of a choice among thousands a round of a search
needs few: those that its queries have, and some to be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices
from optiproxy.spaces.base import Space
from optiproxy.spaces.numbers import Number

# Choices with more options are narrowed.
WIDE = 512


def is_wide(space: Space) -> bool:
    """Whether a space has choices that are narrowed, and is not narrowed yet."""
    return bool(space.widths.max() > WIDE) and not isinstance(space, Narrowed)


class Narrowed(Space):
    """The architectures of a space that have certain options alone.

    Architectures are equal to those of the whole space; only option numbers differ.

    Args:
        space: The whole space.
        rows: (B, C), valid architectures of it, whose options are kept. Choices with the same
            options keep the same, and all of those with `WIDE` options or fewer.
    """

    def __init__(self, space: Space, rows: Indices) -> None:
        groups = space.option_groups
        self.kept: list[Indices] = []
        for group, size in zip(groups, space.widths, strict=True):
            used = np.arange(size)
            if size > WIDE:
                # The first option is that of inactive choices.
                used = np.union1d(rows[:, groups == group], [0])
            self.kept.append(used)
        options = zip(space.choices.items(), self.kept, strict=True)
        super().__init__(
            {
                name: known if isinstance(known, Number) else [known[i] for i in kept]
                for (name, known), kept in options
            }
        )
        self.space = space
        self._number = np.full(space.mask.shape, -1)
        self._whole = np.zeros(self.mask.shape, np.int64)
        for choice, kept in enumerate(self.kept):
            self._number[choice, kept] = np.arange(len(kept))
            self._whole[choice, : len(kept)] = kept
        self._rows = self.narrow(rows)

    @property
    def graph(self) -> GraphTemplate:
        return self.space.graph_with(self.kept)

    def widen(self, rows: Indices) -> Indices:
        """Rows (B, C) of this space as rows of the whole one."""
        return self._looked_up(self._whole, self.columns(rows), rows)

    def narrow(self, rows: Indices) -> Indices:
        """Rows (B, C) of the whole space as rows of this one; without those of other options."""
        rows = rows[self.keeps(rows)]
        return self._looked_up(self._number, self.space.columns(rows), rows)

    def keeps(self, rows: Indices) -> NDArray[np.bool_]:
        """Which rows (B, C) of the whole space are here, (B,)."""
        numbers = self._number[np.arange(len(self)), self.space.columns(rows)]
        return np.asarray(np.all(numbers >= 0, axis=1))

    def _looked_up(self, table: Indices, columns: Indices, rows: Indices) -> Indices:
        """Columns (B, C) looked up in a table (C, O); numbers of a range stay as they are."""
        found: Indices = table[np.arange(len(self)), columns]
        for c in self.numbers:
            found[:, c] = rows[:, c]
        return found

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        return self.space.valid(self.widen(indices))

    def canonical(self, indices: Indices) -> Indices:
        """As of the whole space where its options are all here, else the row itself."""
        whole = self.space.canonical(self.widen(indices))
        rows = self._looked_up(self._number, self.space.columns(whole), whole)
        return np.where(np.all(rows >= 0, axis=1, keepdims=True), rows, indices)

    def _likely_rows(self) -> Indices:
        return self._rows

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        return self.space.paths

    @cached_property
    def zero_options(self) -> NDArray[np.bool_]:
        return self._part(self.space.zero_options, False)

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        return self._part(self.space.levels, np.nan)

    @cached_property
    def option_groups(self) -> Indices:
        return self.space.option_groups

    def _part(self, table: NDArray[Any], padding: float) -> NDArray[Any]:
        """Of (C, O) of the whole space."""
        part: NDArray[Any] = table[np.arange(len(self))[:, None], self._whole]
        part[~self.mask] = padding
        return part

    def fill_defaults(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.space.fill_defaults(mapping)

    def to_text(self, arch: Architecture) -> str:
        return self.space.to_text(arch)
