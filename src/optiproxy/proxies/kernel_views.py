"""The views of the Gaussian process's kernel: ways in which architectures resemble each other.

``s_c`` is the agreement of choice c (see `kernel`). A view is ``exp(-scales . distances)``,
`Routes` a mean of such terms, `Trends` and `Options` are inner products:

=============  ==================================================================================
choices        ``1 - s_c``: every choice has its own relevance.
ordinal        the same, but ``(x_c - x'_c)^2`` for an ordered choice, where x is its level.
trends         ``sum_t w_t x_t x'_t``, linear in the levels and in their sums over like choices.
options        ``sum_t w_t <p_t, q_t>``: additive effects of ordered options, each on its own; of
               use where numbers stand for operations.
paths          ``1 - prod_{c in r} s_c``: the same for whole source-to-sink paths r.
counts         ``(h_o - h'_o)^2``, where h counts how often an option is chosen, wherever: a result
               on one edge informs the others.
active_counts  the same for active choices alone.
pairs          ``|b - b'|^2``, where b counts pairs of options that follow each other along a path:
               the first step of a Weisfeiler-Lehman kernel, https://arxiv.org/abs/2006.07556.
routes         mean over all pairs of paths of ``exp(-sum_o l_o (h_ro - h'_r'o)^2)``, where h counts
               the options along a path: an architecture as the set of its paths. With a relevance
               for each option it can learn that an identity does not matter on a path, and that
               one missing edge does.
=============  ==================================================================================

Ordinal, trends and options need ordered choices (`Space.levels`); there ordinal replaces choices.
The counts, pairs and routes need choices that share their options, like the edges of a cell. In a
space with options that pass nothing on, `choices` and `active_counts` ignore inactive choices
(`encodings.ActivePath`), since an accuracy does not depend on them. A latency may, and the other
views read the architecture as it is.
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

from optiproxy.encodings.ordinal import Ordinal
from optiproxy.spaces import Space

Array = NDArray[np.float64]
Path = tuple[int, ...]
# For the fit: scales (size,) → the view of all pairs (P,), and the function that turns a gradient
# with respect to the view into one with respect to the scales.
Compared = Callable[[Array], tuple[Array, Callable[[Array], Array]]]

# The path view needs one array for each path; of more paths the shortest are used.
MAX_PATHS = 24


class Read(NamedTuple):
    """Architectures, encoded once for all views.

    Attributes:
        p: (B, C, O), the choice probabilities; those of ordered options spread to near ones.
        chosen: (B, C, O), the choice probabilities as they are.
        active: (B, C, O + 1), see `encodings.ActivePath`; p in a space without `zero_options`.
        levels: (B, T), of ordered choices, see `encodings.Ordinal`; empty where there are none.
    """

    p: Tensor
    chosen: Tensor
    active: Tensor
    levels: Tensor


class View(ABC):
    """One way to compare architectures; `size` is the number of its scales."""

    name: str
    size: int

    def features(self, read: Read) -> Tensor:
        """The features of B architectures, (B, ...), computed once for a list."""
        return read.p.new_zeros(len(read.p), 0)

    def known(self, f: Tensor) -> Any:
        """Features f (B, ...) prepared as the list that others are compared with."""
        return f

    @abstractmethod
    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        """For the fit: the view of pairs (2, P) with agreements s (C, P); features f (T, ...)."""

    @abstractmethod
    def cross(self, scale: Tensor, a: Tensor, b: Any, s: Tensor) -> Tensor:
        """The view (M, A, B) of features a and known b with agreements s (C, A, B).

        `scale` (M, size) has the scales of each metric.
        """

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        """The view of each architecture with itself, (M, A), with agreements s (C, A)."""
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


class ActiveChoices(Choices):
    def features(self, read: Read) -> Tensor:
        return read.active

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        return _apart(1 - agreements(f, f)[:, first, second])

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return super().cross(scale, a, b, agreements(a, b))

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return super().diagonal(scale, f, own_agreement(f))


class OrdinalChoices(View):
    name = "ordinal"

    def __init__(self, ordinal: Ordinal) -> None:
        self._others = (~ordinal.ordered).nonzero()[:, 0]
        self._ordered = int(ordinal.ordered.sum())
        self.size = len(ordinal.ordered)

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

    def __init__(self, ordinal: Ordinal) -> None:
        ((self.size,),) = ordinal.shapes

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

    def __init__(self, choices: list[int]) -> None:
        self._ordered = choices
        self.size = len(choices)

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
        # Products of few tensors: three times faster than `prod` with its gradient.
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


class ActiveCounts(Counts):
    name = "active_counts"

    def __init__(self, kind: Tensor, options: int) -> None:
        super().__init__(kind, options + 1)

    def features(self, read: Read) -> Tensor:
        return _typed(read.active, self.kind).sum(1)


class Near(View):
    """A Gaussian of the features' distance, with one scale."""

    size = 1

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        squares = (f * f).sum(1)
        # By products, since of hundreds of features the pairs' differences take far longer.
        apart = squares[:, None] + squares - 2 * (f @ f.T)
        return _apart(apart.clamp_(min=0)[first, second][None])

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
    """The distinct paths of a list of architectures, many of which have the same operations.

    Attributes:
        paths: (D, kinds·O), the options along each.
        shares: (B, D), the fraction of an architecture's paths that each is.
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
        # Route by route, so that the mean runs over contiguous rows.
        k = _gaussian(a.transpose(0, 1).flatten(0, 1) * root, b.paths * root)
        return k.view(len(scale), a.shape[1], len(a), -1).mean(1) @ b.shares.T

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        gaps = ((f[:, :, None] - f[:, None, :]) ** 2).flatten(1, 2) @ scale.T  # (A, R·R, M)
        return torch.exp(-gaps).mean(1).T


def agreements(a: Tensor, b: Tensor) -> Tensor:
    """Agreements of a (A, C, O) with b (B, C, O), choice by choice, (C, A, B)."""
    return torch.einsum("aco,bco->cab", a, b)


def own_agreement(a: Tensor) -> Tensor:
    """Agreements of each of a (A, C, O) with itself, (C, A)."""
    return (a**2).sum(-1).T


def _typed(p: Tensor, kind: Tensor) -> Tensor:
    """p (B, C, O) placed in the block of each choice's kind, (B, C, kinds·O)."""
    return (kind[:, :, None] * p[:, :, None, :]).flatten(2)


def _apart(distances: Tensor) -> Compared:
    """The view ``exp(-scale . distances)`` of distances (size, P)."""
    d = distances.contiguous().numpy()

    def at(scale: Array) -> tuple[Array, Callable[[Array], Array]]:
        view = np.exp(-(scale @ d))
        return view, lambda gradient: -(d @ (gradient * view))

    return at


def _gaussian(a: Tensor, b: Tensor) -> Tensor:
    """``exp(-|a - b|^2)``, (M, A, B), of a (M, A, F) and b (M, B, F); differentiable by a."""
    return _Gaussian.apply(a, b)  # type: ignore[no-any-return,no-untyped-call]


class _Gaussian(torch.autograd.Function):
    """Forward and backward with few passes over the matrix, since every ascent step needs it."""

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
