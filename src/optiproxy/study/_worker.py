"""What runs in a worker process: the task is made once, then queries come in."""

from __future__ import annotations

import pickle
import signal

from optiproxy.spaces import Architecture
from optiproxy.tasks import Evaluation, Task

_task: Task | None = None
_problem = ""


def prepare(task: bytes) -> None:
    """Reads the task. Never raises: a pool breaks without a reason when its workers can't start."""
    global _task, _problem
    ignore_interrupts()
    try:
        _task = pickle.loads(task)  # Of our own parent.
    except Exception as error:
        _problem = f"{type(error).__name__}: {error}"


def ignore_interrupts() -> None:
    """Ctrl-C reaches the whole process group; what it means is for the parent to decide."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def query(arch: Architecture, seed: int) -> Evaluation | str:
    """Evaluates; the text of what went wrong where the worker could not make the task."""
    return _problem if _task is None else _task.query(arch, seed=seed)
