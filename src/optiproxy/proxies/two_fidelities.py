"""OptiProxy that learns from cheap answers first: short trainings inform the search in full.

The model of two fidelities is the autoregressive one of Kennedy and O'Hagan, Predicting the output
from a complex computer code when fast approximations are available, Biometrika 87, 2000, eq. 2, in
the recursive form of Le Gratiet and Garnier, https://arxiv.org/abs/1210.0686: the full answer is a
multiple of the cheap one's prediction plus a difference that is learnt from the full answers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optiproxy.proxies.base import Beliefs, Proxy

# The first architectures to be trained in full are those of the best cheap answers: before there
# are so many full answers, there is nothing to learn a difference from.
PROMOTED = 5
# So many of the best cheap answers are candidates each time.
PROMOTED_CANDIDATES = 50
# What is believed of the correlation of cheap and full answers among the architectures that were
# chosen to be answered in full, and how many full answers that is worth.
PRIOR_CORRELATION = 0.5
PRIOR_ANSWERS = 5.0


class TwoFidelities(Proxy):
    """A proxy of the full answers that starts from one of the cheap answers.

    Args:
        low: The proxy of the cheap answers, fitted; its outputs are those of the full one.
        difference: The proxy of what the full answers add, not fitted yet.
    """

    def __init__(self, low: Proxy, difference: Proxy) -> None:
        super().__init__(low.space, seed=low.seed)
        self.dtype = low.dtype
        self._low = low
        self._difference = difference
        self._scale = torch.ones(())
        self._shift = torch.zeros(())

    def fit(self, p: Tensor, y: Tensor) -> None:
        with torch.no_grad():
            low = self._low.mean(p)
        # The correlation over what was answered in full, (M,), drawn towards PRIOR_CORRELATION.
        centred = low - low.mean(0)
        deviation = centred.pow(2).mean(0).sqrt().clamp(min=1e-6)
        correlation = (centred / deviation * y).sum(0) + PRIOR_ANSWERS * PRIOR_CORRELATION
        correlation = (correlation / (len(y) + PRIOR_ANSWERS)).clamp(min=0.0)
        self._scale = correlation / deviation
        self._shift = (y - self._scale * low).mean(0)
        self._difference.look(p, y)
        self._difference.fit(p, y - self._scale * low - self._shift)

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._low.predict(p)
        difference, beside = self._difference.predict(p)
        return (
            self._scale * mean + self._shift + difference,
            ((self._scale * spread) ** 2 + beside**2).sqrt(),
        )

    def mean(self, p: Tensor) -> Tensor:
        return self._scale * self._low.mean(p) + self._shift + self._difference.mean(p)

    def beliefs(self, p: Tensor) -> Beliefs:
        with torch.no_grad():
            mean, spread = self._low.predict(p)
        return _Sum(
            self._scale * mean + self._shift, self._scale * spread, self._difference.beliefs(p)
        )


class _Sum(Beliefs):
    """Beliefs of a sum, of which a full answer makes the second part known."""

    def __init__(self, mean: Tensor, spread: Tensor, difference: Beliefs) -> None:
        self._first = spread
        self._difference = difference
        super().__init__(mean + difference.mean, self._spread())

    def believe(self, index: int) -> None:
        self._difference.believe(index)
        self.spread = self._spread()

    def _spread(self) -> Tensor:
        return (self._first**2 + self._difference.spread**2).sqrt()
