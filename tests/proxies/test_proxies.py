"""Every registered proxy: learns, is differentiable, repeats itself, takes several metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from optiproxy.encodings import corners
from optiproxy.proxies import PROXIES
from optiproxy.proxies._kernel import VIEWS, Kernel
from optiproxy.proxies.base import Proxy
from optiproxy.proxies.gp import GaussianProcess, _Likelihood
from optiproxy.search._targets import fill, sharpen, standardise
from optiproxy.spaces import NB201_OPERATIONS, Cell, Chain, Space

CELL = Cell(nodes=4, operations=NB201_OPERATIONS)
CHAIN = Chain({"depth": [1, 2, 3], "width": [16, 32, 64], "kernel": [3, 5], "skip": [True, False]})


def data(space: Space, n: int, proxy: Proxy, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Architectures with a score that has additive and pairwise parts, and a second metric."""
    rows = space.random_indices(n, np.random.default_rng(seed))
    values = np.random.default_rng(99).normal(size=(len(space), int(space.sizes.max())))
    single = values[np.arange(len(space)), rows]
    y = single.sum(1) + single[:, 0] * single[:, -1]
    columns = np.stack([standardise(y), standardise(-single[:, 1])], 1)
    return corners(space, torch.from_numpy(rows), proxy.dtype), torch.from_numpy(columns).to(
        proxy.dtype
    )


@pytest.fixture(params=PROXIES.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("space", [CELL, CHAIN], ids=repr)
def test_ranks_what_it_has_not_seen(name: str, space: Space) -> None:
    correlations = []
    for seed in range(5):
        proxy: Proxy = PROXIES.get(name)(space)
        p, y = data(space, 80, proxy, seed)
        proxy.fit(p[:60], y[:60])
        mean, spread = proxy.predict(p[60:])
        assert mean.shape == spread.shape == (20, 2)
        assert bool((spread > 0).all())
        correlations.append(spearmanr(mean[:, 0].detach(), y[60:, 0]).statistic)
    # Measured over ten seeds, cell and chain: gp 0.94 and 1.00, gcn 0.50 and 0.99. A random value
    # for each option at each edge is unkind to a network that pools over the vertices.
    assert np.mean(correlations) > 0.3


def test_same_seed_same_fit(name: str) -> None:
    proxies = [PROXIES.get(name)(CELL, seed=s) for s in (1, 1, 2)]
    p, y = data(CELL, 20, proxies[0])
    for proxy in proxies:
        proxy.fit(p, y)
    means = [proxy.predict(p)[0] for proxy in proxies]
    assert torch.equal(means[0], means[1])
    if name == "gcn":  # the Gaussian process has no randomness
        assert not torch.equal(means[0], means[2])


def test_gradients_reach_the_choices(name: str) -> None:
    proxy: Proxy = PROXIES.get(name)(CELL)
    p, y = data(CELL, 30, proxy)
    proxy.fit(p, y)
    inside = (0.8 * p[:4] + 0.2 / 5).requires_grad_()
    mean, spread = proxy.predict(inside)
    for output in (mean, spread):
        (gradient,) = torch.autograd.grad(output.sum(), inside, retain_graph=True)
        assert bool(torch.isfinite(gradient).all())
        assert float(gradient.abs().max()) > 0


def test_a_batch_is_its_rows(name: str) -> None:
    proxy: Proxy = PROXIES.get(name)(CHAIN)
    p, y = data(CHAIN, 20, proxy)
    proxy.fit(p, y)
    whole = proxy.predict(p)[0]
    rows = torch.cat([proxy.predict(p[i : i + 1])[0] for i in range(len(p))])
    assert torch.allclose(whole, rows, atol=1e-5)


def test_constant_and_few_targets(name: str) -> None:
    proxy: Proxy = PROXIES.get(name)(CELL)
    p, y = data(CELL, 2, proxy)
    proxy.fit(p, torch.zeros_like(y))
    mean, _ = proxy.predict(p)
    assert bool(torch.isfinite(mean).all())


def test_gp_gradient_of_the_likelihood() -> None:
    """RW 2006 eq. 5.9 against central differences."""
    p, y = data(CELL, 25, GaussianProcess(CELL))
    loss = _Likelihood(kernel := Kernel(CELL), *kernel.distances(p), y[:, 0].numpy())
    theta = loss._mean + 0.3 * np.random.default_rng(1).normal(size=len(loss._mean))
    numeric = [
        (loss(theta + 1e-5 * e)[0] - loss(theta - 1e-5 * e)[0]) / 2e-5 for e in np.eye(len(theta))
    ]
    assert np.allclose(loss(theta)[1], numeric, atol=1e-6)


def test_gp_kernel_is_positive_definite_inside_the_simplex() -> None:
    kernel = Kernel(CELL)
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(60, 6, 5, generator=generator, dtype=torch.float64).softmax(-1)
    assert [view.name for view in kernel.views] == list(VIEWS)
    scales = [torch.full((view.size,), 0.5, dtype=torch.float64) for view in kernel.views]
    features = kernel.features(p)
    ones = torch.ones(6, dtype=torch.float64), torch.ones(len(VIEWS), dtype=torch.float64)
    k = kernel.cross(*ones, scales, features, features)
    assert float(torch.linalg.eigvalsh(k).min()) > -1e-10
    assert torch.allclose(k.diagonal(), kernel.diagonal(*ones, scales, features))


def test_gp_fit_and_prediction_use_one_kernel() -> None:
    """The stacks of distances that the fit works on give the kernel that predicts."""
    kernel = Kernel(CELL)
    p = corners(CELL, torch.from_numpy(CELL.all_indices[::997]), torch.float64)
    n = len(p)
    distances, agreements = kernel.distances(p)
    rng = np.random.default_rng(0)
    scales = [rng.uniform(0.1, 1.0, view.size) for view in kernel.views]
    weights, amplitudes = rng.uniform(size=6), rng.uniform(size=len(kernel.views))
    fitted = weights @ agreements
    for amplitude, scale, d in zip(amplitudes, scales, distances, strict=True):
        fitted = fitted + amplitude * np.exp(-np.tensordot(scale, d, 1)).mean(1)
    features = kernel.features(p)
    predicted = kernel.cross(
        torch.from_numpy(weights),
        torch.from_numpy(amplitudes),
        [torch.from_numpy(scale) for scale in scales],
        features,
        features,
    )
    assert np.allclose(fitted.reshape(n, n), predicted)


def test_gp_beliefs_equal_a_refit_posterior() -> None:
    """Conditioning on a candidate by rank one gives what the posterior with that point gives."""
    proxy = GaussianProcess(CELL)
    p, y = data(CELL, 40, proxy)
    proxy.fit(p[:30], y[:30])
    beliefs = proxy.beliefs(p[30:])
    mean, spread = proxy.predict(p[30:])
    assert torch.allclose(beliefs.mean, mean)
    assert torch.allclose(beliefs.spread, spread)
    beliefs.believe(3)
    beliefs.believe(5)
    for m, post in enumerate(proxy._posteriors):

        def k(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            f = proxy._kernel.features
            return proxy._kernel.cross(*post.parameters, f(a), f(b))  # noqa: B023

        known = torch.cat([p[:30], p[33:34], p[35:36]])
        full = k(known, known) + post.noise * torch.eye(32)
        cross = k(known, p[30:])
        variance = k(p[30:], p[30:]).diagonal() - (cross * torch.linalg.solve(full, cross)).sum(0)
        assert torch.allclose(beliefs.spread[:, m] ** 2, variance.clamp(min=1e-6), atol=1e-8)


def test_gp_interpolates_where_there_is_no_noise() -> None:
    proxy = GaussianProcess(CELL)
    p, y = data(CELL, 50, proxy)
    proxy.fit(p, y)
    mean, _ = proxy.predict(p)
    assert float((mean - y).abs().max()) < 0.5


def test_targets_use_the_queries_alone() -> None:
    y = np.array([1.0, 5.0, np.nan, 4.9, -np.inf])
    assert fill(y).tolist() == [1.0, 5.0, 1.0, 4.9, 1.0]
    sharp = sharpen(np.array([10.0, 90.0, 90.5, 90.6]))
    assert np.all(np.diff(sharp) > 0)
    assert abs(sharp.mean()) < 1e-12
    assert standardise(np.full(3, 7.0)).tolist() == [0, 0, 0]
    assert np.isfinite(sharpen(np.full(4, 3.0))).all()
