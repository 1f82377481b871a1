"""SMAC, where its extra is installed; the protocol's tests run over it there too."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("smac")

from optiproxy.baselines.smac3 import SMAC, _log_scaled
from optiproxy.spaces import Chain

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(6)})


def test_learns() -> None:
    opt = SMAC(SPACE, "y=max", seed=0)
    while len(opt.queries) < 50:
        archs = opt.ask(10)
        opt.tell(archs, [float(sum(a.values())) for a in archs])  # type: ignore[arg-type]
    assert opt.best is not None
    assert opt.best.metrics is not None
    # Of 18; the best of 50 random draws averages 14.9.
    assert opt.best.metrics["y"] >= 16


def test_log_scaling_keeps_the_order_and_spreads_the_best() -> None:
    scaled = _log_scaled(np.arange(1.0, 41.0))
    assert (np.diff(scaled) > 0).all()
    assert scaled[1] - scaled[0] > 5 * (scaled[-1] - scaled[-2])
    assert np.isfinite(_log_scaled(np.full(5, -91.6))).all()
