"""What runs in a worker process: the task is made once, then queries come in."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time

from optiproxy.study._workers import process_tree
from optiproxy.study._workers.job import Job
from optiproxy.tasks import Evaluation, Task

# Seconds between two checks that the parent is still there.
_WATCH = 1.0

_task: Task | None = None
_problem = ""


def attend(parent: int) -> None:
    """Makes this process depend on its parent, as a pool's worker should.

    Args:
        parent: The parent's process number as the parent knows it: it may have ended by now.
    """
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The input is the parent's too: programs that an evaluator starts must not wait for it.
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    # Processes that an evaluator starts, such as a data loader's, are of the usual kind, and not of
    # the kind by which this one was started.
    multiprocessing.set_start_method(None, force=True)
    # A parent that is killed can't stop its workers, which would wait for work for ever.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def prepare(task: bytes, parent: int) -> None:
    """Reads the task. Never raises: a pool breaks without a reason when its workers can't start."""
    global _task, _problem
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):  # It leads a group already.
            os.setsid()  # A group of its own, so that all of it can be ended together.
    attend(parent)
    try:
        _task = pickle.loads(task)  # Our own parent's.
    except Exception as error:
        _problem = f"{type(error).__name__}: {error}"


def pid() -> int:
    """The worker's process number; its answer says that the task is made."""
    return os.getpid()


def run(job: Job) -> Evaluation | str:
    """Evaluates; the text of what went wrong where the worker could not make the task."""
    if _task is None:
        return _problem
    return job.of(_task)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH)
    if mark := os.environ.get(process_tree.MARK):
        process_tree.end(mark, None, keep=os.getpid())
    os._exit(1)
