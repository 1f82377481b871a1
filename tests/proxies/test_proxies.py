"""The Gaussian process and the targets; what every proxy has to do is in `tests/testing`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners
from optiproxy.proxies.gp import LEARNT_FROM, GaussianProcess, _Likelihood
from optiproxy.proxies.kernel import VIEWS, Mixture
from optiproxy.search.transforms import fill, sharpen, standardise
from optiproxy.spaces import Chain, Space
from optiproxy.testing.proxies import CELL, data

# Between them the kernels of both have all views.
WIDTHS = [16, 24, 32, 48, 64]
STAGES = Chain({"op": ["conv", "pool"], "width1": WIDTHS, "depth": [1, 2, 3], "width2": WIDTHS})
both = pytest.mark.parametrize("space", [CELL, STAGES], ids=["cell", "stages"])


def test_the_spaces_here_have_every_view() -> None:
    named = [{view.name for view in Mixture(space).views} for space in (CELL, STAGES)]
    assert named[0] | named[1] == set(VIEWS)
    assert named[0] != named[1]


@both
def test_gp_gradient_of_the_likelihood(space: Space) -> None:
    """RW 2006 eq. 5.9 against central differences."""
    p, y = data(space, 25, GaussianProcess(space))
    loss = _Likelihood(kernel := Mixture(space), *kernel.compared(p), y[:, 0].numpy())
    theta = loss._mean + 0.3 * np.random.default_rng(1).normal(size=len(loss._mean))
    numeric = [
        (loss(theta + 1e-5 * e)[0] - loss(theta - 1e-5 * e)[0]) / 2e-5 for e in np.eye(len(theta))
    ]
    assert np.allclose(loss(theta)[1], numeric, atol=1e-6)


def inside(space: Space, n: int, generator: torch.Generator) -> torch.Tensor:
    """Choice probabilities (n, C, O), none of them zero or one."""
    mask = torch.from_numpy(space.mask)
    logits = torch.rand(n, *mask.shape, generator=generator, dtype=torch.float64)
    return logits.masked_fill(~mask, -torch.inf).softmax(-1)


@both
def test_gp_kernel_is_positive_definite_inside_the_simplex(space: Space) -> None:
    kernel = Mixture(space)
    p = inside(space, 60, torch.Generator().manual_seed(0))
    scales = [torch.full((1, view.size), 0.5, dtype=torch.float64) for view in kernel.views]
    features = kernel.features(p)
    ones = [torch.ones(1, n, dtype=torch.float64) for n in (len(space), len(kernel.views))]
    k = kernel.cross(*ones, scales, features, kernel.known(features))[0]
    assert float(torch.linalg.eigvalsh(k).min()) > -1e-10
    assert torch.allclose(k.diagonal(), kernel.diagonal(*ones, scales, features)[0])


@both
def test_gp_gradients_of_the_kernel_are_those_of_differences(space: Space) -> None:
    kernel = Mixture(space)
    generator = torch.Generator().manual_seed(0)
    a, b = inside(space, 6, generator).chunk(2)
    sizes = [len(space), len(kernel.views), *(view.size for view in kernel.views)]
    weights, amplitudes, *scales = (
        torch.rand(2, n, generator=generator, dtype=torch.float64) for n in sizes
    )
    known = kernel.known(kernel.features(b))

    def k(p: torch.Tensor) -> torch.Tensor:
        return kernel.cross(weights, amplitudes, scales, kernel.features(p), known)

    assert torch.autograd.gradcheck(k, a.requires_grad_())


@both
def test_gp_fit_and_prediction_use_one_kernel(space: Space) -> None:
    """The views of all pairs that the fit works on give the kernel that predicts."""
    kernel = Mixture(space)
    some = space.all_indices[:: max(1, space.count // 16)]
    p = corners(space, torch.from_numpy(some), torch.float64)
    views, agreements = kernel.compared(p)
    rng = np.random.default_rng(0)
    scales = [rng.uniform(0.1, 1.0, view.size) for view in kernel.views]
    weights, amplitudes = rng.uniform(size=len(space)), rng.uniform(size=len(kernel.views))
    fitted = weights @ agreements
    for amplitude, scale, view in zip(amplitudes, scales, views, strict=True):
        fitted = fitted + amplitude * view(scale)[0]
    features = kernel.features(p)
    predicted = kernel.cross(
        torch.from_numpy(weights)[None],
        torch.from_numpy(amplitudes)[None],
        [torch.from_numpy(scale)[None] for scale in scales],
        features,
        kernel.known(features),
    )[0]
    assert np.allclose(fitted, predicted[np.tril_indices(len(p))])


def test_gp_of_several_metrics_is_one_of_each() -> None:
    together, alone = GaussianProcess(CELL), GaussianProcess(CELL)
    p, y = data(CELL, 40, together)
    assert y.shape[1] > 1
    together.fit(p[:30], y[:30])
    mean, spread = together.predict(p[30:])
    left_out = GaussianProcess(CELL).left_out(p, y, torch.arange(40) % 5)
    for m in range(y.shape[1]):
        alone.fit(p[:30], y[:30, m, None])
        assert torch.allclose(mean[:, m, None], alone.predict(p[30:])[0], atol=1e-10)
        assert torch.allclose(mean[:, m, None], alone.mean(p[30:]), atol=1e-10)
        assert torch.allclose(spread[:, m, None], alone.predict(p[30:])[1], atol=1e-10)
        one = GaussianProcess(CELL).left_out(p, y[:, m, None], torch.arange(40) % 5)
        assert torch.allclose(left_out[:, m, None], one, atol=1e-10)


def test_gp_of_many_queries_learns_from_some_and_knows_all() -> None:
    whole, some = GaussianProcess(CELL), GaussianProcess(CELL)
    p, y = data(CELL, 300, whole)
    whole.fit(p, y)
    spaced = np.linspace(0, 299, LEARNT_FROM).round().astype(int)
    some.fit(p[spaced], y[spaced])
    assert torch.equal(whole.evidence, some.evidence)
    assert whole._fitted.alpha.shape == (y.shape[1], 300)
    # At architectures of its data it is more certain than a model without them.
    others = np.setdiff1d(np.arange(300), spaced)

    def raw(gp: GaussianProcess) -> torch.Tensor:
        return gp.predict(p[others])[1] / gp._fitted.calibration.sqrt()

    assert bool((raw(whole)[:, 0] < raw(some)[:, 0]).all())
    assert bool((raw(whole) <= raw(some)).all())


@both
def test_gp_conditioning_equals_a_refit_posterior(space: Space) -> None:
    """Conditioning on a candidate by rank one gives what the posterior with that point gives."""
    proxy = GaussianProcess(space)
    p, y = data(space, 40, proxy)
    proxy.fit(p[:30], y[:30])
    posterior = proxy.posterior(p[30:])
    mean, spread = proxy.predict(p[30:])
    assert torch.allclose(posterior.mean, mean)
    assert torch.allclose(posterior.spread, spread)
    posterior.condition_on_mean(3)
    posterior.condition_on_mean(5)
    post, kernel = proxy._fitted, proxy._kernel

    def k(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        known = kernel.known(kernel.features(b))
        return kernel.cross(*post.parameters, kernel.features(a), known)

    known = torch.cat([p[:30], p[33:34], p[35:36]])
    full = k(known, known) + post.noise[:, None, None] * torch.eye(32)
    cross = k(known, p[30:])
    gain = (cross * torch.linalg.solve(full, cross)).sum(1)
    variance = k(p[30:], p[30:]).diagonal(dim1=1, dim2=2) - gain
    variance = variance * post.calibration[:, None]
    assert torch.allclose(posterior.spread.T**2, variance.clamp(min=1e-6), atol=1e-8)


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
