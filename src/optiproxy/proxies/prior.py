"""What is known before the first query of a search, as the prior mean of any proxy.

Models that exist before the search (earlier studies of the same space, training-free scores) give
the prior mean; the proxy learns the residual. Feurer et al., https://arxiv.org/abs/1802.02219,
weight such models by how well they rank the new results. Here the weights are evidences, with
"nothing is known" as one of the models, so that a misleading one loses its weight in a few queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.errors import InvalidValueError, invalid
from optiproxy.metrics import Function
from optiproxy.proxies.base import Posterior, Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.rescaled import Rescaled, deviation
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices

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
# Random architectures that give each score its scale, and train the model that stands for the
# scores at relaxed architectures, where they can't be computed.
SAMPLE, SEED = 200, 0x5C02E
RIDGE = 1.0
# Standardised scores beyond this are clipped: how far out an outlier lies means little.
LARGEST = 5.0


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


class Scores(Model):
    """Training-free scores of architectures; each metric is modelled as linear in them.

    Abdelfattah et al., Zero-cost proxies for lightweight NAS, https://arxiv.org/abs/2101.08134.

    Args:
        space: The search space.
        metrics: M, the number of metrics.
        features: Name → function of an architecture. It is called once for every candidate,
            thousands in a search.

    Raises:
        InvalidValueError: A score can't be computed, or is the same for all architectures.
    """

    def __init__(self, space: Space, metrics: int, features: Mapping[str, Function]) -> None:
        if not isinstance(features, Mapping) or not all(callable(f) for f in features.values()):
            raise invalid("features", features, "give name → function of one architecture")
        self.reliability = torch.ones(metrics, dtype=torch.float64)
        self._space = space
        self._features = dict(features)
        self._cache: dict[bytes, NDArray[np.float64]] = {}
        rows = np.unique(space.random_indices(SAMPLE, np.random.default_rng(SEED)), axis=0)
        raw = self._raw(rows)
        finite = np.isfinite(raw)
        for name, column, known in zip(self._features, raw.T, finite.T, strict=True):
            values = column[known]
            if not known.any() or np.ptp(values) <= 1e-12 * np.abs(values).max():
                raise invalid(
                    f"features: {name}", sorted(set(column.tolist()))[:3],
                    f"it is the same for {len(rows)} random architectures; leave it out",
                )  # fmt: skip
        masked = np.where(finite, raw, np.nan)
        self._mean, self._spread = np.nanmean(masked, 0), np.nanstd(masked, 0)
        self._relaxed = GaussianProcess(space)
        p = corners(space, torch.from_numpy(rows), torch.float64)
        self._relaxed.fit(p, self._standardised(raw))

    def only(self, outputs: list[int]) -> Scores:
        part = copy(self)  # both share the cache
        part.reliability = self.reliability[outputs]
        return part

    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Ridge regression on the scores; below two queries their direction is unknown: zero."""
        if len(p) < 2:
            return lambda q: torch.zeros(len(q), y.shape[1], dtype=q.dtype)
        z = self.values(p)
        offset = z.mean(0)
        centred = z - offset
        gram = centred.T @ centred + RIDGE * torch.eye(z.shape[1], dtype=z.dtype)
        slopes = torch.linalg.solve(gram, centred.T @ (y - y.mean(0)))  # (F, M)
        return lambda q: (self.values(q) - offset) @ slopes

    def of(self, rows: Indices) -> NDArray[np.float64]:
        """The scores of architectures (B, C), (B, F): standardised, outliers drawn in; no NaN."""
        z = (self._raw(rows) - self._mean) / self._spread
        return np.asarray(np.arcsinh(np.nan_to_num(z, nan=-LARGEST)))

    def values(self, p: Tensor) -> Tensor:
        """The scores of p (B, C, O), (B, F): exact at corners, predicted between them."""
        if len(p) and bool((p.amax(-1) == 1).all()):
            return self._standardised(self._raw(p.argmax(-1).numpy()))
        return self._relaxed.mean(p)

    def _standardised(self, raw: NDArray[np.float64]) -> Tensor:
        z = (raw - self._mean) / self._spread
        return torch.from_numpy(np.nan_to_num(z, nan=-LARGEST).clip(-LARGEST, LARGEST))

    def _raw(self, rows: Indices) -> NDArray[np.float64]:
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        keys = [row.tobytes() for row in rows]
        missing = [i for i, key in enumerate(keys) if key not in self._cache]
        for i, arch in zip(missing, self._space.from_indices(rows[missing]), strict=True):
            self._cache[keys[i]] = np.array(
                [self._score(name, arch) for name in self._features], dtype=np.float64
            )
        return np.stack([self._cache[key] for key in keys]).reshape(len(rows), len(self._features))

    def _score(self, name: str, arch: Architecture) -> float:
        try:
            return float(self._features[name](arch))
        except Exception as error:
            raise InvalidValueError(
                f"features: {name}: it raised {type(error).__name__} ({error}) for "
                f"{self._space.to_text(arch)}; it has to be known for every architecture"
            ) from error


def _shares(weights: Tensor) -> Tensor:
    """Each column divided by its sum; a column of zeros stays."""
    return weights / weights.sum(0, keepdim=True).clamp(min=1e-300)
