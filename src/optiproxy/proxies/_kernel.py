"""The Gaussian process's kernel on relaxed architectures.

It is a sum of five views of an architecture, each with an amplitude of its own. For two
architectures with choice probabilities p and q let ``s_c = <p_c, q_c>`` be the agreement of choice
c, one at equal corners and zero at different ones.

1. ``exp(-sum_c l_c (1 - s_c))``: the choices, each with a relevance of its own.
2. ``exp(-sum_r l_r (1 - prod_{c in r} s_c))``: the same over source-to-sink paths r.
3. ``sum_c w_c s_c``: additive effects.
4. ``exp(-sum_o l_o (h_o - h'_o)^2)``: h counts how often an option is chosen, wherever. It lets
   what is learnt on one edge speak for the others (choices with the same options share a count).
5. ``exp(-l |b - b'|^2)``: b counts pairs of options that follow each other along a path, the
   first step of a Weisfeiler-Lehman kernel (Ru et al., https://arxiv.org/abs/2006.07556).

All views are exponentials or sums of inner products of (multi)linear features, so the kernel is
positive definite inside the simplex too, and differentiable.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.spaces import Space

# The path view costs one array a path; a space with more is served by its shortest ones.
MAX_PATHS = 24
# Beyond this many counted pairs the fifth view has nothing left to share between choices.
MAX_PAIR_FEATURES = 1024

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """Linear views of p (B, C, O): the choices flat, the counts (B, H) and the pairs (B, Q)."""

    p: Tensor
    counts: Tensor
    pairs: Tensor


class Kernel:
    """Distances of a space's architectures under each view; the parameters come from outside.

    `groups` is the number of parameters of each exponential view, in the order choices, paths,
    counts, pairs; a view that says nothing new in a space has none.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.choices = len(space)
        long = [path for path in space.paths if len(path) > 1]
        self.paths = long[:MAX_PATHS]
        kinds: dict[tuple[object, ...], int] = {}
        kind = [kinds.setdefault(options, len(kinds)) for options in space.choices.values()]
        self.kind = torch.nn.functional.one_hot(torch.tensor(kind)).double()  # (C, kinds)
        links = sorted({pair for path in space.paths for pair in itertools.pairwise(path)})
        self.links = torch.tensor(links, dtype=torch.long).reshape(-1, 2)
        width = int(space.sizes.max())
        shared = len(kinds) < self.choices
        pair_features = (len(kinds) * width) ** 2
        self.counts = len(kinds) * width if shared else 0
        self.has_pairs = shared and len(links) > 0 and pair_features <= MAX_PAIR_FEATURES
        self.groups = [self.choices, len(self.paths), self.counts, int(self.has_pairs)]

    def features(self, p: Tensor) -> Features:
        b = len(p)
        kinds = p.transpose(1, 2) @ self.kind  # (B, O, kinds)
        counts = kinds.flatten(1) if self.counts else p.new_zeros(b, 0)
        pairs = p.new_zeros(b, 0)
        if self.has_pairs:
            typed = (self.kind[:, :, None] * p[:, :, None, :]).flatten(2)  # (B, C, kinds·O)
            first, second = typed[:, self.links[:, 0]], typed[:, self.links[:, 1]]
            pairs = torch.einsum("blx,bly->bxy", first, second).flatten(1)
        return Features(p, counts, pairs)

    def agreements(self, a: Features, b: Features) -> Tensor:
        """s (C, A, B)."""
        return torch.einsum("aco,bco->cab", a.p, b.p)

    def distances(self, p: Tensor) -> tuple[list[Array], Array]:
        """For the fit: per view the stack of distances (group, T·T), and agreements (C, T·T)."""
        f = self.features(p)
        s = self.agreements(f, f)
        views = [1 - s, 1 - self._along_paths(s)]
        views.append((f.counts.T[:, :, None] - f.counts.T[:, None, :]) ** 2)
        pairs = _squared_distance(f.pairs, f.pairs)[None] if self.has_pairs else s[:0]
        views.append(pairs)
        return [v.flatten(1).numpy() for v in views], s.flatten(1).numpy()

    def cross(
        self, scales: list[Tensor], amplitudes: Tensor, w: Tensor, a: Features, b: Features
    ) -> Tensor:
        """The kernel (A, B) between two lists, given the scales and amplitudes of the views."""
        choices, paths, counts, pairs = scales
        s = self.agreements(a, b)
        k: Tensor = torch.tensordot(w, s, 1)
        k = k + amplitudes[0] * torch.exp(torch.tensordot(choices, s - 1, 1))
        if len(paths):
            k = k + amplitudes[1] * torch.exp(torch.tensordot(paths, self._along_paths(s) - 1, 1))
        if len(counts):
            root = counts.sqrt()
            k = k + amplitudes[2] * torch.exp(-_squared_distance(a.counts * root, b.counts * root))
        if len(pairs):
            k = k + amplitudes[3] * torch.exp(-pairs * _squared_distance(a.pairs, b.pairs))
        return k

    def diagonal(self, scales: list[Tensor], amplitudes: Tensor, w: Tensor, a: Features) -> Tensor:
        """The kernel of each architecture with itself, (A,); below the sum inside the simplex."""
        choices, paths, counts, pairs = scales
        s = (a.p**2).sum(-1).T  # (C, A)
        k = w @ s + amplitudes[0] * torch.exp(choices @ (s - 1))
        if len(paths):
            k = k + amplitudes[1] * torch.exp(paths @ (self._along_paths(s) - 1))
        return k + amplitudes[2] * bool(len(counts)) + amplitudes[3] * bool(len(pairs))

    def _along_paths(self, s: Tensor) -> Tensor:
        if not self.paths:
            return s[:0]
        return torch.stack([s[list(path)].prod(0) for path in self.paths])


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
    return square.clamp(min=0)
