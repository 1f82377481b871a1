"""What earlier studies of the same space know, as the prior of any proxy.

An earlier study (another data set, another device, fewer epochs) is summed up by a Gaussian process
fitted to it. Its mean becomes the prior mean of this search, and the proxy learns what that leaves
unexplained: Feurer et al., https://arxiv.org/abs/1802.02219, weigh such models by how well each one
ranks what is measured now; here they are weighed by the evidence, with no prior as one of them, so
that a study that misleads loses its weight within a few queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from scipy.stats import spearmanr
from torch import Tensor

from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.spaces import Space

# The rank correlation of a study's own architectures with what the others of it say of them, below
# which it has nothing to teach. With 100 shuffled values it stayed below 0.3, twelve times of
# twelve.
USEFUL = 0.4
FOLDS = 10
# How sure we are that what holds there holds here, before anything is measured: the share of "no
# prior" among the models, and the number of queries' worth of belief in an unchanged scale.
DOUBT = 0.1
SCALE_BELIEF = 4.0


class Earlier:
    """One earlier study: a Gaussian process for each metric that it has.

    Args:
        space: The search space.
        p: (T, C, O), its architectures.
        y: (T, M), the metrics of this search as they were there, greater is better, standardised;
            a column of NaN where the study has not got the metric.
    """

    def __init__(self, space: Space, p: Tensor, y: Tensor) -> None:
        self._known = ~y.isnan().any(0)  # (M,)
        self._outputs: list[int] | None = None  # all
        self._gp = GaussianProcess(space)
        self._gp.fit(p, y[:, self._known])
        folds = torch.arange(len(p)) % FOLDS
        left_out = self._gp.left_out(folds)
        #: (M,), rank correlation with its own left-out predictions, zero where it is not useful.
        self.reliability = torch.zeros(len(self._known), dtype=y.dtype)
        for column, m in enumerate(self._known.nonzero()[:, 0].tolist()):
            rank = spearmanr(left_out[:, column], y[:, m]).statistic
            self.reliability[m] = rank if rank >= USEFUL else 0.0

    def only(self, outputs: list[int]) -> Earlier:
        """The same study for some of the metrics, by their numbers."""
        part = copy(self)
        part.reliability = self.reliability[outputs]
        part._outputs = outputs
        return part

    def mean(self, p: Tensor) -> Tensor:
        """(B, M), zero where it knows nothing."""
        out = torch.zeros(len(p), len(self._known), dtype=p.dtype)
        out[:, self._known] = self._gp.mean(p)
        return out if self._outputs is None else out[:, self._outputs]


class Informed(Proxy):
    """A proxy of what the earlier studies leave unexplained.

    1. Every model, "no prior" and one for each earlier study, predicts the metrics; a study's scale
       is corrected by least squares with a belief in an unchanged one.
    2. What each leaves is explained by a Gaussian process; its evidence, times the study's
       reliability, is the model's weight, for each metric on its own.
    3. The proxy is fitted to what the weighted mean of the models leaves.

    Args:
        proxy: What learns the rest; its `fit` is called here. Before two queries it is not used.
        earlier: The earlier studies.
    """

    def __init__(self, proxy: Proxy, earlier: Sequence[Earlier]) -> None:
        super().__init__(proxy.space, seed=proxy.seed)
        self.dtype = torch.float64
        self._proxy = proxy
        self._earlier = earlier
        self._fitted = False
        #: (1 + studies, M), how much each model counts; "no prior" first.
        self.weights = torch.zeros(0)
        self._scales = torch.zeros(0)
        self._offsets = torch.zeros(0)

    def fit(self, p: Tensor, y: Tensor) -> None:
        known = torch.stack([study.mean(p) for study in self._earlier])  # (S, T, M)
        reliability = torch.stack([study.reliability for study in self._earlier])  # (S, M)
        self._fitted = len(p) >= 2
        if not self._fitted:
            self.weights = _normalised(torch.cat([torch.zeros_like(reliability[:1]), reliability]))
            self._scales = torch.ones_like(reliability)
            self._offsets = torch.zeros_like(reliability)
            return
        self._offsets = known.mean(1)
        centred = known - self._offsets[:, None]
        middle = y - y.mean(0)
        self._scales = ((centred * middle).sum(1) + SCALE_BELIEF) / (
            (centred**2).sum(1) + SCALE_BELIEF
        )
        models = torch.cat([torch.zeros_like(known[:1]), self._scales[:, None] * centred])
        gp = GaussianProcess(self.space)
        gp.fit(p, (y - models).permute(1, 0, 2).flatten(1))
        evidence = gp.evidence.view(len(models), -1)
        total = reliability.sum(0, keepdim=True).clamp(min=1e-12)
        prior = torch.cat([torch.full_like(total, DOUBT), (1 - DOUBT) * reliability / total])
        self.weights = _normalised(prior * torch.exp(evidence - evidence.amax(0)))
        rest = y - self._prior(p)
        self._proxy.fit(p.to(self._proxy.dtype), rest.to(self._proxy.dtype))

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
        weights = self.weights[1:] * self._scales
        total = -(weights * self._offsets).sum(0).expand(len(p), -1)
        for weight, study in zip(weights, self._earlier, strict=True):
            if weight.abs().max() > 1e-6:
                total = total + weight * study.mean(p)
        return total


class _Shifted(Beliefs):
    """Beliefs of the rest, moved by the prior mean (B, M)."""

    def __init__(self, rest: Beliefs, prior: Tensor) -> None:
        self._rest = rest
        super().__init__(prior + rest.mean, rest.spread)

    def believe(self, index: int) -> None:
        self._rest.believe(index)
        self.spread = self._rest.spread


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(0, keepdim=True).clamp(min=1e-300)
