"""A proxy of full evaluations on top of one of low-fidelity evaluations, such as short trainings.

The autoregressive model of Kennedy and O'Hagan, Predicting the output from a complex computer code
when fast approximations are available, Biometrika 87, 2000, eq. 2, in the recursive form of Le
Gratiet and Garnier, https://arxiv.org/abs/1210.0686: a multiple of the low-fidelity prediction plus
a difference that is learnt from the full evaluations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.proxies.base import Posterior, Proxy
from optiproxy.proxies.rescaled import Rescaled

# The prior of the correlation between the fidelities, among the architectures that were chosen for
# full evaluation, and the number of full evaluations that this prior is worth.
PRIOR_CORRELATION = 0.5
PRIOR_EVALUATIONS = 5.0


class TwoFidelities(Proxy):
    """``full = scale * low + shift + difference``.

    Args:
        low: The proxy of the low-fidelity evaluations, fitted; several models may share it.
        difference: The proxy of the difference, not fitted yet.
    """

    def __init__(self, low: Proxy, difference: Proxy) -> None:
        super().__init__(low.space, seed=low.seed)
        self.dtype = low.dtype
        self.differentiable = low.differentiable and difference.differentiable
        self._low = low
        self._difference = Rescaled(difference)
        self._scale = torch.ones(())
        self._shift = torch.zeros(())

    def fit(self, p: Tensor, y: Tensor) -> None:
        with torch.no_grad():
            low = self._low.mean(p)
        # The correlation over the full evaluations, (M,), drawn towards PRIOR_CORRELATION.
        centred = low - low.mean(0)
        deviation = centred.pow(2).mean(0).sqrt().clamp(min=1e-6)
        correlation = (centred / deviation * y).sum(0) + PRIOR_EVALUATIONS * PRIOR_CORRELATION
        correlation = (correlation / (len(y) + PRIOR_EVALUATIONS)).clamp(min=0.0)
        self._scale = correlation / deviation
        self._shift = (y - self._scale * low).mean(0)
        dtype = self._difference.dtype
        self._difference.fit(p.to(dtype), (y - self._scale * low - self._shift).to(dtype))

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._low.predict(p)
        difference, own = self._difference.predict(p.to(self._difference.dtype))
        return (
            self._scale * mean + self._shift + difference,
            ((self._scale * spread) ** 2 + own**2).sqrt(),
        )

    def mean(self, p: Tensor) -> Tensor:
        difference = self._difference.mean(p.to(self._difference.dtype))
        return self._scale * self._low.mean(p) + self._shift + difference

    def posterior(self, p: Tensor) -> Posterior:
        with torch.no_grad():
            mean, spread = self._low.predict(p)
        difference = self._difference.posterior(p.to(self._difference.dtype))
        return _Sum(self._scale * mean + self._shift, self._scale * spread, difference)


class _Sum(Posterior):
    """The posterior of a sum; full evaluations reduce the spread of the difference alone."""

    def __init__(self, mean: Tensor, spread: Tensor, difference: Posterior) -> None:
        self._low_spread = spread
        self._difference = difference
        super().__init__(mean + difference.mean, self._total())

    def condition_on_mean(self, index: int) -> None:
        self._difference.condition_on_mean(index)
        self.spread = self._total()

    def _total(self) -> Tensor:
        return (self._low_spread**2 + self._difference.spread**2).sqrt()
