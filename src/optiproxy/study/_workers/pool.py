"""Who evaluates: this process, processes of its own, or the user's executor. One interface."""

from __future__ import annotations

import threading
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any, Protocol

from optiproxy.errors import OptiProxyError, StudyError
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.study._workers.job import Job
from optiproxy.study._workers.options import Workers
from optiproxy.study._workers.processes import Processes, WorkerDied
from optiproxy.tasks import Evaluation, Task
from optiproxy.tasks.failures import DIED, kind_of, traceback_of

Answer = Future[Evaluation | str]

# By these Dask and Ray say that an evaluation ended its process, as often as it was tried.
_DEATHS = ("KilledWorker", "WorkerCrashedError")


class Pool(Protocol):
    """Makes evaluations, some at a time."""

    def submit(self, job: Job) -> Answer:
        """Starts an evaluation.

        The future raises `WorkerDied` where the evaluation's own process died, and BrokenExecutor
        where the whole pool can't be used any more.
        """

    def close(self, *, kill: bool) -> None:
        """Lets the workers go, or ends them in the middle of their work."""


class InProcess:
    """Evaluates here, one at a time, before `submit` returns."""

    def __init__(self, task: Task, interrupts: Interrupts) -> None:
        self._task = task
        self._interrupts = interrupts

    def submit(self, job: Job) -> Answer:
        future: Answer = Future()
        with self._interrupts.open():
            future.set_result(job.of(self._task))
        return future

    def close(self, *, kill: bool) -> None:
        pass


class Borrowed:
    """The user's executor: a thread pool, Dask, submitit. It is neither started nor closed here."""

    def __init__(self, task: Task, executor: Executor) -> None:
        self._task = task
        self._executor = executor

    def submit(self, job: Job) -> Answer:
        try:
            submitted: Any = self._executor.submit(
                self._task.query, job.architecture, **job.keywords
            )
        except RuntimeError as error:  # It was shut down, or its workers have died.
            raise StudyError(f"executor: it takes no work ({error}); give a new one") from error
        return submitted if isinstance(submitted, Future) else _awaited(submitted)

    def close(self, *, kill: bool) -> None:
        pass


def pool_of(task: Task, workers: Workers, interrupts: Interrupts) -> Pool:
    """The pool that `workers` describes.

    Raises:
        InvalidValueError: The task can't be sent to another process.
    """
    if workers.executor is not None:
        return Borrowed(task, workers.executor)
    if workers.in_process:
        return InProcess(task, interrupts)
    return Processes(task, workers.count, workers.devices, workers.time_limit)


def result(future: Answer) -> Evaluation:
    """The evaluation of a future that is done.

    Raises:
        WorkerDied: The evaluation's own process died.
        BrokenExecutor: The executor broke, or gave the evaluation up (Dask's does so when its
            scheduler is gone).
        OptiProxyError: The worker could not make the task, or its data are missing there.
    """
    try:
        outcome = future.result()
    except (BrokenExecutor, OptiProxyError, WorkerDied):
        raise
    except CancelledError:
        raise BrokenExecutor("the executor cancelled the evaluation") from None
    except Exception as error:
        # `Task.query` never raises: what comes here happened on the way, such as in pickling.
        name = type(error).__name__
        kind = DIED if name in _DEATHS else kind_of(error)
        return Evaluation(None, 0.0, f"{name}: {error}", kind=kind, traceback=traceback_of(error))
    if isinstance(outcome, str):
        raise StudyError(f"workers: a worker process can't make the task: {outcome}")
    return outcome


def _awaited(job: Any) -> Answer:
    """The future of a job that is none, as submitit's are: a thread waits for its result."""
    future: Answer = Future()

    def wait() -> None:
        try:
            future.set_result(job.result())
        except BaseException as error:
            future.set_exception(error)

    # A daemon: after Ctrl-C Python does not stay for a job that waits in a queue.
    threading.Thread(target=wait, daemon=True, name="optiproxy-job").start()
    return future
