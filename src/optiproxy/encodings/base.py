"""The interface of an encoding: architectures, discrete or relaxed, as tensors.

`discrete` takes option numbers (B, C); `relaxed` takes choice probabilities (B, C, O), padded with
zeros, and is differentiable. At the corners of the simplex both give exactly the same tensors. A
number of a range is everywhere between its two corners, the ends of the range.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from optiproxy.errors import invalid
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices

#: One tensor, or several (adjacency and vertex features).
Encoded: TypeAlias = tuple[Tensor, ...]


class Encoder(ABC):
    """An encoding of one space.

    Args:
        space: The search space.
        dtype: Of the discrete encoding's tensors; the relaxed one keeps the dtype of its input.
    """

    def __init__(self, space: Space, dtype: torch.dtype = torch.float32) -> None:
        self.space = space
        self.dtype = dtype

    @abstractmethod
    def discrete(self, indices: Tensor) -> Encoded:
        """Encodes option numbers (B, C)."""

    @abstractmethod
    def relaxed(self, p: Tensor) -> Encoded:
        """Encodes choice probabilities (B, C, O), differentiably."""

    @property
    @abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each tensor, without the batch dimension."""

    def encode(self, archs: Sequence[Architecture]) -> Encoded:
        """Encodes `Architecture` objects."""
        return self.discrete(torch.from_numpy(self.space.to_indices(archs)))


def corners(space: Space, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Option numbers (B, C) as corners of the simplex, (B, C, O); numbers as `Number.columns`."""
    width = int(space.widths.max())
    if not space.numbers:
        return torch.nn.functional.one_hot(indices.long(), width).to(dtype)
    options = indices.long().clone()
    options[:, list(space.numbers)] = 0
    p = torch.nn.functional.one_hot(options, width).to(dtype)
    for c, number in space.numbers.items():
        columns = torch.from_numpy(number.columns(indices[:, c].numpy()))
        p[:, c, : number.width] = columns.to(dtype)
    return p


def nearest(space: Space, p: Tensor) -> Indices:
    """The option numbers (B, C) nearest to relaxed architectures (B, C, O): undoes `corners`."""
    rows: Indices = p.argmax(-1).numpy()
    for c, number in space.numbers.items():
        rows[:, c] = number.from_columns(p[:, c, : number.width].double().numpy())
    return rows


def is_corner(space: Space, p: Tensor) -> bool:
    """Whether all of p (B, C, O) are architectures, as `corners` gives them."""
    one = p.amax(-1) == 1
    for c, number in space.numbers.items():
        # Up to the rounding of both levels.
        one[:, c] = (p[:, c, number.first : number.width].sum(-1) - 0.5).abs() > 0.5 - 1e-9
    return bool(one.all())


def check_relaxed(space: Space, p: Tensor) -> None:
    """Raises InvalidValueError unless `p` has shape (B, C, O)."""
    expected = (len(space), int(space.widths.max()))
    if p.ndim != 3 or tuple(p.shape[1:]) != expected:
        raise invalid("relaxed: p", tuple(p.shape), f"give choice probabilities (B, *{expected})")
