"""Worker processes of one machine, of which each may die, hang or be ended alone.

Every worker is a `loky` executor of one process. An executor whose process dies breaks as a whole,
says with which exit code, and is made anew: with one process in each, that costs one evaluation.
"""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, replace
from functools import partial

from optiproxy import durations
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.hardware import cores
from optiproxy.study._workers import process_tree, worker
from optiproxy.study._workers.devices import environment
from optiproxy.study._workers.job import Job
from optiproxy.study._workers.threads import thread_limits
from optiproxy.tasks import Evaluation, Task
from optiproxy.tasks.failures import DEVICE, DIED, OUT_OF_MEMORY, TIME_LIMIT

# A worker keeps what it has loaded, such as a data set; `loky` would take that for a leak of memory
# and start another process.
_KEEP = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}

# Seconds between two checks of what runs: for time limits, and for the memory that it takes.
_WATCH = 0.25

# Seconds in which a process must have imported the task, where there is a time limit.
_IMPORT = 600.0

# Seconds that workers have to leave by themselves at the end of a search.
_FAREWELL = 5.0


class WorkerDied(Exception):
    """A worker's process ended in the middle of an evaluation.

    Args:
        evaluation: The failure that it is, if the query is not tried again.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation.reason)
        self.evaluation = evaluation


@dataclass
class _Running:
    """An evaluation that is out."""

    future: Future[Evaluation | str]
    started: float
    oom_kills: int
    peak: int = 0
    expired: bool = False


class Worker:
    """One process, made anew whenever it has died. It has one evaluation at a time.

    Args:
        number: Its number among the workers, from 0.
        device: The accelerator that it sees; empty for all.
        prepare: What it calls first.
        variables: Its environment, beside the parent's.
        limit: Seconds after which an evaluation is ended; None for no limit.
    """

    def __init__(
        self,
        number: int,
        device: str,
        prepare: Callable[[], None],
        variables: Mapping[str, str],
        limit: float | None,
    ) -> None:
        self._number = number
        self._device = device
        self._prepare = prepare
        self._variables = dict(variables)
        self._limit = limit
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._start()

    def _start(self) -> None:
        from loky import ProcessPoolExecutor

        self._mark = uuid.uuid4().hex
        self._executor: Executor = ProcessPoolExecutor(
            1, initializer=self._prepare, env={**self._variables, process_tree.MARK: self._mark}
        )
        self._ready: Future[int] = self._executor.submit(worker.pid)
        self._since: float | None = None
        self._spent = False  # Its process has been ended, or must be.

    @property
    def idle(self) -> bool:
        """Whether it has no evaluation."""
        return self._running is None

    def submit(self, job: Job) -> Future[Evaluation | str]:
        """Starts an evaluation; the future raises `WorkerDied` where its process died."""
        running = _Running(Future(), time.monotonic(), process_tree.oom_kills())
        self._running = running
        if self._spent:
            self._renew()
        try:
            inner = self._executor.submit(worker.run, job)
        except BrokenExecutor:  # It died while it was idle: nothing is lost.
            self._renew()
            inner = self._executor.submit(worker.run, job)
        inner.add_done_callback(partial(self._finish, running))
        return running.future

    def watch(self) -> None:
        """Notes how much memory is taken, and ends an evaluation that is past its limit."""
        with self._lock:
            running, pid = self._running, self._pid
            if running is None or running.expired:
                return
            now = time.monotonic()
            if pid is not None:
                running.peak = max(running.peak, process_tree.peak_memory(pid))
                # A process that was just started imports the task first: not the query's time.
                self._since = self._since or now
            started = running.started + _IMPORT if self._since is None else self._since
            if self._limit is not None and now - max(running.started, started) > self._limit:
                running.expired = self._spent = True
                process_tree.end(self._mark, pid)

    def _renew(self) -> None:
        self.end()
        self._start()

    def leave(self) -> threading.Thread:
        """Asks the process to leave by itself; the thread ends when it has."""
        thread = threading.Thread(target=self._executor.shutdown, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Ends the process with all that it started."""
        process_tree.end(self._mark, self._pid)
        self._executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]

    @property
    def _pid(self) -> int | None:
        """The process's number; None before it is ready, and where it could not start."""
        ready = self._ready
        return ready.result() if ready.done() and ready.exception() is None else None

    def _finish(self, running: _Running, inner: Future[Evaluation | str]) -> None:
        result: Evaluation | str | BaseException
        try:
            result = self._result(running, inner)
        except BaseException as error:
            result = error
        with self._lock:  # Not in the middle of a look at its limit.
            self._running = None
        if isinstance(result, BaseException):
            running.future.set_exception(result)
        else:
            running.future.set_result(result)

    def _result(self, running: _Running, inner: Future[Evaluation | str]) -> Evaluation | str:
        try:
            result = inner.result()
        except BrokenExecutor as error:
            # What it started lives on, and may hold a device's memory.
            process_tree.end(self._mark, self._pid)
            seconds = time.monotonic() - max(running.started, self._since or 0.0)
            if running.expired and self._limit is not None:
                reason = f"time limit: it was ended after {durations.text(self._limit)}"
                late = Evaluation(None, seconds, reason, kind=TIME_LIMIT)
                return self._placed(late)
            raise WorkerDied(self._placed(_death(error, running, seconds))) from None
        if isinstance(result, str):
            return result
        if result.kind == DEVICE:
            self._spent = True  # The process can't use the device any more.
            raise WorkerDied(self._placed(result))
        return self._placed(result)

    def _placed(self, evaluation: Evaluation) -> Evaluation:
        return replace(evaluation, worker=self._number, device=self._device)


class Processes:
    """Worker processes that are replaced when they die. Each makes the task once.

    Args:
        task: What they evaluate.
        workers: How many.
        devices: The accelerators, which the workers take in turn; empty where each sees all.
        time_limit: Seconds after which an evaluation is ended; None for no limit.

    Raises:
        InvalidValueError: The task can't be sent to another process.
    """

    def __init__(
        self,
        task: Task,
        workers: int,
        devices: Sequence[str] = (),
        time_limit: float | None = None,
    ) -> None:
        prepare = partial(worker.prepare, _packed(task), os.getpid())
        # Each worker gets its part of the cores: more threads than cores slow all of them down.
        threads = thread_limits(max(1, cores() // workers)) if workers > 1 else {}
        self._workers = []
        for number in range(workers):
            device = devices[number % len(devices)] if devices else ""
            variables = {**threads, **environment(number, device), **_KEEP}
            self._workers.append(Worker(number, device, prepare, variables, time_limit))
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="optiproxy-workers").start()

    def submit(self, job: Job) -> Future[Evaluation | str]:
        """Gives an evaluation to a worker that has none.

        Raises:
            StudyError: All of them have one.
        """
        for one in self._workers:
            if one.idle:
                return one.submit(job)
        raise StudyError(f"workers: all {len(self._workers)} of them are evaluating")

    def close(self, *, kill: bool) -> None:
        """Lets the workers go, or ends them in the middle of their work."""
        self._closed.set()
        if not kill:
            # A thread that an evaluator left behind may keep a worker for ever.
            deadline = time.monotonic() + _FAREWELL
            for thread in [one.leave() for one in self._workers]:
                thread.join(max(0.0, deadline - time.monotonic()))
        for one in self._workers:
            one.end()

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH):
            for one in self._workers:
                one.watch()


def _death(error: BrokenExecutor, running: _Running, seconds: float) -> Evaluation:
    """The failure of an evaluation whose worker died."""
    codes = re.search(r"exit codes of the workers are \{(.*)\}", str(error))
    code = codes[1] if codes else "killed"
    starved = "SIGKILL" in code and process_tree.oom_kills() > running.oom_kills
    parts = [code, "the system was out of memory" if starved else ""]
    if running.peak:
        parts.append(f"peak memory {running.peak / 2**30:.2g} GiB")
    reason = f"its worker process died ({', '.join(part for part in parts if part)})"
    return Evaluation(None, seconds, reason, kind=OUT_OF_MEMORY if starved else DIED)


def _packed(task: Task) -> bytes:
    """A task as bytes, made once: it is the same for all workers."""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(task))
    except Exception as error:
        raise InvalidValueError(
            f"workers: task {task.name!r} can't be sent to worker processes ({error}); define it "
            "in a module, or evaluate in this process (in_process=True, --in-process)"
        ) from None
