"""Checks of the budgets and workers of a run."""

from __future__ import annotations

import math
from typing import Any

from optiproxy.errors import invalid, whole_number
from optiproxy.study._folders import check_keep
from optiproxy.study._workers.options import Workers
from optiproxy.tasks import Task

# By default one evaluation in so many repeats what may be the best: more of a small budget would
# cost more regret than they save (docs/log.md).
CONFIRM_EVERY = 20


def check_cheap_budget(task: Task, given: int | None, kept: int, budget: int) -> None:
    """Raises InvalidValueError unless a study of `task` can have the cheap budget.

    Args:
        task: What is searched.
        given: The argument of this run; None for none.
        kept: The value that holds: `given`, or an earlier run's, or the default.
        budget: Of trainings.
    """
    if given is not None:
        whole_number("cheap_budget", given)
        if not task.has_prefilter:
            raise invalid(
                "cheap_budget",
                given,
                "leave it out: no limit of this search is measured before a training "
                "(op.Metric(…, cheap=True) or --measure makes one so)",
            )
    if kept < budget:
        raise invalid(
            "cheap_budget", kept, f"give {budget} or more: whatever is trained is measured first"
        )


def check_confirm(task: Task, given: int | None, kept: int | None, budget: int) -> int:
    """How many evaluations of a run repeat what may be the best.

    Args:
        task: What is searched.
        given: The argument of this run; None for none.
        kept: An earlier run's; None for none.
        budget: Of all evaluations.

    Raises:
        InvalidValueError: `given` can't be used for this task, or leaves no query.
    """
    if given is None and kept is None:
        single = len(task.objectives) == 1
        return budget // CONFIRM_EVERY if task.noise == "repeat" and single else 0
    count = whole_number("confirm", kept if given is None else given, least=0)
    if given and task.noise in ("none", "single"):
        raise invalid("confirm", given, f"give 0: the task has noise={task.noise!r}")
    if given and len(task.objectives) > 1:
        raise invalid("confirm", given, "give 0: with several objectives there is no single best")
    if given and given >= budget:
        raise invalid("confirm", given, f"give less than the budget of {budget}")
    return min(count, budget - 1)


def check_evaluation(
    task: Task,
    *,
    hours: float | None = None,
    max_failures: int = 5,
    keep: str | int = "best",
    **options: Any,
) -> Workers:
    """How a run evaluates, by the arguments of `Study.run` of the same names.

    Raises:
        InvalidValueError: One can't be used, or two exclude each other.
    """
    if hours is not None and not 0 < hours < math.inf:
        raise invalid("hours", hours, "give a number greater than 0")
    whole_number("max_failures", max_failures, least=0)
    check_keep(keep)
    return Workers.of(task, **options)
