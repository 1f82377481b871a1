"""The shipped cases, on every registered method."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from optiproxy.search import METHODS, Optimizer
from optiproxy.testing import OptimizerCases


@pytest.mark.parametrize("name", METHODS.names())
class TestMethods(OptimizerCases):
    @pytest.fixture
    def make(self, name: str) -> Callable[..., Optimizer]:
        return METHODS.get(name)  # type: ignore[no-any-return]
