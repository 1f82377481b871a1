"""A list of architectures from another space: existing models, or the rows of a sampled table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces._refine import row_keys
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices
from optiproxy.spaces.base import Space

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.spaces.drawing import Drawing

# The least number of neighbours of a row, where the list is long enough.
NEIGHBOURS = 20
# Pairs of a row and a listed architecture that are compared at a time.
_CHUNK = 10_000_000
# Mistakes that a message lists.
_LISTED = 5


@runtime_checkable
class PoolList(Protocol):
    """A pool's list that is read when it is first needed, such as the rows of a table."""

    @property
    def count(self) -> int | None:
        """How many architectures are listed; None where that is known after reading alone."""

    def listed(self) -> Indices:
        """The architectures, (count, C), each once and in ascending order."""

    def definition(self) -> dict[str, Any]:
        """What identifies the list without reading it, as JSON; part of the fingerprint."""


class Pool(Space):
    """The architectures of a list, with the choices and encodings of their space.

    The gradients of a search see the whole space, and only listed architectures are proposed. A
    pool may hold a hundred of 10^18 architectures and none of their single-choice neighbours, so
    the neighbours of an architecture are the nearest listed ones, and `repair` replaces a row by
    the listed one that agrees with it in the most choices.

    >>> from optiproxy.spaces import Cell
    >>> cell = Cell(nodes=4, operations=["none", "skip", "conv3x3", "conv1x1", "avgpool"])
    >>> pool = Pool(cell, cell.sample(100, seed=0))
    >>> pool.count, len(pool.neighbours(pool.sample(1)[0])) >= 20
    (100, True)

    Args:
        space: The space of the architectures.
        architectures: Mappings or texts as `space.architecture` reads them; duplicates count once.
            Or a `PoolList`.

    Raises:
        InvalidValueError: The list is empty, or has entries that are not in `space` (the message
            lists the first of these), or a choice is a number of a range.
    """

    def __init__(
        self, space: Space, architectures: Iterable[Mapping[str, Any] | str] | PoolList
    ) -> None:
        if not isinstance(space, Space):
            raise invalid("Pool: space", space, "give the space the architectures are from")
        space.check_lists("Pool: space")
        listed = architectures
        if not isinstance(listed, PoolList):
            listed = _given(space, listed)
        super().__init__(space.choices)
        self.space = space
        self._list = listed

    def __repr__(self) -> str:
        count = self._list.count
        size = "listed" if count is None else f"{count:,}"
        return f"Pool({size} architectures of {self.space!r})"

    def _definition(self) -> dict[str, Any]:
        return {"space": self.space.fingerprint, **self._list.definition()}

    def _kind(self) -> str:
        # The name by which stored searches of a table's pool recognise their space.
        return super()._kind() if isinstance(self._list, _Given) else "ListedPool"

    @property
    def is_counted(self) -> bool:
        """Whether `count` is known without reading the list."""
        return self._list.count is not None

    # ---- what depends on the list ----

    @cached_property
    def _listed(self) -> Indices:
        return self._list.listed()

    @cached_property
    def count(self) -> int:
        count = self._list.count
        return len(self._listed) if count is None else count

    @cached_property
    def all_indices(self) -> Indices:
        return self._listed.copy()

    def enumerate(self) -> Iterator[Architecture]:
        yield from self.from_indices(self._listed)

    @cached_property
    def _index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        keys = row_keys(self._listed)
        order = np.argsort(keys)
        return keys[order], order

    def _numbers(self, indices: Indices) -> NDArray[np.int64]:
        """The position of each row in the list, (B,); -1 where it is not listed."""
        keys, order = self._index
        place = np.searchsorted(keys, row_keys(indices)).clip(max=len(keys) - 1)
        found = order[place]
        return np.where((self._listed[found] == indices).all(1), found, -1)

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        return self._numbers(indices) >= 0

    def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
        return self._listed[rng.integers(0, len(self._listed), size=n)]

    def neighbour_indices(self, rows: Indices) -> Indices:
        """The nearest listed rows of each of `rows`, nearest first, without the row itself.

        All that differ in a single choice are included, and the next nearest up to `NEIGHBOURS`.
        """
        out = [np.empty((0, len(self.sizes)), np.int64)]
        for distance in self._distances(rows):
            for line in distance:
                near = int((line == 1).sum())
                itself = int((line == 0).sum())
                wanted = min(itself + max(near, NEIGHBOURS), len(line))
                # Only rows up to the last one's distance are sorted: the list may be long.
                last = np.partition(line, wanted - 1)[wanted - 1]
                within = np.flatnonzero(line <= last)
                order = within[np.argsort(line[within], kind="stable")]
                out.append(self._listed[order[itself:wanted]])
        return np.concatenate(out)

    def repair(self, indices: Indices) -> Indices:
        """The listed row nearest to each, by the number of choices that differ; (B, C)."""
        rows = indices.copy()
        other = np.flatnonzero(self._numbers(rows) < 0)
        nearest = [distance.argmin(1) for distance in self._distances(rows[other])]
        if nearest:
            rows[other] = self._listed[np.concatenate(nearest)]
        return rows

    def _distances(self, rows: Indices) -> Iterator[NDArray[np.float32]]:
        """The number of choices in which rows and listed ones differ, in chunks of rows; (b, P)."""
        step = max(1, _CHUNK // len(self._listed))
        for start in range(0, len(rows), step):
            yield len(self.sizes) - self._one_hot(rows[start : start + step]) @ self._corners

    @cached_property
    def _corners(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._one_hot(self._listed).T)

    def _one_hot(self, rows: Indices) -> NDArray[np.float32]:
        offsets = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        x = np.zeros((len(rows), int(self.sizes.sum())), np.float32)
        x[np.arange(len(rows))[:, None], rows + offsets] = 1
        return x

    def canonical(self, indices: Indices) -> Indices:
        """The first listed row that is the same network."""
        numbers = self._numbers(indices)
        out = indices.copy()
        out[numbers >= 0] = self._listed[self._representative[numbers[numbers >= 0]]]
        return out

    @cached_property
    def _representative(self) -> NDArray[np.int64]:
        same = row_keys(self.space.canonical(self._listed))
        _, first, which = np.unique(same, return_index=True, return_inverse=True)
        return np.asarray(first[which])

    # ---- what depends on the space ----

    @cached_property
    def graph(self) -> GraphTemplate:
        return self.space.graph

    def graph_with(self, kept: Sequence[Indices]) -> GraphTemplate:
        return self.space.graph_with(kept)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        return self.space.paths

    @cached_property
    def zero_options(self) -> NDArray[np.bool_]:
        return self.space.zero_options

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        return self.space.levels

    def fill_defaults(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.space.fill_defaults(mapping)

    def to_text(self, arch: Architecture) -> str:
        return self.space.to_text(arch)

    def parse_text(self, text: str) -> Mapping[str, Any]:
        return self.space.parse_text(text)

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        return self.space.parse_form(form)

    def picture(self, arch: Architecture) -> str:
        return self.space.picture(arch)

    def drawings(self, arch: Architecture) -> tuple[Drawing, ...]:
        return self.space.drawings(arch)

    @property
    def can_build(self) -> bool:
        return self.space.can_build

    def build(self, arch: Architecture) -> nn.Module:
        return self.space.build(arch)


@dataclass(frozen=True)
class _Given:
    """A list that is there already; see `PoolList`."""

    indices: Indices

    @property
    def count(self) -> int:
        return len(self.indices)

    def listed(self) -> Indices:
        return self.indices

    def definition(self) -> dict[str, Any]:
        return {"rows": hashlib.sha256(self.indices.astype("<i8").tobytes()).hexdigest()}


def _given(space: Space, architectures: Iterable[Mapping[str, Any] | str]) -> _Given:
    if isinstance(architectures, str | Mapping) or not isinstance(architectures, Iterable):
        raise invalid("Pool: architectures", architectures, "give a list of architectures")
    values = list(architectures)
    try:
        listed = space.architectures(values)
    except InvalidValueError:
        raise InvalidValueError(f"Pool: architectures: {_problems(space, values)}") from None
    if not listed:
        raise invalid("Pool: architectures", [], "list at least one architecture")
    return _Given(np.unique(space.to_indices(listed), axis=0))


def _problems(space: Space, values: Sequence[Mapping[str, Any] | str]) -> str:
    """The entries of a list that are not in the space, the first of them in full."""
    problems = []
    for number, value in enumerate(values):
        try:
            space.architecture(value)
        except InvalidValueError as error:
            problems.append(f"entry {number}: {error}")
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    return "; ".join(problems[:_LISTED]) + more
