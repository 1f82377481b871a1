"""The Gaussian process's kernel on relaxed architectures: a sum of views (see `_views`).

For two architectures with choice probabilities p and q let ``s_c = <p_c, q_c>`` be the agreement of
choice c: one at equal corners, zero at different ones. Additive effects, ``sum_c w_c s_c``, are
always in. Each view adds its own, times an amplitude. All views are exponentials, or means of such,
of inner products and distances of features, or inner products themselves, so the kernel is positive
definite inside the simplex too, and differentiable.

What is compared with stays the same throughout a climb, so it is prepared once (`Kernel.known`).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from optiproxy.encodings.levels import Levels
from optiproxy.encodings.living import Living
from optiproxy.proxies._views import (
    Array,
    Choices,
    Compared,
    Counts,
    LevelChoices,
    LivingChoices,
    LivingCounts,
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

VIEWS = ("choices", "levels", "trends", "paths", "counts", "living", "pairs", "routes")

# Routes are compared each with each.
MAX_ROUTES = 8
# Lists are compared in blocks of so many pairs, whose arrays stay in the cache: with 250 known ones
# 2,500 candidates of DARTS take 0.13 s instead of 0.46 s.
BLOCK = 16_000
# Beyond this many counted pairs that view has nothing left to share between choices.
MAX_PAIR_FEATURES = 1024


class Kernel:
    """The views that say something in a space, and the sum of them.

    Args:
        space: The search space.
        views: Which of `VIEWS` to use where they apply.
        told: Whether what is dead is told from what is alive, where the space has it.
    """

    def __init__(self, space: Space, views: Collection[str] = VIEWS, *, told: bool = True) -> None:
        self.choices = len(space)
        options = int(space.sizes.max())
        kind = torch.nn.functional.one_hot(torch.from_numpy(space.kinds)).double()  # (C, kinds)
        kinds = kind.shape[1]
        long = [path for path in space.paths if len(path) > 1]
        links = sorted({pair for path in long for pair in itertools.pairwise(path)})
        self._living = Living(space) if told and space.cuts.any() else None
        possible: list[View] = [LivingChoices(space) if self._living else Choices(space)]
        levels = Levels(space)
        self._levels = levels if levels.ordered.any() else None
        if self._levels:
            possible += [LevelChoices(levels), Trends(levels)]
        if long:
            possible.append(Paths(long))
        if kinds < self.choices:
            possible.append(Counts(kind, options))
            if self._living:
                possible.append(LivingCounts(kind, options))
            if links and (kinds * options) ** 2 <= MAX_PAIR_FEATURES:
                possible.append(Pairs(kind, links))
            if 1 < len(long) <= MAX_ROUTES:
                possible.append(Routes(kind, options, long))
        self.views = [view for view in possible if view.name in views]

    def features(self, p: Tensor) -> tuple[Tensor, ...]:
        """p (B, C, O) itself, then what each view reads of it."""
        living = self._living.relaxed(p)[0] if self._living else p
        levels = self._levels.relaxed(p)[0] if self._levels else p.new_zeros(len(p), 0)
        return (p, *(view.features(Read(p, living, levels)) for view in self.views))

    def known(self, features: tuple[Tensor, ...]) -> tuple[Any, ...]:
        """Features of a list that others are compared with."""
        p, *rest = features
        return (p, *(view.known(f) for view, f in zip(self.views, rest, strict=True)))

    def compared(self, p: Tensor) -> tuple[list[Compared], Array]:
        """For the fit: the pairs of architectures p (T, C, O), each once.

        Returns:
            Each view of the P = T (T + 1) / 2 pairs of the lower triangle, row by row, and their
            agreements (C, P).
        """
        pairs = torch.tril_indices(len(p), len(p))
        _, *features = self.features(p)
        s = agreements(p, p)[:, pairs[0], pairs[1]].contiguous()
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
            s = agreements(part[0], b[0])
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
        s = own_agreement(a[0])
        k = weights @ s
        for i, (view, scale) in enumerate(zip(self.views, scales, strict=True)):
            k = k + amplitudes[:, i, None] * view.diagonal(scale, a[i + 1], s)
        return k
