"""Tasks whose evaluator can train for fewer epochs: what is checked, and tables that have both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optiproxy.errors import invalid

if TYPE_CHECKING:
    from optiproxy.tasks.task import Task


def check(task: Task) -> None:
    """Raises InvalidValueError unless the task's fidelities are epochs that it can be given."""
    fidelities = task.fidelities
    if not fidelities:
        return
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in fidelities)
    if not whole or list(fidelities) != sorted(set(fidelities)):
        raise invalid("Task: fidelities", fidelities, "give epochs, ascending, such as (12, 200)")
    if "epochs" not in task._parameters:
        raise invalid(
            "Task: evaluate", task._parameters, "with fidelities it must declare a keyword epochs"
        )


def check_low(task: Task, epochs: object) -> None:
    """Raises InvalidValueError unless `epochs` is a fidelity below the task's full one."""
    lower = task.fidelities[:-1]
    if epochs not in lower:
        has = (
            f"give one of {', '.join(map(str, lower))}"
            if lower
            else (f"task {task.name!r} has one fidelity alone: Task(fidelities=…) names more")
        )
        raise invalid("low fidelity", epochs, has)
