"""The measuring process: started when it is first needed, ended with a measurement that hangs."""

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

# The variables by which the usual numerical libraries are told how many threads to start.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_lock = threading.Lock()
# By runtime and threads; the process number tells a fork of this process, which starts its own.
_timers: dict[tuple[str, int, int], subprocess.Popen[str]] = {}


def ask(request: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """The answer of the measuring process.

    Args:
        request: As `_timer` reads it: ``runtime``, ``threads``, ``model``, ``inputs``, ….
        limit_s: After so many seconds the process is killed.

    Raises:
        MeasurementFailed: It died, took too long, or says what went wrong.
    """
    # One at a time: two that ran at once would measure each other.
    with _lock:
        key = (request["runtime"], request["threads"], os.getpid())
        timer = _timers.pop(key, None)
        if timer is None or timer.poll() is not None:
            timer = _start(*key[:2])
        try:
            line = _exchange(timer, json.dumps(request), limit_s)
        except BaseException:
            # What it may still answer belongs to no other request.
            kill(timer)
            raise
        _timers[key] = timer
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise MeasurementFailed(f"measurement: {answer['error']}")
    return answer


def _start(runtime: str, threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # -P: what lies beside the file is no module of its.
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
    """The next line of a process; None when the time is up."""
    assert timer.stdout is not None
    if sys.platform == "win32":  # There a pipe can't be waited for.
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
    """Ends a process that was started in a session of its own, with all its children."""
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
