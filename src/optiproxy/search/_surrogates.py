"""The models of one round: a proxy of all outputs, with everything that is known beforehand.

A proxy may stand on a prior (earlier studies, scores), on a model of low-fidelity evaluations, or
on both, and may be split into parts where not every query measured every output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from optiproxy.proxies.base import Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.kernel import Mixture
from optiproxy.proxies.mlp import MLPEnsemble
from optiproxy.proxies.prior import Informed, Model, Prior
from optiproxy.proxies.two_fidelities import TwoFidelities
from optiproxy.search._batch import filled
from optiproxy.search._exact import Exact
from optiproxy.search._network import network_places
from optiproxy.search._outputs import Outputs, groups_of
from optiproxy.search._training_targets import Targets
from optiproxy.spaces import Space

# The global model compares architectures by coarse features alone: how often options are chosen, in
# all and along paths, and the levels of ordered ones.
GLOBAL_VIEWS = ("trends", "counts", "routes")


@dataclass
class Surrogates:
    """Makes and fits the models of one round; those of one round share priors.

    Attributes:
        space: The search space.
        exact: The exact metrics, which are computed instead of predicted.
        proxy: What the proxies are made of.
        seed: Of the proxies.
        models: What was known before the search, for all outputs.
        low: Low-fidelity evaluations: p (L, C, O) and targets (L, M); None where there are none.
    """

    space: Space
    exact: Exact
    proxy: type[Proxy]
    seed: int
    models: Sequence[Model] = ()
    low: tuple[Tensor, Tensor] | None = None
    _priors: dict[tuple[int, ...], Prior] = field(default_factory=dict)
    _low_models: dict[tuple[int, ...], Proxy | None] = field(default_factory=dict)

    def fitted(self, p: Tensor, targets: Targets) -> Proxy:
        """The proxy of all outputs, fitted to architectures p (T, C, O)."""
        dtype = torch.float64 if self.models else self.proxy.dtype
        return self._fitted(lambda outputs: self._make(self.proxy, outputs), dtype, p, targets)

    def fitted_network(
        self, p: Tensor, targets: Targets, batch: range
    ) -> tuple[Proxy, tuple[int, ...]] | None:
        """The network of ``proxy="auto"`` and its places; None if it fills none of a batch.

        It predicts the first objective, and the outputs that the same queries measured. It learns
        what priors and low-fidelity evaluations leave unexplained, as the proxy does.
        """
        groups = groups_of(targets.y, targets.columns(self.exact.metrics))
        outputs = next((outputs for outputs in groups if 0 in outputs), None)
        if outputs is None:  # an exact objective is computed, not predicted
            return None
        known = torch.isfinite(targets.y[:, 0])
        p, y = p[known], targets.y[known][:, outputs]
        places = network_places(self.space, p, y)
        if not filled(batch, places):
            return None
        network = self._make(MLPEnsemble, outputs)
        network.fit(p.to(network.dtype), y.to(network.dtype))
        return network, places

    def fitted_global(self, p: Tensor, targets: Targets) -> Proxy:
        """A deliberately coarse Gaussian process, which sees the slope of the whole space."""

        def make(outputs: list[int]) -> Proxy:
            return GaussianProcess(self.space, kernel=Mixture(self.space, GLOBAL_VIEWS))

        return self._fitted(make, GaussianProcess.dtype, p, targets)

    def _fitted(
        self, make: Callable[[list[int]], Proxy], dtype: torch.dtype, p: Tensor, targets: Targets
    ) -> Proxy:
        """A model of all outputs; in parts where some are exact or missing."""
        if self.exact.metrics or targets.y.isnan().any():
            columns = targets.columns(self.exact.metrics)
            model: Proxy = Outputs(self.space, make, self.exact, columns, dtype)
        else:
            model = make(list(range(targets.y.shape[1])))
        model.fit(p.to(model.dtype), targets.y.to(model.dtype))
        return model

    def _make(self, proxy: type[Proxy], outputs: list[int]) -> Proxy:
        """A fresh model of some outputs, on the prior and on the low-fidelity model."""
        model = self._informed(proxy, outputs, self._prior(outputs))
        low = self._low_model(outputs)
        return model if low is None else TwoFidelities(low, model)

    def _informed(self, proxy: type[Proxy], outputs: list[int], prior: Prior | None) -> Proxy:
        model = proxy(self.space, seed=self.seed)
        return model if prior is None else Informed(model, prior)

    def _prior(self, outputs: list[int]) -> Prior | None:
        key = tuple(outputs)
        if self.models and key not in self._priors:
            self._priors[key] = Prior(self.space, [model.only(outputs) for model in self.models])
        return self._priors.get(key)

    def _low_model(self, outputs: list[int]) -> Proxy | None:
        """The proxy of the low-fidelity evaluations, fitted; None below two of them."""
        key = tuple(outputs)
        if self.low is not None and key not in self._low_models:
            p, y = self.low
            known = ~y[:, outputs].isnan().any(1)
            self._low_models[key] = None
            if known.sum() >= 2:
                prior = Prior(self.space, [m.only(outputs) for m in self.models])
                low = self._informed(self.proxy, outputs, prior if self.models else None)
                low.fit(p[known].to(low.dtype), y[known][:, outputs].to(low.dtype))
                self._low_models[key] = low
        return self._low_models.get(key)
