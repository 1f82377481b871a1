"""Conformance cases for spaces, proxies, optimisers and tasks, for pytest.

An implementation joins by a subclass with one fixture::

    from optiproxy.testing import OptimizerCases

    class TestMine(OptimizerCases):
        @pytest.fixture
        def make(self):
            return MyOptimizer

Every proxy and method that this package registers passes them, and a space and a task of each kind.
"""

from optiproxy.testing.optimizers import OptimizerCases
from optiproxy.testing.proxies import ProxyCases
from optiproxy.testing.spaces import SpaceCases
from optiproxy.testing.tasks import TaskCases

__all__ = ["OptimizerCases", "ProxyCases", "SpaceCases", "TaskCases"]
