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

from typing import TYPE_CHECKING

from optiproxy._lazy import lazy
from optiproxy._version import __version__

if TYPE_CHECKING:
    from optiproxy import (
        baselines,
        encodings,
        errors,
        hardware,
        methods,
        metrics,
        nn,
        proxies,
        report,
        scores,
        search,
        spaces,
        study,
        tables,
        tasks,
        testing,
        train,
    )
    from optiproxy.errors import (
        DataError,
        EvaluationFailed,
        InvalidValueError,
        MeasurementFailed,
        OptiProxyError,
        ScoreFailed,
        StudyError,
    )
    from optiproxy.metrics import Constraint, Metric, Objective
    from optiproxy.nn import space_of
    from optiproxy.search.optiproxy import OptiProxy
    from optiproxy.spaces import Architecture
    from optiproxy.study import Study, compare
    from optiproxy.study.sampler import OptiProxySampler
    from optiproxy.tables import Table
    from optiproxy.tasks import Task, load

__all__ = [
    "Architecture", "Constraint", "DataError", "EvaluationFailed", "InvalidValueError",
    "MeasurementFailed", "Metric", "Objective", "OptiProxy", "OptiProxyError",
    "OptiProxySampler", "ScoreFailed", "Study", "StudyError", "Table", "Task", "__version__",
    "baselines", "compare", "encodings", "errors", "hardware", "load", "methods", "metrics",
    "nn", "proxies", "report", "scores", "search", "space_of", "spaces", "study", "tables", "tasks",
    "testing", "train",
]  # fmt: skip

# `import optiproxy` loads neither torch nor Optuna.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "optiproxy.errors": (
            "DataError", "EvaluationFailed", "InvalidValueError", "MeasurementFailed",
            "OptiProxyError", "ScoreFailed", "StudyError",
        ),
        "optiproxy.metrics": ("Constraint", "Metric", "Objective"),
        "optiproxy.nn": ("space_of",),
        "optiproxy.search.optiproxy": ("OptiProxy",),
        "optiproxy.spaces": ("Architecture",),
        "optiproxy.study": ("Study", "compare"),
        "optiproxy.study.sampler": ("OptiProxySampler",),
        "optiproxy.tables": ("Table",),
        "optiproxy.tasks": ("Task", "load"),
        "optiproxy": (
            "baselines", "encodings", "errors", "hardware", "methods", "metrics", "nn",
            "proxies", "report", "scores", "search", "spaces", "study", "tables", "tasks",
            "testing", "train",
        ),
    },
)  # fmt: skip
