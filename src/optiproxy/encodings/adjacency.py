"""Graph encoding: adjacency matrix A and vertex features X (OptiProxy-NAS, arXiv 2509.05656)."""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed, corners
from optiproxy.spaces import Space


class Adjacency(Encoder):
    """Two tensors: A (B, N, N), where ``A[i, j]`` is the edge i → j, and X (B, N, F).

    Both are affine in the choice probabilities (see `spaces.GraphTemplate`).
    """

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(space, dtype)
        template = space.graph
        self._adjacency = torch.from_numpy(template.adjacency).to(dtype)
        self._features = torch.from_numpy(template.features).to(dtype)
        self._feature_terms = torch.from_numpy(template.feature_terms).to(dtype)
        terms = template.adjacency_terms
        self._adjacency_terms = None if terms is None else torch.from_numpy(terms).to(dtype)
        self._feature_entries = _Entries(self._features, self._feature_terms)
        if self._adjacency_terms is not None:
            self._adjacency_entries = _Entries(self._adjacency, self._adjacency_terms)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        n, f = self.space.graph.shape
        return ((n, n), (n, f))

    def discrete(self, indices: Tensor) -> Encoded:
        if self.space.numbers:
            return self.relaxed(corners(self.space, indices, self.dtype))
        x = self._feature_entries.gather(indices)
        if self._adjacency_terms is None:
            return self._adjacency.expand(len(indices), -1, -1), x
        return self._adjacency_entries.gather(indices), x

    def relaxed(self, p: Tensor) -> Encoded:
        check_relaxed(self.space, p)
        x = self._affine(p, self._features, self._feature_terms)
        if self._adjacency_terms is None:
            return self._adjacency.to(p.dtype).expand(len(p), -1, -1), x
        return self._affine(p, self._adjacency, self._adjacency_terms), x

    def _affine(self, p: Tensor, constant: Tensor, terms: Tensor) -> Tensor:
        flat = p.flatten(1) @ terms.to(p.dtype).flatten(2).flatten(0, 1)  # (B, CO) @ (CO, N·F)
        return constant.to(p.dtype) + flat.view(len(p), *constant.shape)


class _Entries:
    """A constant and its terms, stored by their few non-zero entries.

    An option changes one or two of a term's thousands of entries; adding whole terms is a hundred
    times slower in a chain of 22 layers.
    """

    def __init__(self, constant: Tensor, terms: Tensor) -> None:
        self.shape = constant.shape
        self.fixed = constant.flatten().nonzero()[:, 0]  # (fixed,)
        self.constants = constant.flatten()[self.fixed]
        flat = terms.flatten(2)  # (C, O, N·F)
        width = int((flat != 0).sum(-1).max())
        # The largest magnitudes first: all non-zero entries, then zeros as padding.
        self.places = flat.abs().topk(width, -1).indices  # (C, O, width)
        self.values = flat.gather(-1, self.places)

    def gather(self, indices: Tensor) -> Tensor:
        """Constant and terms of option numbers (B, C), added up: (B, *shape)."""
        choice, batch = torch.arange(len(self.places)), len(indices)
        places = self.places[choice, indices].flatten(1)
        values = self.values[choice, indices].flatten(1)
        out = values.new_zeros(batch, self.shape.numel())
        out[:, self.fixed] = self.constants
        return out.scatter_add_(1, places, values).view(batch, *self.shape)
