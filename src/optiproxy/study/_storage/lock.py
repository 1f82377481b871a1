"""The lock of a journal file, which says who holds it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from optuna.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock

from optiproxy.study._storage.lease import Lease

_logger = logging.getLogger("optiproxy.study")

BaseLock = JournalFileSymlinkLock | JournalFileOpenLock

# Seconds after which a lock without a lease counts as abandoned, as in Optuna.
_GRACE = 30

#: Seconds after which it is said what is waited for.
PATIENCE = 2.0


def lock_of(path: Path) -> BaseLock:
    """The lock of a journal file."""
    if sys.platform == "win32":  # Symbolic links need a privilege there.
        return JournalFileOpenLock(str(path))
    return OwnedLock(str(path))


@contextlib.contextmanager
def held(lock: BaseLock) -> Iterator[None]:
    """Inside, no other process writes."""
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


class OwnedLock(JournalFileSymlinkLock):
    """Optuna's lock, a symbolic link beside the file, with a lease as its text.

    Optuna's own lock names no holder and is taken over after 30 s, for which a search that was
    killed while it wrote would hang when it is resumed. A link is created together with its text,
    so a lock always has a holder.
    """

    def acquire(self) -> bool:
        pause, begun, said = 0.001, time.monotonic(), False
        while True:
            text = json.dumps(Lease.of_this_process(uuid.uuid4().hex).to_json())
            try:
                os.symlink(text, self._lock_file)
                return True
            except FileExistsError:
                self._take_away()
            except OSError as error:  # Without the link's text.
                raise OSError(error.errno, error.strerror, self._lock_file) from None
            if not said and time.monotonic() - begun > PATIENCE:
                said = True
                _logger.warning("%s", self._waiting())
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    def _waiting(self) -> str:
        try:
            holder = Lease.read(json.loads(self._read() or ""))
        except ValueError:
            holder = None
        return (
            f"waiting for {holder or 'another program'}, which holds the lock {self._lock_file}; "
            "it is taken over when that process has ended"
        )

    def release(self) -> None:
        """Removes the lock.

        In one step: Optuna's own needs two, and Ctrl-C between them became another error.

        Raises:
            RuntimeError: There is none.
        """
        try:
            os.unlink(self._lock_file)
        except FileNotFoundError:
            raise RuntimeError(f"the lock {self._lock_file} is gone") from None

    def _take_away(self) -> None:
        """Removes the lock of a process that has ended."""
        text = self._read()
        if text is None or not self._abandoned(text):
            return
        # Renamed and read again: another process may have removed it first, and a third one may
        # hold it by now.
        aside = f"{self._lock_file}{uuid.uuid4()}.rename"
        try:
            os.rename(self._lock_file, aside)
        except OSError:
            return
        moved = os.readlink(aside) if os.path.islink(aside) else ""
        if moved != text:
            with contextlib.suppress(FileExistsError):
                os.symlink(moved, self._lock_file)
        os.unlink(aside)

    def _read(self) -> str | None:
        """The text of the lock: empty if it is not a link, None if there is no lock."""
        try:
            return os.readlink(self._lock_file)
        except FileNotFoundError:
            return None
        except OSError:
            return ""

    def _abandoned(self, text: str) -> bool:
        try:
            lease = Lease.read(json.loads(text))
        except ValueError:
            lease = None
        if lease is not None:
            return lease.gone
        try:  # Optuna's own kind, such as the dashboard's.
            return time.time() - os.lstat(self._lock_file).st_mtime > _GRACE
        except OSError:
            return False
