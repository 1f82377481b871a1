"""A worker with all processes that it started: ending them together, and measuring memory.

Every worker has a mark in its environment, which what it starts inherits. So a process is found
whose parent has died already, and one that left its group, as the workers of ``torchrun`` do; and
by its parent one that was given another environment. That needs Linux's ``/proc``; elsewhere the
process group is ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

#: The environment variable that holds a worker's mark.
MARK = "OPTIPROXY_WORKER_MARK"

_LINUX = sys.platform == "linux"

# A process may fork while its siblings are ended: seconds in which the last one must be gone.
_PATIENCE = 5.0


def members(mark: str) -> list[int]:
    """The process numbers of the worker with this mark and of what it started; on Linux alone."""
    if not _LINUX:
        return []
    wanted = f"{MARK}={mark}".encode()
    found, children = [], defaultdict(list)
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        # Unreadable: somebody else's, or over. Of one that is over it is empty.
        with contextlib.suppress(OSError):
            # proc(5): the name in brackets may hold anything, after it come the state and parent.
            state, parent = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children[int(parent)].append(pid)
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                found.append(pid)
    for pid in found:  # It grows.
        found += [child for child in children[pid] if child not in found]
    return found


def end(mark: str, group: int | None, keep: int | None = None) -> None:
    """Kills a worker and all that it started.

    Args:
        mark: The worker's.
        group: Its process group; None where it is not known to have one.
        keep: The number of a process that is spared, such as the caller.
    """
    left = members(mark)  # Before a parent is ended, by which some are found.
    if group is not None and keep is None and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE
    while left and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if pid != keep:
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        left = [pid for pid in members(mark) if pid != keep]


def peak_memory(pid: int) -> int:
    """The most memory that a running process has had, in bytes; 0 where it can't be read."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory, here or in this container.

    A worker that was killed with SIGKILL while this number rose was most probably one of them.
    """
    for place, name in ((_memory_events(), "oom_kill"), (Path("/proc/vmstat"), "oom_kill")):
        with contextlib.suppress(OSError, ValueError):
            for line in place.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    return 0


def _memory_events() -> Path:
    """The file in which version 2 of control groups counts what happened to this process's."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return Path("/sys/fs/cgroup" + line[3:].rstrip("/"), "memory.events")
    return Path("/sys/fs/cgroup/memory.events")
