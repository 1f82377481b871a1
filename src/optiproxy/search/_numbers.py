"""Numbers of a range in a search: real parameters, beside the distributions of other choices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

# Draws lie around a group's number, by deviations of the range between these.
NARROWEST, WIDEST = 1e-3, 0.2
# A group starts at least so far from the ends of a range, where a climb would hardly move.
INSIDE = 0.01
ITERATIONS = 30  # of L-BFGS


class Numbers:
    """The columns of the numbers in relaxed architectures.

    Args:
        space: A space with `numbers`.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._choices = torch.tensor(list(space.numbers))
        self._low = torch.tensor([number.first for number in space.numbers.values()])

    def start(self, alpha: Tensor, levels: np.ndarray) -> Tensor:
        """alpha (G, C, O) with numbers at levels (G, numbers): a climb moves the log odds."""
        level = torch.from_numpy(levels).clamp(INSIDE, 1 - INSIDE).to(alpha.dtype)
        active = alpha[:, self._choices, self._low]
        return self._with_ends(alpha, active + (1 - level).log(), active + level.log())

    def relaxed(self, p: Tensor, alpha: Tensor) -> Tensor:
        """p (G, C, O) with numbers at the levels of alpha, without noise and temperature."""
        odds = alpha[:, self._choices, self._low + 1] - alpha[:, self._choices, self._low]
        return self.at(p, odds.sigmoid())

    def at(self, p: Tensor, levels: Tensor) -> Tensor:
        """p (B, C, O) with numbers at levels (B, numbers), as far as they are active."""
        active = p[:, self._choices, self._low] + p[:, self._choices, self._low + 1]
        return self._with_ends(p, active * (1 - levels), active * levels)

    def levels(self, p: Tensor) -> Tensor:
        """The levels (B, numbers) of p (B, C, O)."""
        low, high = p[:, self._choices, self._low], p[:, self._choices, self._low + 1]
        return high / (low + high).clamp(min=1e-30)

    def _with_ends(self, p: Tensor, low: Tensor, high: Tensor) -> Tensor:
        place = torch.arange(len(p))[:, None], self._choices
        p = p.index_put((*place, self._low), low)
        return p.index_put((*place, self._low + 1), high)

    def drawn(
        self, columns: Indices, p: Tensor, exploration: float, generator: torch.Generator
    ) -> Indices:
        """Rows from drawn columns (B, C) of distributions p (B, C, O).

        A number lies around the level of its group, at any distance, or anywhere.
        """
        level = self.levels(p)
        low, high = math.log(NARROWEST), math.log(WIDEST)
        uniform = torch.rand(2, *level.shape, generator=generator, dtype=p.dtype)
        deviation = torch.exp(low + (high - low) * uniform[0])
        near = level + deviation * torch.randn(level.shape, generator=generator, dtype=p.dtype)
        anywhere = torch.rand(level.shape, generator=generator, dtype=p.dtype) < exploration
        return self.rows(columns, torch.where(anywhere, uniform[1], near))

    def rows(self, columns: Indices, levels: Tensor) -> Indices:
        """Rows with numbers at levels (B, numbers), where rows or columns (B, C) have any."""
        rows = columns.copy()
        for level, (c, number) in zip(levels.T, self._space.numbers.items(), strict=True):
            value = number.nearest(level.double().numpy())
            rows[:, c] = np.where(columns[:, c] < number.first, 0, value)
        return rows

    def refined(
        self, rows: Indices, score: Callable[[Tensor], Tensor], dtype: torch.dtype
    ) -> Indices:
        """The rows (B, C) with numbers moved to a maximum of ``score(p)`` (B, C, O) → (B,) nearby.

        All rows are refined together, by L-BFGS on the sum, since each has numbers of its own.
        """
        p = corners(self._space, torch.from_numpy(rows), dtype)
        start = self.levels(p).double()

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            x = torch.from_numpy(flat).view_as(start).to(dtype).requires_grad_()
            value = -score(self.at(p, x)).sum()
            (gradient,) = torch.autograd.grad(value, x)
            return float(value.detach()), gradient.double().numpy().ravel()

        found = minimize(
            loss, start.numpy().ravel(), jac=True, method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * start.numel(), options={"maxiter": ITERATIONS},
        )  # fmt: skip
        return self.rows(rows, torch.from_numpy(found.x).view_as(start))
