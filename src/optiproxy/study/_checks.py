"""What a run's numbers must be."""

from __future__ import annotations

from concurrent.futures import Executor

from optiproxy.errors import invalid


def check_count(field: str, value: object) -> None:
    """Raises InvalidValueError unless `value` is a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise invalid(field, value, "give a whole number of 1 or more")


def workers_of(workers: int | None, executor: Executor | None) -> int:
    """How many evaluations run at once: what was given, else as many as the executor has places.

    Raises:
        InvalidValueError: No whole number of 1 or more, or an executor that does not tell.
    """
    if workers is None:
        # Every executor of the standard library and loky's has the attribute; Dask's has not.
        workers = 1 if executor is None else getattr(executor, "_max_workers", None)
        if workers is None:
            raise invalid("workers", None, "say how many evaluations the executor takes at once")
    check_count("workers", workers)
    return workers
