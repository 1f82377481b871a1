"""The Gaussian process and the targets; what every proxy has to do is in `tests/testing`."""

from __future__ import annotations

import numpy as np
import torch

from optiproxy.encodings import corners
from optiproxy.proxies._kernel import VIEWS, Kernel
from optiproxy.proxies.gcn import GCNEnsemble
from optiproxy.proxies.gp import LEARNT_FROM, GaussianProcess, _Likelihood
from optiproxy.search._targets import fill, sharpen, standardise
from optiproxy.search._threads import single_threaded
from optiproxy.testing.proxies import CELL, data


def test_another_seed_is_another_ensemble() -> None:
    with single_threaded():
        first, other = (GCNEnsemble(CELL, seed=seed) for seed in (1, 2))
        p, y = data(CELL, 20, first)
        for proxy in (first, other):
            proxy.fit(p, y)
    assert not torch.equal(first.predict(p)[0], other.predict(p)[0])


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
    assert np.allclose(fitted, predicted[np.tril_indices(len(p))])


def test_gp_of_many_queries_learns_from_some_and_knows_all() -> None:
    whole, some = GaussianProcess(CELL), GaussianProcess(CELL)
    p, y = data(CELL, 300, whole)
    whole.fit(p, y)
    spaced = np.linspace(0, 299, LEARNT_FROM).round().astype(int)
    some.fit(p[spaced], y[spaced])
    assert torch.equal(whole.evidence, some.evidence)
    assert len(whole._posteriors[0].alpha) == 300
    # Where it was told a value it is surer than a model that was not.
    untold = np.setdiff1d(np.arange(300), spaced)
    assert bool((whole.predict(p[untold])[1] < some.predict(p[untold])[1]).all())


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
