"""All registered tasks, and whether their data are here."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optiproxy.errors import OptiProxyError
from optiproxy.spaces import Pool
from optiproxy.tables import store
from optiproxy.tasks import TASKS, Task, get


@dataclass(frozen=True)
class CatalogueRow:
    """One task, as ``optiproxy tasks`` shows it.

    Attributes:
        name: The argument of ``optiproxy search``.
        description: One line.
        architectures: The size of the space; 0 where only the task's table says it, and where a
            choice is any number of a range.
        metrics: The names of all metrics, reported ones included.
        objectives: ``METRIC=max`` or ``METRIC=min``; the first one ranks.
        constraints: ``METRIC <= NUMBER`` or ``METRIC >= NUMBER``.
        reported: The metrics that are never shown to the optimiser.
        source: Where the numbers come from.
        licence: The licence of the source.
        citation: The publication.
        data: "here", "missing" or "broken"; "built in" where nothing has to be fetched.
        problem: Why a task of another package can't be loaded; then only `name` is known.
        family: A name for tasks that differ only in data set or device; empty for none.
    """

    name: str
    description: str = ""
    architectures: int = 0
    metrics: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    data: str = ""
    problem: str = ""
    family: str = ""


def catalogue() -> list[CatalogueRow]:
    """A row for each registered task. No table is loaded and nothing is trained."""
    return [_row(name) for name in TASKS.names()]


def _row(name: str) -> CatalogueRow:
    try:
        task = get(name)
    except OptiProxyError as error:
        return CatalogueRow(name, problem=str(error))
    states = [store.status(table).status for table in task.origin.tables]
    return CatalogueRow(
        name,
        task.description,
        _count(task),
        task.metrics,
        tuple(f"{objective.metric}={objective.direction}" for objective in task.objectives),
        tuple(str(constraint) for constraint in task.constraints),
        task.reported,
        task.origin.source,
        task.origin.licence,
        task.origin.citation,
        next((s for s in ("broken", "missing", "here") if s in states), "built in"),
        family=task.origin.family,
    )


def _count(task: Task) -> int:
    counted = not isinstance(task.space, Pool) or task.space.is_counted
    count = task.space.count if counted else 0
    return int(count) if math.isfinite(count) else 0
