"""The Gaussian process's kernel on relaxed architectures: a sum of views.

For two architectures with choice probabilities p and q let ``s_c = <p_c, q_c>`` be the agreement of
choice c: one at equal corners, zero at different ones. Additive effects, ``sum_c w_c s_c``, are
always in. Each view adds ``amplitude * exp(-scales . distances)`` (`Routes` a mean of such terms):

=========  ======================================================================================
choices    ``1 - s_c``: every choice has a relevance of its own.
paths      ``1 - prod_{c in r} s_c``: the same for whole source-to-sink paths r.
counts     ``(h_o - h'_o)^2``, where h counts how often an option is chosen, wherever: what is
           learnt on one edge speaks for the others.
pairs      ``|b - b'|^2``, where b counts pairs of options that follow each other along a path:
           the first step of a Weisfeiler-Lehman kernel, https://arxiv.org/abs/2006.07556.
routes     mean over all pairs of paths of ``exp(-sum_o l_o (h_ro - h'_r'o)^2)``, where h counts the
           options along a path: an architecture as the set of its paths, wherever they run. With
           its own relevance for each option it can learn that an identity does not matter on a
           path, and that one missing edge does.
=========  ======================================================================================

The last three need choices that share their options, as the edges of a cell do. All views are
exponentials, or means of such, of inner products and distances of (multi)linear features, so the
kernel is positive definite inside the simplex too, and differentiable.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import reduce
from operator import mul

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.spaces import Space

Array = NDArray[np.float64]
Path = tuple[int, ...]

VIEWS = ("choices", "paths", "counts", "pairs", "routes")

# The path view costs one array a path; a space with more is served by its shortest ones.
MAX_PATHS = 24
# Routes are compared each with each.
MAX_ROUTES = 8
# A list is compared in blocks of so many, whose arrays stay in the cache: with 250 known ones
# 2,500 candidates of DARTS take 0.09 s instead of 0.26 s.
BLOCK = 64
# Beyond this many counted pairs that view has nothing left to share between choices.
MAX_PAIR_FEATURES = 1024


class View(ABC):
    """One way to compare architectures. `size` is its number of scales."""

    name: str
    size: int

    def features(self, p: Tensor) -> Tensor:
        """What the view reads of p (B, C, O), computed once a list; (B, ...)."""
        return p.new_zeros(len(p), 0)

    @abstractmethod
    def distances(self, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        """For the fit: (size, P, R), R terms whose exponentials are averaged, of P pairs with the
        features a and b (P, ...) and the agreements s (C, P).
        """

    @abstractmethod
    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        """The view (A, B) of two lists with features a, b and agreements s (C, A, B)."""

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        """The view of each architecture with itself, (A,); s (C, A) is its own agreement."""
        return torch.ones_like(s[0])


class Choices(View):
    name = "choices"

    def __init__(self, space: Space) -> None:
        self.size = len(space)

    def distances(self, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return (1 - s)[:, :, None]

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return torch.exp(torch.tensordot(scale, s - 1, 1))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return torch.exp(scale @ (s - 1))


class Paths(View):
    name = "paths"

    def __init__(self, paths: list[Path]) -> None:
        self.paths = [list(path) for path in paths[:MAX_PATHS]]
        self.size = len(self.paths)

    def _along(self, s: Tensor) -> Tensor:
        # A product of few is faster by hand, and so is its gradient: three times, in a climb.
        agreements = s.unbind(0)
        return torch.stack([reduce(mul, [agreements[c] for c in path]) for path in self.paths])

    def distances(self, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return (1 - self._along(s))[:, :, None]

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return torch.exp(torch.tensordot(scale, self._along(s) - 1, 1))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return torch.exp(scale @ (self._along(s) - 1))


class Counts(View):
    name = "counts"

    def __init__(self, kind: Tensor, options: int) -> None:
        self.kind = kind
        self.size = kind.shape[1] * options

    def features(self, p: Tensor) -> Tensor:
        return _typed(p, self.kind).sum(1)

    def distances(self, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return ((a - b) ** 2).T[:, :, None]

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return torch.exp(-_squared_distance(a * scale.sqrt(), b * scale.sqrt()))


class Pairs(View):
    name = "pairs"
    size = 1

    def __init__(self, kind: Tensor, links: list[tuple[int, int]]) -> None:
        self.kind = kind
        self.first, self.second = torch.tensor(links).T

    def features(self, p: Tensor) -> Tensor:
        typed = _typed(p, self.kind)
        follow = torch.einsum("blx,bly->bxy", typed[:, self.first], typed[:, self.second])
        return follow.flatten(1)

    def distances(self, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return ((a - b) ** 2).sum(1).view(1, -1, 1)

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return torch.exp(-scale * _squared_distance(a, b))


class Routes(View):
    name = "routes"

    def __init__(self, kind: Tensor, options: int, paths: list[Path]) -> None:
        self.kind = kind
        self.size = kind.shape[1] * options
        self.member = torch.zeros(len(paths), len(kind), dtype=kind.dtype)  # (R, C)
        for r, path in enumerate(paths):
            self.member[r, list(path)] = 1.0

    def features(self, p: Tensor) -> Tensor:
        return self.member @ _typed(p, self.kind)  # (B, R, kinds·O)

    def distances(self, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        gaps = (a[:, :, None] - b[:, None, :]) ** 2  # (P, R, R, size)
        return gaps.flatten(1, 2).permute(2, 0, 1)

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        root = scale.sqrt()
        k = torch.exp(-_squared_distance((a * root).flatten(0, 1), (b * root).flatten(0, 1)))
        return k.view(*a.shape[:2], *b.shape[:2]).mean((1, 3))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        gaps = ((f[:, :, None] - f[:, None, :]) ** 2) @ scale
        return torch.exp(-gaps).mean((1, 2))


class Kernel:
    """The views that say something in a space, and the sum of them.

    Args:
        space: The search space.
        views: Which of `VIEWS` to use where they apply.
    """

    def __init__(self, space: Space, views: Collection[str] = VIEWS) -> None:
        self.choices = len(space)
        options = int(space.sizes.max())
        kinds: dict[tuple[object, ...], int] = {}
        numbers = [kinds.setdefault(o, len(kinds)) for o in space.choices.values()]
        kind = torch.nn.functional.one_hot(torch.tensor(numbers)).double()  # (C, kinds)
        long = [path for path in space.paths if len(path) > 1]
        links = sorted({pair for path in long for pair in itertools.pairwise(path)})
        possible: list[View] = [Choices(space)]
        if long:
            possible.append(Paths(long))
        if len(kinds) < self.choices:
            possible.append(Counts(kind, options))
            if links and (len(kinds) * options) ** 2 <= MAX_PAIR_FEATURES:
                possible.append(Pairs(kind, links))
            if 1 < len(long) <= MAX_ROUTES:
                possible.append(Routes(kind, options, long))
        self.views = [view for view in possible if view.name in views]

    def features(self, p: Tensor) -> tuple[Tensor, ...]:
        """p (B, C, O) itself, then what each view reads of it."""
        return (p, *(view.features(p) for view in self.views))

    def distances(self, p: Tensor) -> tuple[list[Array], Array]:
        """For the fit: what the pairs of architectures p (T, C, O) differ in, each pair once.

        Returns:
            Each view's distances (size, P, R), and the agreements (C, P), of the P = T (T + 1) / 2
            pairs of the lower triangle, row by row.
        """
        first, second = torch.tril_indices(len(p), len(p))
        _, *features = self.features(p)
        s = torch.einsum("aco,bco->cab", p, p)[:, first, second]
        stacks = [
            view.distances(f[first], f[second], s).contiguous().numpy()
            for view, f in zip(self.views, features, strict=True)
        ]
        return stacks, s.contiguous().numpy()

    def cross(
        self,
        weights: Tensor,
        amplitudes: Tensor,
        scales: list[Tensor],
        a: tuple[Tensor, ...],
        b: tuple[Tensor, ...],
    ) -> Tensor:
        """The kernel (A, B) between two lists of features.

        Args:
            weights: (C,), of the additive effects.
            amplitudes: (views,).
            scales: For each view (size,).
            a: Features of the first list.
            b: Features of the second.
        """

        def block(part: tuple[Tensor, ...]) -> Tensor:
            s = torch.einsum("aco,bco->cab", part[0], b[0])
            k: Tensor = torch.tensordot(weights, s, 1)
            for i, (view, scale) in enumerate(zip(self.views, scales, strict=True)):
                k = k + amplitudes[i] * view.cross(scale, part[i + 1], b[i + 1], s)
            return k

        blocks = [block(part) for part in zip(*(torch.split(f, BLOCK) for f in a), strict=True)]
        return torch.cat(blocks) if len(blocks) > 1 else blocks[0]

    def diagonal(
        self, weights: Tensor, amplitudes: Tensor, scales: list[Tensor], a: tuple[Tensor, ...]
    ) -> Tensor:
        """The kernel of each architecture with itself, (A,)."""
        s = (a[0] ** 2).sum(-1).T  # (C, A)
        k = weights @ s
        for i, (view, scale) in enumerate(zip(self.views, scales, strict=True)):
            k = k + amplitudes[i] * view.diagonal(scale, a[i + 1], s)
        return k


def _typed(p: Tensor, kind: Tensor) -> Tensor:
    """p (B, C, O) spread over the kinds of choices, (B, C, kinds·O)."""
    return (kind[:, :, None] * p[:, :, None, :]).flatten(2)


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
    return square.clamp(min=0)
