"""The views of the Gaussian process's kernel: ways in which architectures are alike.

``s_c`` is the agreement of choice c (see `_kernel`). A view is ``exp(-scales . distances)``,
`Routes` a mean of such terms, `Trends` and `Options` are inner products:

=========  ======================================================================================
choices    ``1 - s_c``: every choice has a relevance of its own.
levels     the same, but ``(x_c - x'_c)^2`` for a choice with an order, where x is its level.
trends     ``sum_t w_t x_t x'_t``, linear in the levels, and in their sums over like choices.
options    ``sum_t w_t <p_t, q_t>``: additive effects of ordered options, each on its own; rarely of
           use but where numbers stand for operations.
paths      ``1 - prod_{c in r} s_c``: the same for whole source-to-sink paths r.
counts     ``(h_o - h'_o)^2``, where h counts how often an option is chosen, wherever: what is
           learnt on one edge speaks for the others.
living     the same of what is alive.
pairs      ``|b - b'|^2``, where b counts pairs of options that follow each other along a path:
           the first step of a Weisfeiler-Lehman kernel, https://arxiv.org/abs/2006.07556.
routes     mean over all pairs of paths of ``exp(-sum_o l_o (h_ro - h'_r'o)^2)``, where h counts the
           options along a path: an architecture as the set of its paths, wherever they run. With
           its own relevance for each option it can learn that an identity does not matter on a
           path, and that one missing edge does.
=========  ======================================================================================

Levels, trends and options need choices with an order (`Space.levels`), and levels stand in the
place of choices there; counts, living, pairs and routes need choices that share their options, as
the edges of a cell do. Where a space has options that hand on nothing, `choices` and `living` read
an architecture without what is dead (`encodings.living`): an accuracy does not know of it. A
latency may, so the other views read it as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import reduce
from operator import mul
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.encodings.ordinal import Levels
from optiproxy.spaces import Space

Array = NDArray[np.float64]
Path = tuple[int, ...]
# For the fit: scales (size,) to a view of all pairs (P,), and what turns a gradient by that into
# one by the scales.
Compared = Callable[[Array], tuple[Array, Callable[[Array], Array]]]

# The path view costs one array a path; a space with more is served by its shortest ones.
MAX_PATHS = 24


class Read(NamedTuple):
    """Architectures, read once for all views.

    Attributes:
        p: (B, C, O), the choice probabilities; spread to near options where there is an order.
        chosen: (B, C, O), the choice probabilities as they are.
        living: (B, C, O + 1), without what is dead; p itself in a space without `zero_options`.
        levels: (B, T), of choices with an order, see `encodings.levels`; empty where there is none.
    """

    p: Tensor
    chosen: Tensor
    living: Tensor
    levels: Tensor


class View(ABC):
    """One way to compare architectures. `size` is its number of scales."""

    name: str
    size: int

    def features(self, read: Read) -> Tensor:
        """What the view compares of B architectures, computed once a list; (B, ...)."""
        return read.p.new_zeros(len(read.p), 0)

    def known(self, f: Tensor) -> Any:
        """The features f (B, ...) of what others are compared with."""
        return f

    @abstractmethod
    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        """For the fit: of architectures with features f (T, ...), the pairs (2, P), whose
        agreements are s (C, P).
        """

    @abstractmethod
    def cross(self, scale: Tensor, a: Tensor, b: Any, s: Tensor) -> Tensor:
        """The view (M, A, B) of features a and known ones b, with agreements s (C, A, B), by the
        scales (M, size) of each metric.
        """

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        """The view of each architecture with itself, (M, A); s (C, A) is its own agreement."""
        return s.new_ones(len(scale), s.shape[1])


class Choices(View):
    name = "choices"

    def __init__(self, space: Space) -> None:
        self.size = len(space)

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        return _apart(1 - s)

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return torch.exp(torch.tensordot(scale, s - 1, 1))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return torch.exp(scale @ (s - 1))


class LivingChoices(Choices):
    def features(self, read: Read) -> Tensor:
        return read.living

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        return _apart(1 - agreements(f, f)[:, first, second])

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return super().cross(scale, a, b, agreements(a, b))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return super().diagonal(scale, f, own_agreement(f))


class LevelChoices(View):
    name = "levels"

    def __init__(self, levels: Levels) -> None:
        self._others = (~levels.ordered).nonzero()[:, 0]
        self._ordered = int(levels.ordered.sum())
        self.size = len(levels.ordered)

    def features(self, read: Read) -> Tensor:
        return read.levels[:, : self._ordered]

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        return _apart(torch.cat([((f[first] - f[second]) ** 2).T, 1 - s[self._others]]))

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        root = scale[:, : self._ordered].sqrt()[:, None]
        near = _gaussian(a * root, b * root)
        if not len(self._others):
            return near
        rest = torch.tensordot(scale[:, self._ordered :], s[self._others] - 1, 1)
        return near * torch.exp(rest)

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return torch.exp(scale[:, self._ordered :] @ (s[self._others] - 1))


class Trends(View):
    name = "trends"

    def __init__(self, levels: Levels) -> None:
        ((self.size,),) = levels.shapes

    def features(self, read: Read) -> Tensor:
        return read.levels

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        products = (f[first] * f[second]).T.contiguous().numpy()
        return lambda scale: (scale @ products, lambda gradient: products @ gradient)

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return (a * scale[:, None]) @ b.T

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return scale @ (f**2).T


class Options(View):
    name = "options"

    def __init__(self, levels: Levels) -> None:
        self._ordered = levels.ordered
        self.size = int(levels.ordered.sum())

    def features(self, read: Read) -> Tensor:
        return read.chosen[:, self._ordered]

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        same = agreements(f, f)[:, first, second].contiguous().numpy()
        return lambda scale: (scale @ same, lambda gradient: same @ gradient)

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        k: Tensor = torch.tensordot(scale, agreements(a, b), 1)
        return k

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return scale @ own_agreement(f)


class Paths(View):
    name = "paths"

    def __init__(self, paths: list[Path]) -> None:
        self.paths = [list(path) for path in paths[:MAX_PATHS]]
        self.size = len(self.paths)

    def _along(self, s: Tensor) -> Tensor:
        # A product of few is faster by hand, and so is its gradient: three times, in a climb.
        agreements = s.unbind(0)
        return torch.stack([reduce(mul, [agreements[c] for c in path]) for path in self.paths])

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        return _apart(1 - self._along(s))

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return torch.exp(torch.tensordot(scale, self._along(s) - 1, 1))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return torch.exp(scale @ (self._along(s) - 1))


class Counts(View):
    name = "counts"

    def __init__(self, kind: Tensor, options: int) -> None:
        self.kind = kind
        self.size = kind.shape[1] * options

    def features(self, read: Read) -> Tensor:
        return _typed(read.p, self.kind).sum(1)

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        return _apart(((f[first] - f[second]) ** 2).T)

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        root = scale.sqrt()[:, None]
        return _gaussian(a * root, b * root)


class LivingCounts(Counts):
    name = "living"

    def __init__(self, kind: Tensor, options: int) -> None:
        super().__init__(kind, options + 1)

    def features(self, read: Read) -> Tensor:
        return _typed(read.living, self.kind).sum(1)


class Near(View):
    """Features that are alike by how near they lie, on one scale."""

    size = 1

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        return _apart(((f[first] - f[second]) ** 2).sum(1)[None])

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        root = scale.sqrt()[:, None]
        return _gaussian(a * root, b * root)


class Pairs(Near):
    name = "pairs"

    def __init__(self, kind: Tensor, links: list[tuple[int, int]]) -> None:
        self.kind = kind
        self.first, self.second = torch.tensor(links).T

    def features(self, read: Read) -> Tensor:
        typed = _typed(read.p, self.kind)
        follow = torch.einsum("blx,bly->bxy", typed[:, self.first], typed[:, self.second])
        return follow.flatten(1)


class _Distinct(NamedTuple):
    """The paths of a list of architectures, each once: many run over the same operations.

    Attributes:
        paths: (D, kinds·O), the options along each.
        shares: (B, D), which part of an architecture's paths each is.
    """

    paths: Tensor
    shares: Tensor


class Routes(View):
    name = "routes"

    def __init__(self, kind: Tensor, options: int, paths: list[Path]) -> None:
        self.kind = kind
        self.size = kind.shape[1] * options
        self.member = torch.zeros(len(paths), len(kind), dtype=kind.dtype)  # (R, C)
        for r, path in enumerate(paths):
            self.member[r, list(path)] = 1.0

    def features(self, read: Read) -> Tensor:
        return self.member @ _typed(read.p, self.kind)  # (B, R, kinds·O)

    def known(self, f: Tensor) -> _Distinct:
        paths, number = torch.unique(f.flatten(0, 1), dim=0, return_inverse=True)
        shares = f.new_zeros(len(f), len(paths))
        each = f.new_full(f.shape[:2], 1 / f.shape[1])
        return _Distinct(paths, shares.scatter_add_(1, number.view(f.shape[:2]), each))

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        paths, shares = self.known(f)
        distances = ((paths[:, None] - paths[None]) ** 2).permute(2, 0, 1).contiguous().numpy()
        share, (first, second) = shares.numpy(), pairs.numpy()

        def at(scale: Array) -> tuple[Array, Callable[[Array], Array]]:
            between = np.exp(-np.tensordot(scale, distances, 1))  # (D, D)

            def back(gradient: Array) -> Array:
                whole = np.zeros((len(share), len(share)))
                whole[first, second] = gradient
                weighted = (share.T @ whole @ share) * between
                return -np.tensordot(distances, weighted, 2)

            return (share @ between @ share.T)[first, second], back

        return at

    def cross(self, scale: Tensor, a: Tensor, b: _Distinct, s: Tensor) -> Tensor:
        root = scale.sqrt()[:, None]
        # One route after the other, so that the mean over them runs along whole rows.
        k = _gaussian(a.transpose(0, 1).flatten(0, 1) * root, b.paths * root)
        return k.view(len(scale), a.shape[1], len(a), -1).mean(1) @ b.shares.T

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        gaps = ((f[:, :, None] - f[:, None, :]) ** 2).flatten(1, 2) @ scale.T  # (A, R·R, M)
        return torch.exp(-gaps).mean(1).T


def agreements(a: Tensor, b: Tensor) -> Tensor:
    """Of a (A, C, O) with b (B, C, O), choice by choice, (C, A, B)."""
    return torch.einsum("aco,bco->cab", a, b)


def own_agreement(a: Tensor) -> Tensor:
    """Of each of a (A, C, O) with itself, (C, A)."""
    return (a**2).sum(-1).T


def _typed(p: Tensor, kind: Tensor) -> Tensor:
    """p (B, C, O) spread over the kinds of choices, (B, C, kinds·O)."""
    return (kind[:, :, None] * p[:, :, None, :]).flatten(2)


def _apart(distances: Tensor) -> Compared:
    """A view that is the exponential of the distances (size, P)."""
    d = distances.contiguous().numpy()

    def at(scale: Array) -> tuple[Array, Callable[[Array], Array]]:
        view = np.exp(-(scale @ d))
        return view, lambda gradient: -(d @ (gradient * view))

    return at


def _gaussian(a: Tensor, b: Tensor) -> Tensor:
    """``exp(-|a - b|^2)``, (M, A, B), of a (M, A, F) and b (M, B, F); differentiable by a alone."""
    return _Gaussian.apply(a, b)  # type: ignore[no-any-return,no-untyped-call]


class _Gaussian(torch.autograd.Function):
    """By hand, with few passes over the matrix: three of the views are one, in every step."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        k = torch.baddbmm((b * b).sum(2)[:, None], a, b.mT, beta=-1, alpha=2)
        k.sub_((a * a).sum(2)[:, :, None]).clamp_(max=0).exp_()
        ctx.save_for_backward(a, b, k)
        return k

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        a, b, k = ctx.saved_tensors
        weighted = gradients[0] * k
        return 2 * (weighted @ b - weighted.sum(2)[:, :, None] * a), None
