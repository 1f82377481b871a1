"""Spreads at the scale of the residuals, and calibrated by leave-one-out errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners
from optiproxy.proxies.gp import CALIBRATED, GaussianProcess
from optiproxy.proxies.rescaled import Rescaled
from optiproxy.spaces import Chain

SPACE = Chain({f"layer{i}": [4, 8, 12] for i in range(24)})


def _data(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Architectures and an additive metric of unit deviation."""
    rng = np.random.default_rng(seed)
    rows = SPACE.random_indices(n, rng)
    y = rows @ np.random.default_rng(7).random(len(SPACE))
    y = (y - 24 * 0.5) / 2.0
    return corners(SPACE, torch.from_numpy(rows), torch.float64), torch.from_numpy(y[:, None])


def test_a_residual_is_predicted_at_its_own_scale() -> None:
    p, y = _data(20)
    fitted, small = Rescaled(GaussianProcess(SPACE)), Rescaled(GaussianProcess(SPACE))
    fitted.fit(p, y)
    small.fit(p, 0.01 * y + 3)
    new, _ = _data(30, seed=1)
    (mean, spread), (less, narrow) = fitted.predict(new), small.predict(new)
    assert torch.allclose(0.01 * mean + 3, less, atol=1e-4)
    assert torch.allclose(0.01 * spread, narrow, rtol=1e-2)
    posterior = small.posterior(new)
    assert torch.allclose(posterior.spread, narrow)
    posterior.condition_on_mean(0)
    assert posterior.spread[0] < 0.8 * narrow[0]
    assert (posterior.spread <= narrow + 1e-9).all()


def test_spreads_are_calibrated() -> None:
    """On many choices a fit to few queries would predict twice the spread."""
    errors = []
    for seed in range(4):
        p, y = _data(24, seed)
        gp = GaussianProcess(SPACE)
        gp.fit(p, (y - y.mean()) / y.std())
        new, truth = _data(200, seed + 100)
        mean, spread = gp.predict(new)
        errors.append(((truth - y.mean()) / y.std() - mean) / spread)
    assert 0.7 < torch.cat(errors).std() < 1.5  # it was 0.5 without the calibration


def test_calibration_is_bounded() -> None:
    p, y = _data(100)
    gp = GaussianProcess(SPACE)
    gp.fit(p, torch.zeros_like(y))
    assert gp._fitted.calibration.item() == pytest.approx(CALIBRATED[0] ** 2)
