"""The shipped cases, on every registered method."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from optiproxy.methods import METHODS
from optiproxy.proxies.ensemble import Training
from optiproxy.search import Optimizer
from optiproxy.search.paper import PublishedGCN
from optiproxy.testing import OptimizerCases

# Methods that take seconds for the 20 to 40 queries of a case.
SLOW = {"bananas", "boosted", "gpsampler", "npenas", "optiproxy", "paper", "smac", "tpe"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else [])
        for name in METHODS.names()
    ],
)
class TestMethods(OptimizerCases):
    @pytest.fixture
    def make(self, name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Optimizer]:
        # The protocol does not depend on how long the published network is trained.
        monkeypatch.setattr(PublishedGCN, "training", Training(5, 2e-3, 1e-2))
        return METHODS.get(name)  # type: ignore[no-any-return]
