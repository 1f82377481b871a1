"""What was known before this search, as the prior of any proxy.

Models that were there before (earlier studies, scores that cost no query) give the prior mean, and
the proxy learns what they leave unexplained. Feurer et al., https://arxiv.org/abs/1802.02219, weigh
such models by how well each one ranks what is measured now; here they are weighed by the evidence,
with "nothing is known" as one of them, so that one that misleads loses its weight within a few
queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.proxies.gp import GaussianProcess

Mean = Callable[[Tensor], Tensor]

# The share of "nothing is known" among the models before anything is measured.
DOUBT = 0.1


class Model(ABC):
    """One opinion of the metrics that was there before this search."""

    #: (M,), how much it counts against the other models before anything is measured.
    reliability: Tensor

    @abstractmethod
    def only(self, outputs: list[int]) -> Model:
        """The same for some of the metrics, by their numbers."""

    @abstractmethod
    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Its prediction, p (B, C, O) → (B, M), on the scale of what was measured.

        Args:
            p: (T, C, O), the architectures that were measured; none at first.
            y: (T, M), their metrics.
        """


class Informed(Proxy):
    """A proxy of what the models leave unexplained.

    1. Each model predicts the metrics, on the scale of what was measured.
    2. What each leaves is explained by a Gaussian process. Its evidence, times the model's
       reliability, is the model's weight, for each metric on its own; "nothing is known" is one.
    3. The proxy is fitted to what the weighted mean of the models leaves.

    Args:
        proxy: What learns the rest; its `fit` is called here. Before two queries it is not used.
        models: What is known.
    """

    dtype = torch.float64

    def __init__(self, proxy: Proxy, models: Sequence[Model]) -> None:
        super().__init__(proxy.space, seed=proxy.seed)
        self._proxy = proxy
        self._models = models
        self._means: list[Mean] = []
        self._fitted = False
        #: (1 + models, M), how much each counts; "nothing is known" first.
        self.weights = torch.zeros(0)

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._means = [model.adapted(p, y) for model in self._models]
        reliability = torch.stack([model.reliability for model in self._models])  # (S, M)
        self._fitted = len(p) >= 2
        if not self._fitted:
            self.weights = _shares(torch.cat([torch.zeros_like(reliability[:1]), reliability]))
            return
        left = torch.stack([y, *(y - mean(p) for mean in self._means)], 1)  # (T, 1 + S, M)
        gp = GaussianProcess(self.space)
        gp.fit(p, left.flatten(1))
        evidence = gp.evidence.view(left.shape[1:])
        known = (1 - DOUBT) * _shares(reliability)
        prior = torch.cat([1 - known.sum(0, keepdim=True), known])
        self.weights = _shares(prior * torch.exp(evidence - evidence.amax(0)))
        rest = y - self._prior(p)
        self.look(p, y)
        self._proxy.fit(p.to(self._proxy.dtype), rest.to(self._proxy.dtype))

    def look(self, p: Tensor, y: Tensor) -> None:
        self._proxy.look(p.to(self._proxy.dtype), y.to(self._proxy.dtype))

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        prior = self._prior(p)
        if not self._fitted:
            return prior, torch.ones_like(prior)
        mean, spread = self._proxy.predict(p.to(self._proxy.dtype))
        return prior + mean, spread.to(p.dtype)

    def mean(self, p: Tensor) -> Tensor:
        prior = self._prior(p)
        return prior + self._proxy.mean(p.to(self._proxy.dtype)) if self._fitted else prior

    def beliefs(self, p: Tensor) -> Beliefs:
        with torch.no_grad():
            if not self._fitted:
                return super().beliefs(p)
            return _Shifted(self._proxy.beliefs(p.to(self._proxy.dtype)), self._prior(p))

    def _prior(self, p: Tensor) -> Tensor:
        """The weighted mean of the models, (B, M)."""
        total = torch.zeros(len(p), self.weights.shape[1], dtype=p.dtype)
        for weight, mean in zip(self.weights[1:], self._means, strict=True):
            if weight.max() > 1e-6:
                total = total + weight * mean(p)
        return total


class _Shifted(Beliefs):
    """Beliefs of the rest, moved by the prior mean (B, M)."""

    def __init__(self, rest: Beliefs, prior: Tensor) -> None:
        self._rest = rest
        super().__init__(prior + rest.mean, rest.spread)
        if rest.second is not None:
            self.second, self.share = prior + rest.second, rest.share

    def believe(self, index: int) -> None:
        self._rest.believe(index)
        self.spread = self._rest.spread


def _shares(weights: Tensor) -> Tensor:
    """Each column divided by its sum; a column of zeros stays."""
    return weights / weights.sum(0, keepdim=True).clamp(min=1e-300)
