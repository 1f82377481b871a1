"""Leases: which process holds a trial or a lock, and whether it still runs.

On the same machine a lease ends with its process; seen from another machine, whose clock may be
another one, when it is not renewed any more. One that no process holds (`Lease.until`) ends when it
expires.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: Seconds until a lease expires. Renewed at a quarter of it, so that three late renewals in a row
#: (a busy disk, a long pause) do not lead to repeated work.
DURATION = 120.0

# Seconds by which the clocks of two machines may differ.
_SKEW = 600.0


@dataclass(frozen=True)
class Lease:
    """A process, and the run in it, that hold something.

    Attributes:
        host: The machine and the namespace of its process numbers.
        boot: The machine's boot id; empty where the system has none.
        pid: The process number; 0 where no process holds it, but whoever asked for it.
        started: When the process began, in the system's own unit; empty where it is unknown.
        run: The name of one `Study.run`, unique over all processes.
        lease: When it expires, in seconds since 1970.
    """

    host: str
    boot: str
    pid: int
    started: str
    run: str
    lease: float

    @classmethod
    def of_this_process(cls, run: str = "") -> Lease:
        pid = os.getpid()
        return cls(
            host=_host(),
            boot=_boot(),
            pid=pid,
            started=_process(pid)[1],
            run=run,
            lease=time.time() + DURATION,
        )

    @classmethod
    def until(cls, expires: float, run: str) -> Lease:
        """A lease that no process holds, until `expires`, in seconds since 1970."""
        return cls(socket.gethostname(), "", 0, "", run, expires)

    @property
    def timed(self) -> bool:
        """Whether no process holds it."""
        return self.pid == 0

    @classmethod
    def read(cls, value: Any) -> Lease | None:
        """The lease that `to_json` wrote; None for anything else."""
        try:
            return cls(**value)
        except TypeError:
            return None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def renewed(self) -> Lease:
        return replace(self, lease=time.time() + DURATION)

    @property
    def here(self) -> bool:
        """Whether this process is the holder."""
        return (self.host, self.boot, self.pid, self.started) == (
            _host(), _boot(), os.getpid(), _process(os.getpid())[1],
        )  # fmt: skip

    @property
    def gone(self) -> bool:
        """Whether the holder's process has ended, as far as this machine can see."""
        # Different machines may have the same name, but not the same boot id.
        elsewhere = (self.host, self.boot) != (_host(), _boot())
        if self.timed:
            return time.time() > self.lease
        if elsewhere or not _CAN_PROBE:
            return self._unrenewed
        alive, started = _process(self.pid)
        if not self.started:  # macOS: the number may have been reused by another process.
            return not alive or self._unrenewed
        return not alive or started != self.started

    @property
    def _unrenewed(self) -> bool:
        """Whether its process renews it no more."""
        # The second half needs no clock but this process's own, but it has to watch.
        watched = time.monotonic() - _first_seen(self)
        return time.time() > self.lease + _SKEW or watched > DURATION

    def __str__(self) -> str:
        if self.timed:
            return f"a program that asked on {self.host}"
        return f"process {self.pid} on {self.host.partition('/')[0]}"


# On Windows `os.kill(pid, 0)` ends the process instead of probing it: there only time counts.
_CAN_PROBE = sys.platform != "win32"


@functools.lru_cache(maxsize=4096)  # A lease that is renewed is another one.
def _first_seen(lease: Lease) -> float:
    """When this process saw a lease for the first time, in seconds that only it knows."""
    return time.monotonic()


@functools.cache
def _host() -> str:
    """The machine and its process namespace: containers number their processes separately."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}"


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _process(pid: int) -> tuple[bool, str]:
    """Whether `pid` runs, and its start time where the system reports it (numbers are reused)."""
    if not _CAN_PROBE:
        return True, ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False, ""
    except (PermissionError, OverflowError):
        pass  # It runs, under another user.
    try:
        # proc(5): the name in brackets may hold anything, the state is the first field after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True, ""
    return fields[0] not in "ZX", fields[19]
