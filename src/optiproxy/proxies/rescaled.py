"""A proxy of residuals: what a prior or a low-fidelity model leaves unexplained, at its own scale.

A proxy's hyper-parameters have priors for targets of unit deviation. Residuals of a good model are
far smaller; fitted as they are, their spread would be overestimated many times.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.proxies.base import Posterior, Proxy

# Residuals smaller than this part of a metric's deviation are treated as if they had it.
LEAST_DEVIATION = 1e-3


class Rescaled(Proxy):
    """A proxy whose targets are brought to zero mean and unit deviation before the fit.

    Args:
        proxy: Not fitted yet.
    """

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy.space, seed=proxy.seed)
        self.dtype = proxy.dtype
        self.differentiable = proxy.differentiable
        self._proxy = proxy
        self._shift = torch.zeros(())
        self._scale = torch.ones(())

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._shift, self._scale = y.mean(0), deviation(y)
        self._proxy.fit(p, (y - self._shift) / self._scale)

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._proxy.predict(p)
        return self._shift + self._scale * mean, self._scale * spread

    def mean(self, p: Tensor) -> Tensor:
        return self._shift + self._scale * self._proxy.mean(p)

    def posterior(self, p: Tensor) -> Posterior:
        return _Scaled(self._proxy.posterior(p), self._shift, self._scale)


class _Scaled(Posterior):
    def __init__(self, posterior: Posterior, shift: Tensor, scale: Tensor) -> None:
        self._posterior = posterior
        self._scale = scale
        super().__init__(shift + scale * posterior.mean, scale * posterior.spread)

    def condition_on_mean(self, index: int) -> None:
        self._posterior.condition_on_mean(index)
        self.spread = self._scale * self._posterior.spread


def deviation(y: Tensor) -> Tensor:
    """The standard deviation over the first dimension, at least `LEAST_DEVIATION`."""
    return y.std(0, unbiased=False).clamp(min=LEAST_DEVIATION)
