"""What a study found, computed from its trials: records, the best, the front, a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optiproxy.errors import OptiProxyError, invalid, unknown
from optiproxy.study._storage.trials import State, StoredTrial, Trials
from optiproxy.study.records import Best, Record, Seconds
from optiproxy.tasks import Task

if TYPE_CHECKING:
    import pandas as pd


def records(trials: Trials) -> list[Record]:
    """The finished queries; their numbers leave out what was dropped untrained."""
    proposed = (trial for trial in trials.read() if trial.state is not State.DROPPED)
    numbered = enumerate(proposed, start=1)
    return [trial.record(n, trials.task) for n, trial in numbered if trial.counted]


def dropped(trials: Trials) -> list[Record]:
    """What was dropped untrained, numbered on its own."""
    untrained = (trial for trial in trials.read() if trial.state is State.DROPPED)
    return [trial.record(n, trials.task) for n, trial in enumerate(untrained, start=1)]


def batches(trials: Trials) -> list[int]:
    """The sizes of the batches in which all queries were proposed."""
    sizes, left = [], 0
    for trial in trials.read():
        if not left:  # The first trial of a batch of several has it whole.
            batch = trial.attribute("batch")
            left = len(batch["rows"]) if batch else 1
            sizes.append(left)
        left -= 1
    return sizes


def seconds(trials: Trials) -> Seconds:
    """Where the time went, up to the last result."""
    every = (*records(trials), *dropped(trials))
    return Seconds(
        total=trials.session_seconds(),
        optimizer=sum(record.optimizer_seconds for record in every),
        oracle=sum(record.seconds for record in every),
    )


def by_number(trials: Trials) -> dict[int, tuple[Record, StoredTrial]]:
    """The finished queries with their trials, by their numbers."""
    counted = (trial for trial in trials.read() if trial.counted)
    return {r.query: (r, trial) for r, trial in zip(records(trials), counted, strict=True)}


def retry(trials: Trials, query: int | None, kind: str | None) -> tuple[int, ...]:
    """Queues failed queries again; see `Study.retry`."""
    numbered = by_number(trials)
    failed = {n: r for n, (r, _) in numbered.items() if r.metrics is None and not r.stopped}
    if query is not None and query not in failed:
        found = ", ".join(map(str, failed)) or "none did"
        raise invalid("query", query, f"give one that failed ({found})")
    kinds = sorted({record.kind for record in failed.values()})
    if kind is not None and kind not in kinds:
        raise unknown("kind", kind, kinds)
    chosen = [n for n, r in failed.items() if query in (None, n) and kind in (None, r.kind)]
    for n in chosen:
        trials.retry(numbered[n][1])
    return tuple(chosen)


def best(queries: Iterable[Record], task: Task, seed: int) -> Best | None:
    """The best feasible architecture by the first objective, of full trainings."""
    return next(iter(ranked(queries, task, seed)), None)


def ranked(queries: Iterable[Record], task: Task, seed: int) -> list[Best]:
    """The feasible architectures of full trainings, the best by the first objective first."""
    metric, sign = task.objectives[0].metric, task.objectives[0].sign
    return sorted(_feasible(queries, task, seed), key=lambda f: -sign * f.metrics[metric])


def pareto(queries: Iterable[Record], task: Task, seed: int) -> tuple[Best, ...]:
    """Those that no other one dominates; empty for one objective."""
    objectives = task.objectives
    feasible = _feasible(queries, task, seed)
    if len(objectives) == 1 or not feasible:
        return ()
    scores = np.array([[o.sign * f.metrics[o.metric] for o in objectives] for f in feasible])
    return tuple(
        found
        for found, score in zip(feasible, scores, strict=True)
        if not np.any(np.all(scores >= score, axis=1) & np.any(scores > score, axis=1))
    )


def _feasible(queries: Iterable[Record], task: Task, seed: int) -> list[Best]:
    full = (record for record in queries if record.feasible and record.epochs is None)
    return [Best(record, task, seed) for record in full]


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
