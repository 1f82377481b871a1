"""The Gaussian process's kernel on relaxed architectures: a sum of views (see `kernel_views`).

For two architectures with choice probabilities p and q let ``s_c = <p_c, q_c>`` be the agreement of
choice c: one at equal corners, zero at different ones. For an ordered choice it decreases with the
distance of the levels, so that a result with 24 channels informs 32: ``s_c = p_c' N q_c`` with a
Matérn kernel N of the levels (3/2; RW 2006 eq. 4.17); of numbers of a range it is that kernel of
their levels. The kernel has additive effects,
``sum_c w_c s_c``, and adds each view times an amplitude. Views are inner products of features,
exponentials of their distances, or means of those, so that the kernel is positive definite and
differentiable inside the simplex too.

The evaluated architectures stay the same during an ascent and are prepared once (`Kernel.known`).
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.encodings.active_path import ActivePath
from optiproxy.encodings.ordinal import Ordinal
from optiproxy.proxies.kernel_views import (
    ActiveChoices,
    ActiveCounts,
    Array,
    Choices,
    Compared,
    Counts,
    Options,
    OrdinalChoices,
    Pairs,
    Paths,
    Read,
    Routes,
    Trends,
    View,
    agreements,
    own_agreement,
)
from optiproxy.spaces import Space

VIEWS = (
    "choices",
    "ordinal",
    "trends",
    "options",
    "paths",
    "counts",
    "active_counts",
    "pairs",
    "routes",
)

MAX_ROUTES = 8  # each route is compared with each
# Lists are compared in blocks of so many pairs, whose arrays fit the processor's cache.
BLOCK = 16_000
# How fast the agreement of ordered options decreases over levels from -1 to 1. A Matérn kernel,
# since a Gaussian is too smooth where numbers stand for operations (docs/log.md).
NEARNESS = 1.5
_ROOTS: WeakKeyDictionary[Space, Tensor] = WeakKeyDictionary()
# With more counted pairs than this, choices have too little in common for that view.
MAX_PAIR_FEATURES = 1024


class Kernel(ABC):
    """A sum of views.

    Attributes:
        choices: How many of the choices have additive effects beside the views.
        views: What is added.
        ordered: (choices,), whether the options of each have an order.
        smooth: Whether its functions are likely to be smooth; see `Space.smooth`.
    """

    choices: int
    ordered: NDArray[np.bool_]
    views: list[View]
    smooth: bool = False

    def agreements(self, a: Tensor, b: Tensor) -> Tensor:
        """The agreements of a (A, choices, any) with b (B, choices, any), (choices, A, B)."""
        return agreements(a, b)

    def own_agreement(self, a: Tensor) -> Tensor:
        """The agreements of each of a (A, choices, any) with itself, (choices, A)."""
        return own_agreement(a)

    @abstractmethod
    def features(self, p: Tensor) -> tuple[Tensor, ...]:
        """Of p (B, C, O): the part that agreements compare, (B, choices, any), then each view's."""

    def known(self, features: tuple[Tensor, ...]) -> tuple[Any, ...]:
        """Features prepared as the list that others are compared with."""
        p, *rest = features
        return (p, *(view.known(f) for view, f in zip(self.views, rest, strict=True)))

    def compared(self, p: Tensor) -> tuple[list[Compared], Array]:
        """For the fit: all pairs of architectures p (T, C, O), each once.

        Returns:
            Each view of the P = T (T + 1) / 2 pairs of the lower triangle, row by row, and their
            agreements (C, P).
        """
        pairs = torch.tril_indices(len(p), len(p))
        spread, *features = self.features(p)
        s = self.agreements(spread, spread)[:, pairs[0], pairs[1]].contiguous()
        views = [v.compared(f, s, pairs) for v, f in zip(self.views, features, strict=True)]
        return views, s.numpy()

    def cross(
        self,
        weights: Tensor,
        amplitudes: Tensor,
        scales: list[Tensor],
        a: tuple[Tensor, ...],
        b: tuple[Any, ...],
    ) -> Tensor:
        """The kernels (M, A, B) of M metrics between two lists of features.

        Args:
            weights: (M, C), of the additive effects.
            amplitudes: (M, views).
            scales: For each view (M, size).
            a: Features of the first list.
            b: The second, `known`.
        """

        def block(part: tuple[Tensor, ...]) -> Tensor:
            s = self.agreements(part[0], b[0])
            k: Tensor = torch.tensordot(weights, s, 1)
            for i, (view, scale) in enumerate(zip(self.views, scales, strict=True)):
                k = k + amplitudes[:, i, None, None] * view.cross(scale, part[i + 1], b[i + 1], s)
            return k

        rows = max(1, BLOCK // len(b[0]))
        blocks = [block(part) for part in zip(*(torch.split(f, rows) for f in a), strict=True)]
        return torch.cat(blocks, 1) if len(blocks) > 1 else blocks[0]

    def diagonal(
        self, weights: Tensor, amplitudes: Tensor, scales: list[Tensor], a: tuple[Tensor, ...]
    ) -> Tensor:
        """The kernels of each architecture with itself, (M, A)."""
        s = self.own_agreement(a[0])
        k = weights @ s
        for i, (view, scale) in enumerate(zip(self.views, scales, strict=True)):
            k = k + amplitudes[:, i, None] * view.diagonal(scale, a[i + 1], s)
        return k


class Mixture(Kernel):
    """The sum of the views that apply to a space.

    Args:
        space: The search space.
        views: Which of `VIEWS` to use where they apply.
        prune_dead: Whether inactive choices are ignored, where the space has any.
    """

    def __init__(
        self, space: Space, views: Collection[str] = VIEWS, *, prune_dead: bool = True
    ) -> None:
        self.choices = len(space)
        options = int(space.widths.max())
        self.smooth = space.smooth
        self._has_numbers = bool(space.numbers)
        self._numbers = torch.tensor(list(space.numbers), dtype=torch.long)
        kind = torch.nn.functional.one_hot(
            torch.from_numpy(space.option_groups)
        ).double()  # (C, kinds)
        lists = [c for c in range(len(space)) if c not in space.numbers]
        if self._has_numbers:  # their values are no options to count
            kind[self._numbers] = 0
            kind = kind[:, kind.any(0)]
        kinds = kind.shape[1]
        long = [path for path in space.paths if len(path) > 1]
        links = sorted({pair for path in long for pair in itertools.pairwise(path)})
        self._active = ActivePath(space) if prune_dead and space.zero_options.any() else None
        ordinal = Ordinal(space)
        self.ordered = ordinal.ordered.numpy()
        self._ordinal = ordinal if self.ordered.any() else None
        self._near = _near(space) if self._ordinal else None
        ordered = ordinal.ordered.nonzero()[:, 0].tolist()
        self._number_levels = [ordered.index(c) for c in space.numbers]
        possible: list[View] = []
        if self._active:
            possible.append(ActiveChoices(space))
        elif not self._ordinal:  # `ordinal` contains the same
            possible.append(Choices(space))
        if self._ordinal:
            possible.append(OrdinalChoices(ordinal))
            # Of numbers alone trends lead astray: beyond the queries they go on and on.
            if ordered_lists := [c for c in ordered if c in lists]:
                possible += [Trends(ordinal), Options(ordered_lists)]
        if long:
            possible.append(Paths(long))
        if kinds < len(lists):
            possible.append(Counts(kind, options))
            if self._active:
                possible.append(ActiveCounts(kind, options))
            if links and (kinds * options) ** 2 <= MAX_PAIR_FEATURES:
                possible.append(Pairs(kind, links))
            if 1 < len(long) <= MAX_ROUTES:
                possible.append(Routes(kind, options, long))
        self.views = [view for view in possible if view.name in views]

    def features(self, p: Tensor) -> tuple[Tensor, ...]:
        levels = self._ordinal.relaxed(p)[0] if self._ordinal else p.new_zeros(len(p), 0)
        spread = self._spread(p)
        active = self._spread(self._active.relaxed(p)[0]) if self._active else spread
        read = Read(spread, p, active, levels)
        if self._has_numbers:
            x = p.new_zeros(*p.shape[:2], 1)
            x = x.index_copy(1, self._numbers, levels[:, self._number_levels, None])
            spread = torch.cat([spread, x], -1)
        return (spread, *(view.features(read) for view in self.views))

    def agreements(self, a: Tensor, b: Tensor) -> Tensor:
        if not self._has_numbers:
            return agreements(a, b)
        # No finite list of features has this agreement, so that the levels come last.
        s = agreements(a[..., :-1], b[..., :-1])
        x, y = a[:, self._numbers, -1].T, b[:, self._numbers, -1].T
        near = s[self._numbers] * _matern(x[:, :, None] - y[:, None])
        return s.index_copy(0, self._numbers, near)

    def own_agreement(self, a: Tensor) -> Tensor:
        return own_agreement(a[..., :-1] if self._has_numbers else a)

    def _spread(self, p: Tensor) -> Tensor:
        """p (B, C, O or more) with the probabilities of ordered options spread to near options."""
        if self._near is None:
            return p
        options = self._near.shape[1]
        near = torch.einsum("bco,cok->bck", p[..., :options], self._near)
        return torch.cat([near, p[..., options:]], -1)


def _near(space: Space) -> Tensor:
    """(C, O, O), symmetric roots of the agreements between options of a choice; computed once."""
    if space not in _ROOTS:
        _ROOTS[space] = _roots(space)
    return _ROOTS[space]


def _roots(space: Space) -> Tensor:
    x = 2 * torch.from_numpy(space.levels) - 1
    agree = _matern(x[:, :, None] - x[:, None])
    agree = torch.where(agree.isnan(), torch.eye(x.shape[1], dtype=x.dtype), agree)
    value, vector = torch.linalg.eigh(agree)
    root: Tensor = vector * value.clamp(min=0).sqrt()[:, None] @ vector.mT
    for c, number in space.numbers.items():  # both ends count as the number, whatever its level
        root[c] = torch.eye(x.shape[1], dtype=x.dtype)
        root[c, number.first + 1] = root[c, number.first]
    return root


def _matern(distance: Tensor) -> Tensor:
    """The agreement of levels from -1 to 1 at such distances."""
    off = NEARNESS * distance.abs()
    return (1 + off) * torch.exp(-off)
