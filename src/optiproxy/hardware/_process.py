"""The measuring process: started on first use, and killed when a measurement hangs."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from optiproxy.errors import MeasurementFailed

# Environment variables with the number of threads of numerical libraries.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_lock = threading.Lock()
# By runtime, threads and our process number: a fork of this process starts its own.
_timers: dict[tuple[str, int, int], subprocess.Popen[str]] = {}


def ask(request: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """The answer of the measuring process.

    Args:
        request: As `_timer` reads it: ``runtime``, ``threads``, ``model``, ``inputs``, ….
        limit_s: Seconds after which the process is killed.

    Raises:
        MeasurementFailed: It died, took too long, or reports an error.
    """
    # One at a time: two at once would slow each other down.
    with _lock:
        key = (request["runtime"], request["threads"], os.getpid())
        timer = _timers.pop(key, None)
        if timer is None or timer.poll() is not None:
            timer = _start(*key[:2])
        try:
            line = _exchange(timer, json.dumps(request), limit_s)
        except BaseException:
            # A late answer must not be taken for that of the next request.
            kill(timer)
            raise
        _timers[key] = timer
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise MeasurementFailed(f"measurement: {answer['error']}")
    return answer


def _start(runtime: str, threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # -P: the files beside it must not be importable.
        [sys.executable, "-P", str(Path(__file__).with_name("_timer.py")), runtime],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **dict.fromkeys(_THREADS, str(threads))},
        start_new_session=True,
    )


def _exchange(timer: subprocess.Popen[str], text: str, limit_s: float) -> str:
    assert timer.stdin is not None
    assert timer.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        timer.stdin.write(text + "\n")
        timer.stdin.flush()
    line = _line(timer, limit_s)
    if line is None:
        raise MeasurementFailed(f"measurement: it took longer than {limit_s:g} s")
    if not line.endswith("\n"):
        raise MeasurementFailed("measurement: the measuring process died")
    return line


def _line(timer: subprocess.Popen[str], limit_s: float) -> str | None:
    """The next line of a process; None after the time limit."""
    assert timer.stdout is not None
    if sys.platform == "win32":  # select does not wait for pipes there.
        watch = threading.Timer(limit_s, kill, [timer])
        watch.start()
        try:
            return timer.stdout.readline() or None
        finally:
            watch.cancel()
    with selectors.DefaultSelector() as selector:
        selector.register(timer.stdout, selectors.EVENT_READ)
        return timer.stdout.readline() if selector.select(limit_s) else None


def kill(process: subprocess.Popen[Any]) -> None:
    """Kills a process that leads its own session, with all its children."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()


@atexit.register
def _close() -> None:
    for (_, _, pid), timer in _timers.items():
        if pid == os.getpid():
            kill(timer)
