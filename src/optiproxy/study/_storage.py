"""Opens the place where a study is kept: memory, Optuna's journal file, or a database."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from optiproxy.errors import StudyError
from optiproxy.study._owner import Owner

Storage = str | os.PathLike[str] | None

# Seconds that a SQLite writer waits for another one; its own 5 are short on a shared disk.
_SQLITE_TIMEOUT = 60


def open_storage(storage: Storage) -> BaseStorage:
    """None is memory, text with ``://`` a database, anything else the path of a journal file.

    Raises:
        StudyError: It can't be opened or is no storage; the message says why.
    """
    if storage is None:
        return InMemoryStorage()
    text = os.fspath(storage)
    try:
        return _database(text) if "://" in text else _journal(Path(text))
    except StudyError:
        raise
    except ImportError as error:
        raise StudyError(f"storage: {text!r} needs a driver: {error}; install it first") from None
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"storage: {text!r} can't be opened: {error}") from None


def _database(url: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    options = {"connect_args": {"timeout": _SQLITE_TIMEOUT}} if url.startswith("sqlite") else {}
    try:
        return optuna.storages.get_storage(RDBStorage(url, engine_kwargs=options))
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise StudyError(f"storage: {url!r} can't be opened: {reason}") from None


def _journal(path: Path) -> BaseStorage:
    # The lock stands beside the file and holds its path, so both must be absolute.
    path = Path(os.path.abspath(path))
    if path.is_dir():
        raise StudyError(f"storage: {str(path)!r} is a folder; give a file, such as runs.journal")
    if not path.parent.is_dir():
        raise StudyError(f"storage: there is no folder {str(path.parent)!r}; make it first")
    lock = OwnedLock(str(path))
    if path.exists():
        _check_journal(path, lock)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _check_journal(path: Path, lock: OwnedLock) -> None:
    """Refuses a file that is no journal; cuts off a last line that a crash left half-written."""
    with path.open("rb") as file:
        first = file.readline()
        if not first:
            return
        file.seek(-1, os.SEEK_END)
        torn = file.read(1) != b"\n"
    if not first.startswith(b'{"op_code"'):
        raise StudyError(
            f"storage: {str(path)!r} is no study file; give another path, or a database URL"
        )
    if not torn:
        return
    lock.acquire()
    try:
        content = path.read_bytes()  # Again, now that nobody is in the middle of a line.
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
    finally:
        lock.release()


class OwnedLock(JournalFileOpenLock):
    """Optuna's lock file with its holder's name in it, so that a killed holder is not waited for.

    Optuna's own locks don't say who holds them and wait 30 s before they take one over; a search
    killed while it wrote would stand still that long when it is resumed.
    """

    def acquire(self) -> bool:
        self._break()
        super().acquire()
        with contextlib.suppress(OSError):
            descriptor = os.open(self._lock_file, os.O_WRONLY)
            os.write(descriptor, json.dumps(Owner.of_this_process().to_json()).encode())
            os.close(descriptor)
        return True

    def _break(self) -> None:
        """Removes the lock of a process that has ended."""
        if not self._abandoned():
            return
        # Only one may remove it, and must look again: else a second one, having looked before the
        # first removed it, would remove the lock that somebody has taken since.
        breaker = self._lock_file + ".break"
        try:
            os.close(os.open(breaker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except OSError:
            return
        try:
            if self._abandoned():
                os.unlink(self._lock_file)
        finally:
            os.unlink(breaker)

    def _abandoned(self) -> bool:
        try:
            owner = Owner.read(json.loads(Path(self._lock_file).read_text()))
        except (OSError, ValueError):
            return False
        return owner is not None and owner.gone
