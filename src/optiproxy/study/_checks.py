"""Checks of the budgets and workers of a run."""

from __future__ import annotations

from concurrent.futures import Executor

from optiproxy.errors import invalid, whole_number
from optiproxy.tasks import Task


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


def workers_of(workers: int | None, executor: Executor | None) -> int:
    """How many evaluations run at once: `workers`, or by default all places of the executor.

    Raises:
        InvalidValueError: It is not a whole number of 1 or more, or the executor's places are
            unknown.
    """
    if workers is None:
        workers = 1 if executor is None else _places(executor)
        if not workers:
            raise invalid("workers", None, "say how many evaluations the executor takes at once")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise invalid("executor", executor, "give one with a method `submit`, or leave it out")
    return whole_number("workers", workers)


def _places(executor: Executor) -> int | None:
    """How many evaluations an executor takes at once; None if it is unknown."""
    if client := getattr(executor, "_client", None):  # Dask's
        threads: int = sum(client.nthreads().values())
        return threads
    # The standard library's executors have this attribute, and loky's.
    places: int | None = getattr(executor, "_max_workers", None)
    return places
