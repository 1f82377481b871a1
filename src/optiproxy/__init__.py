"""OptiProxy: neural architecture search with few queries.

>>> import optiproxy as op
>>> space = op.spaces.Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
>>> opt = op.OptiProxy(space, objectives={"val_accuracy": "max"}, seed=0)
>>> archs = opt.ask(5)
>>> opt.tell(archs, [{"val_accuracy": 80.0 + a["depth"]} for a in archs])
>>> opt.best.architecture["depth"]
3

The method is OptiProxy-NAS, Lyu et al., https://arxiv.org/abs/2509.05656.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from optiproxy._version import __version__

if TYPE_CHECKING:
    from optiproxy import (
        baselines,
        encodings,
        hardware,
        proxies,
        report,
        search,
        spaces,
        study,
        tasks,
    )
    from optiproxy.errors import EvaluationFailed, OptiProxyError
    from optiproxy.metrics import Metric
    from optiproxy.search.optiproxy import OptiProxy
    from optiproxy.spaces import Architecture
    from optiproxy.study import Study
    from optiproxy.study.sampler import OptiProxySampler
    from optiproxy.tasks import Task

# Name → where it lives, resolved on first use: importing us loads neither torch nor Optuna.
_LAZY = {
    "Architecture": "optiproxy.spaces",
    "EvaluationFailed": "optiproxy.errors",
    "Metric": "optiproxy.metrics",
    "OptiProxy": "optiproxy.search.optiproxy",
    "OptiProxyError": "optiproxy.errors",
    "OptiProxySampler": "optiproxy.study.sampler",
    "Study": "optiproxy.study",
    "Task": "optiproxy.tasks",
}
_MODULES = (
    "baselines",
    "encodings",
    "hardware",
    "proxies",
    "report",
    "search",
    "spaces",
    "study",
    "tasks",
)

__all__ = [
    "Architecture", "EvaluationFailed", "Metric", "OptiProxy", "OptiProxyError", "OptiProxySampler",
    "Study", "Task", "__version__", "baselines", "encodings", "hardware", "proxies", "report",
    "search", "spaces", "study", "tasks",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"optiproxy.{name}")
    raise AttributeError(f"module 'optiproxy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
