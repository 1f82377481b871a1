"""What is known before the first query of a search, as the prior mean of any proxy.

Models that exist before the search (earlier studies of the same space, training-free scores) give
the prior mean; the proxy learns the residual. Feurer et al., https://arxiv.org/abs/1802.02219,
weight such models by how well they rank the new results. Here the weights are evidences, with
"nothing is known" as one of the models, so that a misleading one loses its weight in a few queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy

import torch
from scipy.stats import spearmanr
from torch import Tensor

from optiproxy.proxies.base import Posterior, Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.rescaled import Rescaled, deviation
from optiproxy.spaces import Space

#: p (B, C, O) → metrics (B, M).
Mean = Callable[[Tensor], Tensor]

# The prior probability of "nothing is known".
DOUBT = 0.1
# An earlier study is used if the rank correlation of its metric with cross-validated predictions
# reaches this; with 100 shuffled values it stays below 0.3.
USEFUL = 0.4
FOLDS = 10
# The belief that the earlier study's scale is unchanged, in queries.
SCALE_BELIEF = 4.0


class Model(ABC):
    """A model of the metrics that exists before the search."""

    #: (M,), its weight relative to the other models before anything is measured.
    reliability: Tensor

    @abstractmethod
    def only(self, outputs: list[int]) -> Model:
        """The same model for some of the metrics, by their numbers."""

    @abstractmethod
    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Its prediction on the scale of the measured metrics.

        Args:
            p: (T, C, O), the evaluated architectures; T may be 0.
            y: (T, M), their metrics.
        """


class Prior:
    """The mean of the models, weighted by their evidence.

    1. Each model predicts the metrics, on the scale of the measured ones.
    2. A Gaussian process is fitted to the residual of each model. The process's evidence times the
       model's reliability is the model's weight, for each metric separately; "nothing is known",
       whose prediction is zero, is one of the models.

    Args:
        space: The search space.
        models: The models.
    """

    def __init__(self, space: Space, models: Sequence[Model]) -> None:
        self._space = space
        self._models = models
        self._means: list[Mean] = []
        self._data: tuple[Tensor, Tensor] | None = None
        #: (1 + models, M), the weights; "nothing is known" first.
        self.weights = torch.zeros(0)

    def fit(self, p: Tensor, y: Tensor) -> None:
        """Finds the weights for p (T, C, O) and y (T, M); a repeated fit to the same data is free.

        Below two queries the weights are the reliabilities.
        """
        if self._data is not None and all(map(torch.equal, self._data, (p, y))):
            return
        self._data = p, y
        self._means = [model.adapted(p, y) for model in self._models]
        reliability = torch.stack([model.reliability for model in self._models])  # (S, M)
        if len(p) < 2:
            self.weights = _shares(torch.cat([torch.zeros_like(reliability[:1]), reliability]))
            return
        residuals = torch.stack([y, *(y - mean(p) for mean in self._means)], 1)  # (T, 1 + S, M)
        gp = GaussianProcess(self._space)
        # At unit deviation, as every target; the evidence is that of the residuals as they are.
        scale = deviation(residuals)
        gp.fit(p, ((residuals - residuals.mean(0)) / scale).flatten(1))
        evidence = gp.evidence.view(residuals.shape[1:]) - len(p) * scale.log()
        known = (1 - DOUBT) * _shares(reliability)
        prior = torch.cat([1 - known.sum(0, keepdim=True), known])
        self.weights = _shares(prior * torch.exp(evidence - evidence.amax(0)))

    def mean(self, p: Tensor) -> Tensor:
        """The weighted mean of the models, (B, M)."""
        total = torch.zeros(len(p), self.weights.shape[1], dtype=p.dtype)
        for weight, mean in zip(self.weights[1:], self._means, strict=True):
            if weight.max() > 1e-6:
                total = total + weight * mean(p)
        return total


class Informed(Proxy):
    """A proxy of the residual that a prior leaves.

    Args:
        proxy: Learns the residual; not fitted yet. Below two queries it is not used.
        prior: Fitted together with it; several proxies may share one.
    """

    dtype = torch.float64

    def __init__(self, proxy: Proxy, prior: Prior) -> None:
        super().__init__(proxy.space, seed=proxy.seed)
        self.differentiable = proxy.differentiable
        self._proxy = Rescaled(proxy)
        self._prior = prior
        self._fitted = False

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._prior.fit(p, y)
        self._fitted = len(p) >= 2
        if self._fitted:
            residual = y - self._prior.mean(p)
            self._proxy.fit(p.to(self._proxy.dtype), residual.to(self._proxy.dtype))

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        prior = self._prior.mean(p)
        if not self._fitted:
            return prior, torch.ones_like(prior)
        mean, spread = self._proxy.predict(p.to(self._proxy.dtype))
        return prior + mean, spread.to(p.dtype)

    def mean(self, p: Tensor) -> Tensor:
        prior = self._prior.mean(p)
        return prior + self._proxy.mean(p.to(self._proxy.dtype)) if self._fitted else prior

    def posterior(self, p: Tensor) -> Posterior:
        if not self._fitted:
            return super().posterior(p)
        with torch.no_grad():
            residual = self._proxy.posterior(p.to(self._proxy.dtype))
            return _Shifted(residual, self._prior.mean(p))


class _Shifted(Posterior):
    """The posterior of a residual, shifted by the prior mean (B, M)."""

    def __init__(self, residual: Posterior, prior: Tensor) -> None:
        self._residual = residual
        super().__init__(prior + residual.mean, residual.spread)

    def condition_on_mean(self, index: int) -> None:
        self._residual.condition_on_mean(index)
        self.spread = self._residual.spread


class Earlier(Model):
    """An earlier study of the same space: another data set, another device, fewer epochs.

    It is a Gaussian process for each metric that the study has.

    Args:
        space: The search space.
        p: (T, C, O), the study's architectures.
        y: (T, M), the metrics of this search as measured there, greater is better, standardised; a
            column of NaN where the study lacks the metric.
    """

    def __init__(self, space: Space, p: Tensor, y: Tensor) -> None:
        self._known = ~y.isnan().any(0)  # (M,)
        self._outputs: list[int] | None = None  # None: all
        self._gp = GaussianProcess(space)
        left_out = self._gp.left_out(p, y[:, self._known], torch.arange(len(p)) % FOLDS)
        # The rank correlation with cross-validated predictions; zero where that is not useful.
        self.reliability = torch.zeros(len(self._known), dtype=y.dtype)
        for column, m in enumerate(self._known.nonzero()[:, 0].tolist()):
            if left_out[:, column].std() > 0 and y[:, m].std() > 0:
                rank = spearmanr(left_out[:, column], y[:, m]).statistic
                self.reliability[m] = rank if rank >= USEFUL else 0.0

    def only(self, outputs: list[int]) -> Earlier:
        part = copy(self)
        part.reliability = self.reliability[outputs]
        part._outputs = outputs
        return part

    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Its mean, rescaled by regularised least squares towards the unchanged scale."""
        if len(p) < 2:
            return self.mean
        known = self.mean(p)
        offset = known.mean(0)
        centred = known - offset
        scale = ((centred * (y - y.mean(0))).sum(0) + SCALE_BELIEF) / (
            (centred**2).sum(0) + SCALE_BELIEF
        )
        return lambda q: scale * (self.mean(q) - offset)

    def mean(self, p: Tensor) -> Tensor:
        """(B, M), zero for metrics that the study lacks."""
        out = torch.zeros(len(p), len(self._known), dtype=p.dtype)
        out[:, self._known] = self._gp.mean(p)
        return out if self._outputs is None else out[:, self._outputs]


def _shares(weights: Tensor) -> Tensor:
    """Each column divided by its sum; a column of zeros stays."""
    return weights / weights.sum(0, keepdim=True).clamp(min=1e-300)
