"""Who holds a trial, or a lock: enough to tell from elsewhere whether the holder is still there.

On the same machine a holder is gone when its process is; on another one, when its lease is over.
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

#: Seconds for which another machine believes in a holder it can't see. Renewed at a quarter of it,
#: so that three renewals in a row may be late (a busy disk, a long pause) before work is repeated.
LEASE = 120.0


@dataclass(frozen=True)
class Owner:
    """A process, and the run in it, that holds something until `lease` (seconds since 1970)."""

    host: str
    boot: str
    pid: int
    started: str
    run: str
    lease: float

    @classmethod
    def of_this_process(cls, run: str = "") -> Owner:
        pid = os.getpid()
        return cls(
            host=_host(),
            boot=_boot(),
            pid=pid,
            started=_process(pid)[1],
            run=run,
            lease=time.time() + LEASE,
        )

    @classmethod
    def read(cls, value: Any) -> Owner | None:
        """The owner that `to_json` wrote; None for anything else."""
        try:
            return cls(**value)
        except TypeError:
            return None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def renewed(self) -> Owner:
        return replace(self, lease=time.time() + LEASE)

    @property
    def here(self) -> bool:
        """Whether this process is the holder."""
        return (self.host, self.boot, self.pid, self.started) == (
            _host(), _boot(), os.getpid(), _process(os.getpid())[1],
        )  # fmt: skip

    @property
    def gone(self) -> bool:
        """Whether the holder's process has ended, as far as can be seen from here."""
        # Another boot may be of another machine: many are called alike.
        if (self.host, self.boot) != (_host(), _boot()) or not _PIDS_TELL:
            return time.time() > self.lease
        alive, started = _process(self.pid)
        if not self.started:  # Another process may have its number by now (macOS does not tell).
            return not alive or time.time() > self.lease
        return not alive or started != self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host.partition('/')[0]}"


# On Windows `os.kill(pid, 0)` is no question, it is a Ctrl-C: there only leases are believed.
_PIDS_TELL = sys.platform != "win32"


@functools.cache
def _host() -> str:
    """The machine, and within it the space that its process numbers belong to (a container)."""
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
    """Whether `pid` runs, and its start time where the system tells (numbers are used again)."""
    if not _PIDS_TELL:
        return True, ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False, ""
    except (PermissionError, OverflowError):
        pass  # Somebody else's process is a process too.
    try:
        # proc(5): the name in brackets may hold anything, the state is the first field after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True, ""
    return fields[0] not in "ZX", fields[19]
