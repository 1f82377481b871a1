"""What `new`, `ask`, `tell`, `status` and the MCP server have in common: a study as JSON values."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from optiproxy.cli._json_output import plain_best
from optiproxy.cli._study_command import default_storage
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Space
from optiproxy.spaces.serial import to_json
from optiproxy.study import Asked, Study
from optiproxy.tasks import Task


def begun(
    name: str,
    task: Task,
    storage: str | None,
    budget: int,
    *,
    method: str = "optiproxy",
    proxy: str | None = None,
    seed: int = 0,
) -> Study:
    """A study that programs may ask, new or with a larger budget than before."""
    study = Study(
        task,
        name=name,
        method=method,
        proxy=proxy,
        storage=storage or default_storage(name),
        seed=seed,
    )
    study.begin(budget)
    return study


def asked(study: Study, queries: Sequence[Asked]) -> dict[str, Any]:
    """What `ask` answers."""
    return {
        "study": study.name,
        "queries": [query.plain() for query in queries],
        "done": not queries and study.done,
    }


def told(study: Study, ids: Sequence[int]) -> dict[str, Any]:
    """What `tell` answers."""
    return {
        "study": study.name,
        "told": list(ids),
        "queries": len(study.queries),
        "done": study.done,
    }


def status(study: Study) -> dict[str, Any]:
    """How far a study is, and what it found."""
    queries, best, now = study.queries, study.best, time.time()
    return {
        "study": study.name,
        "task": study.task.name,
        "method": study.method,
        "proxy": study.proxy,
        "seed": study.seed,
        "objectives": [objective.text for objective in study.task.objectives],
        "constraints": [constraint.text for constraint in study.task.constraints],
        "space": _space(study.task.space),
        "budget": study.budget,
        "spent": study.spent,
        "queries": len(queries),
        "repeats": sum(len(record.repeats) for record in queries),
        "stopped": (stopped := sum(record.stopped for record in queries)),
        "failed": sum(record.metrics is None for record in queries) - stopped,
        "dropped": len(study.dropped),
        "asked": [{**query.plain(), "ended": query.until < now} for query in study.asked],
        "done": study.done,
        "best": None if best is None else {"query": best.query, **plain_best(best)},
        "pareto": [{"query": one.query, **plain_best(one)} for one in study.pareto],
    }


def _space(space: Space) -> dict[str, Any] | None:
    """As JSON; None for a kind that has no such form."""
    try:
        return to_json(space)
    except InvalidValueError:
        return None
