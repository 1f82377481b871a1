"""Conformance cases of proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.proxies.base import Proxy
from optiproxy.search.threads import single_threaded
from optiproxy.spaces import NB201_OPERATIONS, Cell, Chain, Space

CELL = Cell(nodes=4, operations=NB201_OPERATIONS)
CHAIN = Chain({"depth": [1, 2, 3], "width": [16, 32, 64], "kernel": [3, 5], "skip": [True, False]})

Make = Callable[..., Proxy]


def data(space: Space, n: int, proxy: Proxy, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Architectures (n, C, O), a metric with additive and pairwise parts, and a second; (n, 2)."""
    rows = space.random_indices(n, np.random.default_rng(seed))
    values = np.random.default_rng(99).normal(size=(len(space), int(space.widths.max())))
    single = values[np.arange(len(space)), rows]
    y = np.stack([single.sum(1) + single[:, 0] * single[:, -1], -single[:, 1]], 1)
    y = (y - y.mean(0)) / y.std(0)
    return corners(space, torch.from_numpy(rows), proxy.dtype), torch.from_numpy(y).to(proxy.dtype)


def correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's, for values without ties."""
    ranks = torch.stack([a, b]).argsort(1).argsort(1).double()
    return float(torch.corrcoef(ranks)[0, 1])


def gradient(output: Tensor, p: Tensor) -> Tensor:
    """Of the sum of `output`, (B, C, O); zeros where it does not depend on p (B, C, O)."""
    if not output.requires_grad:
        return torch.zeros_like(p)
    (found,) = torch.autograd.grad(output.sum(), p, retain_graph=True, materialize_grads=True)
    return found


class ProxyCases:
    """The protocol of `optiproxy.proxies.base.Proxy`. The fixture `make` gives its class.

    Attributes:
        ranks: What the mean rank correlation with unseen architectures has to exceed, for a metric
            with additive and pairwise parts, after 60 architectures.
    """

    ranks = 0.3

    @pytest.fixture(autouse=True)
    def _one_thread(self) -> Iterator[None]:
        """As in a search: on matrices this small, further threads only wait for each other."""
        with single_threaded():
            yield

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError("define the fixture `make`")

    @pytest.mark.parametrize("space", [CELL, CHAIN], ids=repr)
    def test_ranks_what_it_has_not_seen(self, make: Make, space: Space) -> None:
        found = []
        for seed in range(3):
            proxy = make(space)
            p, y = data(space, 80, proxy, seed)
            proxy.fit(p[:60], y[:60])
            mean, spread = proxy.predict(p[60:])
            assert mean.shape == spread.shape == (20, 2)
            assert bool((spread > 0).all())
            found.append(correlation(mean[:, 0].detach(), y[60:, 0]))
        assert np.mean(found) > self.ranks

    def test_every_output_is_its_own(self, make: Make) -> None:
        """The second metric falls with a choice that the first has little of."""
        proxy = make(CHAIN)
        p, y = data(CHAIN, 80, proxy)
        proxy.fit(p[:60], y[:60])
        with torch.no_grad():
            mean = proxy.mean(p[60:])
        assert correlation(mean[:, 1], y[60:, 1]) > correlation(mean[:, 0], y[60:, 1])

    def test_same_seed_same_fit(self, make: Make) -> None:
        first, again = make(CELL, seed=1), make(CELL, seed=1)
        p, y = data(CELL, 20, first)
        for proxy in (first, again):
            proxy.fit(p, y)
        assert torch.equal(first.predict(p)[0], again.predict(p)[0])

    def test_gradients_reach_the_choices(self, make: Make) -> None:
        proxy = make(CELL)
        if not proxy.differentiable:
            pytest.skip("the proxy says that it is not differentiable")
        p, y = data(CELL, 30, proxy)
        proxy.fit(p, y)
        inside = (0.8 * p[:4] + 0.2 / 5).requires_grad_()
        mean, spread = (gradient(output, inside) for output in proxy.predict(inside))
        assert bool(torch.isfinite(mean).all())
        assert float(mean.abs().max()) > 0, (
            "the mean must be a differentiable function of p, or the class must say "
            "`differentiable = False`"
        )
        assert bool(torch.isfinite(spread).all())  # zero for a constant spread

    def test_a_batch_is_its_rows_and_its_mean(self, make: Make) -> None:
        proxy = make(CHAIN)
        p, y = data(CHAIN, 20, proxy)
        proxy.fit(p, y)
        whole = proxy.predict(p)[0]
        rows = torch.cat([proxy.predict(p[i : i + 1])[0] for i in range(len(p))])
        assert torch.allclose(whole, rows, atol=1e-5)
        assert torch.allclose(proxy.mean(p), whole, atol=1e-5)

    def test_constant_and_few_targets(self, make: Make) -> None:
        proxy = make(CELL)
        p, y = data(CELL, 2, proxy)
        proxy.fit(p, torch.zeros_like(y))
        mean, spread = proxy.predict(p)
        assert bool(torch.isfinite(mean).all())
        assert bool(torch.isfinite(spread).all())

    def test_the_posterior_is_the_prediction_until_it_is_conditioned(self, make: Make) -> None:
        proxy = make(CELL)
        p, y = data(CELL, 30, proxy)
        proxy.fit(p[:20], y[:20])
        posterior = proxy.posterior(p[20:])
        mean, spread = proxy.predict(p[20:])
        assert torch.allclose(posterior.mean, mean, atol=1e-5)
        assert torch.allclose(posterior.spread, spread, atol=1e-5)
        posterior.condition_on_mean(3)
        # No candidate becomes less certain.
        assert bool((posterior.spread <= spread + 1e-5).all())
        assert torch.allclose(posterior.mean, mean, atol=1e-5)
