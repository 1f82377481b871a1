"""What a study found, computed from its trials: records, the best, the front, a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optiproxy.errors import OptiProxyError, invalid, unknown
from optiproxy.metrics import mean_metrics
from optiproxy.spaces import Architecture
from optiproxy.study._storage.numbers import numbered
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.study._storage.trials import Trials
from optiproxy.study.best import Best
from optiproxy.study.records import Record, Seconds
from optiproxy.tasks import Task

if TYPE_CHECKING:
    import pandas as pd


def records(trials: Trials) -> list[Record]:
    """The finished queries by their numbers."""
    return [record for record, _ in recorded(trials.read(), trials.task)]


def recorded(trials: Iterable[StoredTrial], task: Task) -> list[tuple[Record, StoredTrial]]:
    """The finished queries with their trials, each with the further evaluations of it."""
    every = list(trials)
    repeats: dict[Architecture, list[dict[str, float] | None]] = {}
    for trial in every:
        if trial.again and trial.finished:
            repeats.setdefault(trial.architecture, []).append(trial.metrics)
    found = []
    for number, trial in numbered(every).items():
        again = repeats.get(trial.architecture, ()) if trial.epochs is None else ()
        found.append((_repeated(trial.record(number, task), again, task), trial))
    return found


def _repeated(record: Record, again: Sequence[Mapping[str, float] | None], task: Task) -> Record:
    if not again:
        return record
    metrics = mean_metrics((record.metrics, *again))
    feasible = metrics is not None and task.feasible(metrics)
    return replace(record, repeats=tuple(again), feasible=feasible)


def dropped(trials: Trials) -> list[Record]:
    """What was dropped untrained, numbered on its own."""
    untrained = (t for t in trials.read() if t.state is State.DROPPED and not t.again)
    return [trial.record(n, trials.task) for n, trial in enumerate(untrained, start=1)]


def batches(trials: Trials) -> list[int]:
    """The sizes of the batches in which all queries were proposed."""
    sizes, left = [], 0
    for trial in trials.read():
        if not left:  # The first trial of a batch stores the whole batch.
            left = len(trial.batch["rows"]) if trial.batch else 1
            sizes.append(left)
        left -= 1
    return sizes


def seconds(trials: Trials) -> Seconds:
    """Where the time went, up to the last result."""
    every = [trial for trial in trials.read() if trial.finished]
    return Seconds(
        total=trials.session_seconds(),
        optimizer=sum(trial.optimizer_seconds for trial in every),
        oracle=sum(trial.seconds for trial in every),
    )


def by_number(trials: Trials) -> dict[int, tuple[Record, StoredTrial]]:
    """The finished queries with their trials, by their numbers."""
    return {r.query: (r, trial) for r, trial in recorded(trials.read(), trials.task)}


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


def best(queries: Sequence[Record], task: Task, seed: int) -> Best | None:
    """The best feasible architecture by the first objective, of full trainings.

    Of noisy evaluations it is the one with the best mean, shrunk by a model of all of them; of
    those that repeats do not tell apart from it, the one with the most room to the first limit.
    """
    return next(iter(_equals(queries, task, seed)), None)


def tied(queries: Sequence[Record], task: Task, seed: int) -> list[Best]:
    """Those whose mean is less than a standard error away from the best one's."""
    return _equals(queries, task, seed)[1:]


def _equals(queries: Sequence[Record], task: Task, seed: int) -> list[Best]:
    """The best, and those that repeats do not tell apart from the best mean."""
    first, metric = _best_mean(queries, task, seed), task.objectives[0].metric
    if first is None or metric not in first.deviations:
        return [] if first is None else [first]

    def variance(found: Best) -> float:
        return found.deviations[metric] ** 2 / found.evaluations

    others = [
        other
        for other in ranked(queries, task, seed)
        if other.query != first.query
        and metric in other.deviations
        and (other.metrics[metric] - first.metrics[metric]) ** 2
        <= variance(first) + variance(other)
    ]
    limits = task.constraints[:1]
    equals = [first, *others]
    return sorted(equals, key=lambda found: [c.violation(found.metrics[c.metric]) for c in limits])


def _best_mean(queries: Sequence[Record], task: Task, seed: int) -> Best | None:
    found = ranked(queries, task, seed)
    if len(found) > 1 and noisy(task, queries):
        from optiproxy.search.estimates import estimates  # It loads torch.

        full = [found.record for found in _feasible(queries, task, seed)]
        rows = task.space.to_indices([record.architecture for record in full])
        place = estimates(task.space, rows, full, task.objectives[0]).best()
        return None if place is None else Best(full[place], task, seed)
    return next(iter(found), None)


def noisy(task: Task, queries: Iterable[Record]) -> bool:
    """Whether another evaluation of an architecture may give another value."""
    if task.noise is not None:
        return task.noise != "none"
    return any(record.repeats for record in queries)


def ranked(queries: Iterable[Record], task: Task, seed: int) -> list[Best]:
    """The feasible architectures of full trainings, the best by the first objective first.

    Of those that are equal in it the next objective decides, so that the front has the best one.
    """
    goals = task.objectives
    return sorted(
        _feasible(queries, task, seed), key=lambda f: [-o.sign * f.metrics[o.metric] for o in goals]
    )


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
