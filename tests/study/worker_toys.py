"""Evaluators that die, hang or leave processes behind; imported by worker processes too."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optiproxy as op

SPACE = op.spaces.Chain({"act": ["fine", "kill", "segv", "exit", "code", "hang", "raise",
                                 "leave", "leave-hang", "hog", "pid", "oom", "read", "hide-hang"],
                         "width": [1, 2, 3, 4]})  # fmt: skip


def arch(act: str, width: int = 1) -> op.Architecture:
    return SPACE.architecture({"act": act, "width": width})


def log(text: object) -> None:
    with Path(os.environ["TOY_LOG"]).open("a") as file:
        file.write(f"{text}\n")


def _left_behind(**options: Any) -> int:
    """A process in a session of its own, which outlives its parent."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    return subprocess.Popen(command, start_new_session=True, **options).pid


def evaluate(arch: op.Architecture) -> dict[str, float]:
    act = arch["act"]
    if act == "kill":
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif act == "exit":
        sys.exit(3)
    elif act == "code":
        os._exit(7)
    elif act == "hang":
        time.sleep(600)
    elif act == "raise":
        raise ValueError("a bug of the user's")
    elif act == "leave":
        log(_left_behind())
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "leave-hang":
        log(_left_behind())
        time.sleep(600)
    elif act == "hide-hang":
        log(_left_behind(env={}))
        time.sleep(600)
    elif act == "hog":
        limit = 4 * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        return {"val": float(len(bytearray(2 * limit)))}
    elif act == "read":  # As ssh does.
        subprocess.run(["cat"], timeout=5, check=True)
    elif act == "oom":
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
    return {
        "val": float(arch["width"]),
        "pid": os.getpid(),
        "worker": float(os.environ["OPTIPROXY_WORKER"]),
        "gpu": float(os.environ.get("CUDA_VISIBLE_DEVICES") or -1),
    }


task = op.Task("acts", SPACE, evaluate, objectives={"val": "max"})
