"""What runs in a worker process: the task is made once, then queries come in."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Mapping

from optiproxy.spaces import Architecture
from optiproxy.tasks import Evaluation, Task

# Seconds between two looks at whether the parent is still there.
_WATCH = 1.0

_task: Task | None = None
_problem = ""


def attend(parent: int) -> None:
    """Makes this process depend on its parent, as a pool's worker should.

    Args:
        parent: Its process number, as it says itself: it may be gone by now.
    """
    # Ctrl-C reaches the whole process group; what it means is for the parent to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Processes that an evaluator starts, a loader of data's for example, are of the usual kind, and
    # not of that by which this one was started.
    multiprocessing.set_start_method(None, force=True)
    # A parent that is killed can't tell its workers, who would wait for work for ever.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def prepare(task: bytes, parent: int) -> None:
    """Reads the task. Never raises: a pool breaks without a reason when its workers can't start."""
    global _task, _problem
    attend(parent)
    try:
        _task = pickle.loads(task)  # Of our own parent.
    except Exception as error:
        _problem = f"{type(error).__name__}: {error}"


def query(
    arch: Architecture, seed: int, epochs: int | None, medians: Mapping[int, float]
) -> Evaluation | str:
    """Evaluates; the text of what went wrong where the worker could not make the task."""
    return (
        _problem if _task is None else _task.query(arch, seed=seed, epochs=epochs, medians=medians)
    )


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)
