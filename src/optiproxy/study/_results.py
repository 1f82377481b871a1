"""What a study found, computed from its queries: the best, the front, a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optiproxy.errors import OptiProxyError
from optiproxy.study._storage.trials import Entry, State
from optiproxy.study.records import Found, Record
from optiproxy.tasks import Task

if TYPE_CHECKING:
    import pandas as pd


def records(entries: Iterable[Entry], task: Task) -> list[Record]:
    """The queries that are over, by their number; what was dropped untrained is none."""
    asked = (entry for entry in entries if entry.state is not State.DROPPED)
    return [e.record(n, task) for n, e in enumerate(asked, start=1) if e.counted]


def best(queries: Iterable[Record], task: Task) -> Found | None:
    """The best feasible architecture by the first objective, trained in full; None for none."""
    metric, sign = task.objectives[0].metric, task.objectives[0].sign
    return max(_feasible(queries, task), key=lambda f: sign * f.metrics[metric], default=None)


def pareto(queries: Iterable[Record], task: Task) -> tuple[Found, ...]:
    """Those that none beats in all objectives; empty for one objective."""
    objectives = task.objectives
    feasible = _feasible(queries, task)
    if len(objectives) == 1 or not feasible:
        return ()
    scores = np.array([[o.sign * f.metrics[o.metric] for o in objectives] for f in feasible])
    return tuple(
        found
        for found, score in zip(feasible, scores, strict=True)
        if not np.any(np.all(scores >= score, axis=1) & np.any(scores > score, axis=1))
    )


def _feasible(queries: Iterable[Record], task: Task) -> list[Found]:
    return [
        Found(r.query, r.architecture, r.metrics, task)
        for r in queries
        if r.metrics is not None and r.feasible and r.epochs is None
    ]


# Columns of a table that are neither choices nor metrics.
_COLUMNS = ("query", "feasible", "failed", "seconds")


def dataframe(queries: Sequence[Record]) -> pd.DataFrame:
    """One row a query; a name that is taken already is written ``choice:NAME``, ``metric:NAME``.

    Raises:
        OptiProxyError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise OptiProxyError("dataframe: pandas is missing; pip install pandas") from None
    choices = list(queries[0].architecture) if queries else []

    def choice(name: str) -> str:
        return f"choice:{name}" if name in _COLUMNS else name

    def metric(name: str) -> str:
        return f"metric:{name}" if name in _COLUMNS or name in choices else name

    rows: list[dict[str, Any]] = [
        {
            "query": r.query,
            **{choice(name): option for name, option in r.architecture.items()},
            **{metric(name): value for name, value in (r.metrics or {}).items()},
            "feasible": r.feasible,
            "failed": r.reason,
            "seconds": r.seconds,
        }
        for r in queries
    ]
    return pandas.DataFrame(rows)
