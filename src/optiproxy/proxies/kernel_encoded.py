"""A Gaussian process's kernel on one encoding alone, for comparing encodings.

White et al., A study on encodings for neural architecture search, https://arxiv.org/abs/2007.04965.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from optiproxy import encodings
from optiproxy.encodings import corners
from optiproxy.proxies.kernel import Kernel
from optiproxy.proxies.kernel_views import Array, Compared, Near, View
from optiproxy.spaces import Space

SAMPLE = 200  # random architectures whose mean squared distance is the unit of distances


class Encoded(Kernel):
    """A linear kernel on the encoding plus a Gaussian of its distance.

    Args:
        space: The search space.
        encoding: A name of `encodings.ENCODINGS`.
    """

    choices = 0
    ordered = np.zeros(0, dtype=bool)

    def __init__(self, space: Space, encoding: str) -> None:
        self._encoder = encodings.make(encoding, space)
        self.views = [_Distance(), _Linear()]
        rows = torch.from_numpy(space.random_indices(SAMPLE, np.random.default_rng(0)))
        x = self._read(corners(space, rows, torch.float64))
        self._centre = x.mean(0)
        # The mean squared distance of two independent samples is twice the variance.
        self._unit = (2 * x.var(0, correction=0).sum()).sqrt().clamp(min=1e-6)

    def _read(self, p: Tensor) -> Tensor:
        return torch.cat([part.flatten(1) for part in self._encoder.relaxed(p)], 1)

    def features(self, p: Tensor) -> tuple[Tensor, ...]:
        x = (self._read(p) - self._centre) / self._unit
        return p[:, :0], x, x


class _Distance(Near):
    name = "encoding"


class _Linear(View):
    name = "linear"
    size = 1

    def compared(self, f: Tensor, s: Tensor, pairs: Tensor) -> Compared:
        first, second = pairs
        product = (f @ f.T)[first, second].numpy()

        def at(scale: Array) -> tuple[Array, Callable[[Array], Array]]:
            return scale[0] * product, lambda gradient: np.array([gradient @ product])

        return at

    def cross(self, scale: Tensor, a: Tensor, b: Tensor, s: Tensor) -> Tensor:
        return scale[:, :, None] * (a @ b.T)

    def diagonal(self, scale: Tensor, f: Tensor, s: Tensor) -> Tensor:
        return scale * (f**2).sum(1)
