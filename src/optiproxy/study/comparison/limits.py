"""Limits in a comparison: met by some row of a table, the same for all searches of a task."""

from __future__ import annotations

import json
from pathlib import Path

from optiproxy._atomic_write import whole
from optiproxy.errors import invalid
from optiproxy.tasks import Task

#: Kept beside the searches: a metric that is measured has another value each time.
FILE = "limits.json"


def bounded(task: Task, cells: Path) -> Task:
    """The task with absolute limits, those of an earlier call if there was one.

    Raises:
        InvalidValueError: A limit refers to a metric that only training reveals, or limits
            contradict each other.
        DataError: The task's data are missing.
    """
    asked = [constraint.text for constraint in task.constraints]
    if not any(constraint.relative for constraint in task.constraints):
        return task
    known = _kept(cells).get(_key(task, asked))
    return task.resolved() if known is None else task.replaced(constraints=known)


def check(task: Task) -> None:
    """Refuses limits that no row of the task's table meets: all methods would find nothing.

    Raises:
        InvalidValueError: There is no such row; it names the nearest value of each limit.
    """
    values = task.objective_values() if task.constraints else None
    if task.rows is None or values is None or len(values):
        return
    columns = task.rows.values()
    nearest = (
        f"{c.metric} {min(columns[c.metric].tolist(), key=c.violation):g}" for c in task.constraints
    )
    remedy = f"no row of {task.name} meets it; the nearest values are {', '.join(nearest)}"
    raise invalid("constraint", ", ".join(map(str, task.constraints)), remedy)


def keep(asked: list[Task], found: list[Task], cells: Path) -> None:
    """Makes the folder of searches; the absolute limits of the `asked` tasks are kept there.

    Raises:
        InvalidValueError: It can't be a folder.
    """
    try:
        cells.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        remedy = "it is a file, or in one; give a folder"
        raise invalid("out", str(cells.parent), remedy) from None
    limits = {
        _key(task, [c.text for c in task.constraints]): [c.text for c in limited.constraints]
        for task, limited in zip(asked, found, strict=True)
        if task is not limited
    }
    if limits:
        content = json.dumps({**_kept(cells), **limits}, indent=1, ensure_ascii=False)
        with whole(cells / FILE) as unfinished:
            unfinished.write_text(content + "\n", "utf-8")


def _key(task: Task, asked: list[str]) -> str:
    return f"{task.name} of {task.space.fingerprint}: {', '.join(asked)}"


def _kept(cells: Path) -> dict[str, list[str]]:
    try:
        kept: dict[str, list[str]] = json.loads((cells / FILE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return kept
