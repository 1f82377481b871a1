"""Graph encoding: adjacency matrix and vertex features (METHOD: A and X)."""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.encodings.base import Encoded, Encoder, check_relaxed
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

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        n, f = self.space.graph.shape
        return ((n, n), (n, f))

    def discrete(self, indices: Tensor) -> Encoded:
        choice = torch.arange(len(self.space))
        x = self._features + self._feature_terms[choice, indices].sum(1)
        if self._adjacency_terms is None:
            return self._adjacency.expand(len(indices), -1, -1), x
        return self._adjacency + self._adjacency_terms[choice, indices].sum(1), x

    def relaxed(self, p: Tensor) -> Encoded:
        check_relaxed(self.space, p)
        x = self._affine(p, self._features, self._feature_terms)
        if self._adjacency_terms is None:
            return self._adjacency.to(p.dtype).expand(len(p), -1, -1), x
        return self._affine(p, self._adjacency, self._adjacency_terms), x

    def _affine(self, p: Tensor, constant: Tensor, terms: Tensor) -> Tensor:
        flat = p.flatten(1) @ terms.to(p.dtype).flatten(2).flatten(0, 1)  # (B, CO) @ (CO, N·F)
        return constant.to(p.dtype) + flat.view(len(p), *constant.shape)
