"""Who evaluates: this process, a pool of processes, or somebody's executor. One interface."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from functools import partial
from typing import Any, Protocol

from optiproxy.errors import InvalidValueError, OptiProxyError, StudyError
from optiproxy.hardware import cores
from optiproxy.spaces import Architecture
from optiproxy.study._workers import worker
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.tasks import Evaluation, Task

# The variables by which the usual numerical libraries are told how many threads to start.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


Answer = Future[Evaluation | str]

# What a training that reports its curve must have reached, by epoch.
Medians = Mapping[int, float]


class Pool(Protocol):
    """Evaluates architectures, some at a time."""

    def submit(
        self, arch: Architecture, epochs: int | None, medians: Medians
    ) -> Future[Evaluation | str]:
        """Starts an evaluation, of so many epochs or in full (None).

        The future raises BrokenExecutor where the worker died.
        """

    def renew(self) -> None:
        """Replaces what broke.

        Raises:
            StudyError: It can't be replaced.
        """

    def close(self, *, kill: bool) -> None:
        """Lets the workers go, or ends them in the middle of their work."""


class InProcess:
    """Evaluates here, one at a time, before `submit` returns."""

    def __init__(self, task: Task, seed: int, interrupts: Interrupts) -> None:
        self._task = task
        self._seed = seed
        self._interrupts = interrupts

    def submit(
        self, arch: Architecture, epochs: int | None, medians: Medians
    ) -> Future[Evaluation | str]:
        future: Answer = Future()
        with self._interrupts.open():
            future.set_result(
                self._task.query(arch, seed=self._seed, epochs=epochs, medians=medians)
            )
        return future

    def renew(self) -> None:
        pass

    def close(self, *, kill: bool) -> None:
        pass


class Processes:
    """Worker processes that are replaced when they die. Each makes the task once.

    Args:
        task: What they evaluate.
        seed: The study's.
        workers: How many.

    Raises:
        InvalidValueError: The task can't be sent to another process.
    """

    def __init__(self, task: Task, seed: int, workers: int) -> None:
        self._seed = seed
        self._workers = workers
        self._prepare = partial(worker.prepare, _packed(task), os.getpid())
        self._executor = self._start()

    def _start(self) -> Executor:
        from loky import ProcessPoolExecutor

        # Each worker gets its part of the cores: more threads than cores slow all of them down.
        executor: Executor = ProcessPoolExecutor(
            self._workers,
            initializer=self._prepare,
            env=thread_limits(max(1, cores() // self._workers)),
        )
        return executor

    def submit(
        self, arch: Architecture, epochs: int | None, medians: Medians
    ) -> Future[Evaluation | str]:
        try:
            return self._executor.submit(worker.query, arch, self._seed, epochs, medians)
        except BrokenExecutor:
            # A worker died while it was idle: nothing is lost.
            self.renew()
            return self._executor.submit(worker.query, arch, self._seed, epochs, medians)

    def renew(self) -> None:
        self.close(kill=True)
        self._executor = self._start()

    def close(self, *, kill: bool) -> None:
        self._executor.shutdown(wait=True, kill_workers=kill)  # type: ignore[call-arg]


class Borrowed:
    """Somebody's executor: a thread pool, Dask, submitit. It is neither started nor closed here."""

    def __init__(self, task: Task, seed: int, executor: Executor) -> None:
        self._task = task
        self._seed = seed
        self._executor = executor

    def submit(
        self, arch: Architecture, epochs: int | None, medians: Medians
    ) -> Future[Evaluation | str]:
        try:
            job: Any = self._executor.submit(
                self._task.query, arch, seed=self._seed, epochs=epochs, medians=medians
            )
        except RuntimeError as error:  # One that was shut down, or whose workers have died.
            raise StudyError(f"executor: it takes no work ({error}); give a new one") from error
        return job if isinstance(job, Future) else _awaited(job)

    def renew(self) -> None:
        raise StudyError("executor: it broke and can't be used any more; run again with a new one")

    def close(self, *, kill: bool) -> None:
        pass


def pool_of(
    task: Task, seed: int, workers: int, executor: Executor | None, interrupts: Interrupts
) -> Pool:
    """This process for one worker, else processes; or the executor that the user gave."""
    if executor is not None:
        return Borrowed(task, seed, executor)
    if workers == 1:
        return InProcess(task, seed, interrupts)
    return Processes(task, seed, workers)


def thread_limits(threads: int) -> dict[str, str]:
    """The environment of a process that is to compute with so many threads."""
    return dict.fromkeys(_THREADS, str(threads))


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


def result(future: Answer) -> Evaluation:
    """The evaluation of a future that is done.

    Raises:
        BrokenExecutor: The worker died, or the executor gave the evaluation up (Dask's does so when
            its scheduler is gone).
        OptiProxyError: The worker could not make the task, or its data are missing there.
    """
    try:
        outcome = future.result()
    except (BrokenExecutor, OptiProxyError):
        raise
    except CancelledError:
        raise BrokenExecutor("the executor cancelled the evaluation") from None
    except Exception as error:
        # `Task.query` never raises: what comes here happened on the way, such as in pickling.
        return Evaluation(None, 0.0, f"{type(error).__name__}: {error}")
    if isinstance(outcome, str):
        raise StudyError(f"workers: a worker process can't make the task: {outcome}")
    return outcome


def death(error: BrokenExecutor) -> Evaluation:
    """The failure of an evaluation whose worker died."""
    codes = re.search(r"exit codes of the workers are \{(.*)\}", str(error))
    reason = f"its worker process died ({codes[1] if codes else 'killed'})"
    return Evaluation(None, 0.0, reason)


def _packed(task: Task) -> bytes:
    """A task as bytes, made once: it is the same for all workers."""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(task))
    except Exception as error:
        raise InvalidValueError(
            f"workers: task {task.name!r} can't be sent to worker processes ({error}); define it "
            "in a module, or use one worker"
        ) from None
