"""How a search evaluates: how many at once, where, on which devices, and for how long."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from optiproxy import durations
from optiproxy.errors import InvalidValueError, invalid, truth, whole_number
from optiproxy.study._workers.devices import chosen
from optiproxy.tasks import Task


@dataclass(frozen=True)
class Workers:
    """How a search evaluates.

    Attributes:
        count: How many evaluations run at once.
        in_process: Whether they run in the search's own process, one at a time.
        executor: The user's executor that evaluates, or None.
        devices: The accelerators, which the workers take in turn; empty where each sees all.
        time_limit: Seconds after which an evaluation is ended; None for no limit.
        deaths: How often an evaluation may end its process until it counts as failed.
    """

    count: int
    in_process: bool
    executor: Executor | None = None
    devices: tuple[str, ...] = ()
    time_limit: float | None = None
    deaths: int = 2

    @classmethod
    def of(
        cls,
        task: Task,
        *,
        workers: int | None = None,
        executor: Executor | None = None,
        in_process: bool | None = None,
        time_limit: float | str | None = None,
        stored_limit: float | None = None,
        gpus: str | int | None = None,
        workers_per_gpu: int | None = None,
        deaths: int = 2,
    ) -> Workers:
        """Checks the arguments of `Study.run`, which see, and gives them their defaults.

        `stored_limit` is the time limit of an earlier run.

        Raises:
            InvalidValueError: One can't be used, or two exclude each other.
        """
        devices: tuple[str, ...] = ()
        deaths = whole_number("deaths", deaths)
        limit = None if time_limit is None else durations.seconds("time limit", time_limit)
        if gpus is not None:
            devices = tuple(chosen(gpus))
            if workers is None:
                each = whole_number("workers per gpu", workers_per_gpu or 1)
                workers = len(devices) * each
            elif workers_per_gpu is not None:
                raise invalid("workers per gpu", workers_per_gpu, "leave it or workers out")
        elif workers_per_gpu is not None:
            raise invalid("workers per gpu", workers_per_gpu, "say which GPUs there are (gpus)")
        own = limit is not None or bool(devices)
        if executor is not None:
            if own or in_process:
                named = "in_process" if in_process else "time limit" if limit else "gpus"
                raise InvalidValueError(
                    f"{named}: an executor's evaluations are its own; leave it or the executor out"
                )
            return cls(workers_of(workers, executor), False, executor, deaths=deaths)
        count = workers_of(workers, None)
        limit = limit or stored_limit or task.time_limit
        if in_process is None:
            here = task.in_memory or (workers is None and limit is None)
            return cls(count, count == 1 and here and not own, None, devices, limit, deaths)
        if not truth("in_process", in_process):
            return cls(count, False, None, devices, limit, deaths)
        if count > 1:
            raise invalid("workers", count, "give 1 for evaluations in the search's own process")
        if own:
            raise InvalidValueError(
                f"{'gpus' if devices else 'time limit'}: leave it out for evaluations in the "
                "search's own process, which can't be ended alone"
            )
        return cls(1, True, deaths=deaths)


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
