"""Opens the place where a study is kept: memory, Optuna's journal file, or a database."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)

from optiproxy.errors import StudyError
from optiproxy.study._owner import Owner

Storage = str | os.PathLike[str] | None
BaseLock = JournalFileSymlinkLock | JournalFileOpenLock

# Seconds that a SQLite writer waits for another one; its own 5 are short on a shared disk.
_SQLITE_TIMEOUT = 60

# Seconds after which a lock that does not say whose it is counts as left behind; Optuna's own.
_GRACE = 30


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


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna tells each study it makes; its level is given back, for it is the user's too."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


@contextmanager
def storage_errors(storage: Storage) -> Iterator[None]:
    """A disk that is full or read-only is no mistake of ours."""
    try:
        yield
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        if storage is None:
            raise
        raise StudyError(f"storage: {os.fspath(storage)!r} can't be used: {error}") from error


def _database(url: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    options = {"connect_args": {"timeout": _SQLITE_TIMEOUT}} if url.startswith("sqlite") else {}
    reason = ""
    # Twice: of two processes that make the same tables at once, one is told that they exist.
    for _ in range(2):
        try:
            database = RDBStorage(url, engine_kwargs=options)
            if url.startswith("sqlite"):
                _serialise(database)
            return optuna.storages.get_storage(database)
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            time.sleep(0.5)
    raise StudyError(f"storage: {url!r} can't be opened: {reason}")


def _serialise(database: RDBStorage) -> None:
    """Makes each transaction lock the file from its start, as SQLAlchemy's page on SQLite shows.

    By itself SQLite locks at the first write, and Optuna looks whether a trial still waits before
    that: of two processes both could take the same one.
    """
    from sqlalchemy import event

    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # sqlite3 begins no transaction by itself

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(database.engine, "connect", connect)
    event.listen(database.engine, "begin", begin)
    database.engine.dispose()  # connections from before


def _journal(path: Path) -> BaseStorage:
    # The lock stands beside the file and holds its path, so both must be absolute.
    path = Path(os.path.abspath(path))
    if path.is_dir():
        raise StudyError(f"storage: {str(path)!r} is a folder; give a file, such as runs.journal")
    if not path.parent.is_dir():
        raise StudyError(f"storage: there is no folder {str(path.parent)!r}; make it first")
    lock: BaseLock = OwnedLock(str(path))
    if sys.platform == "win32":  # Links need a privilege there.
        lock = JournalFileOpenLock(str(path))
    if path.exists():
        _check_journal(path, lock)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _check_journal(path: Path, lock: BaseLock) -> None:
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


class OwnedLock(JournalFileSymlinkLock):
    """Optuna's lock, a symbolic link beside the file, that says who holds it.

    Optuna's own does not, and takes over what is held for 30 s; a search that was killed while it
    wrote would stand still that long when it is resumed. A link is made with its text at once, so
    there is no moment at which a lock is nobody's.
    """

    def acquire(self) -> bool:
        pause = 0.001
        while True:
            text = json.dumps(Owner.of_this_process(uuid.uuid4().hex).to_json())
            try:
                os.symlink(text, self._lock_file)
                return True
            except FileExistsError:
                self._take_away()
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    def _take_away(self) -> None:
        """Removes the lock of a process that has ended."""
        text = self._read()
        if text is None or not self._abandoned(text):
            return
        # Renamed and looked at again: somebody else may have been here first, and a third one may
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
        """The text of the lock: empty for one that is no link, None where there is none."""
        try:
            return os.readlink(self._lock_file)
        except FileNotFoundError:
            return None
        except OSError:
            return ""

    def _abandoned(self, text: str) -> bool:
        try:
            owner = Owner.read(json.loads(text))
        except ValueError:
            owner = None
        if owner is not None:
            return owner.gone
        try:  # Of Optuna's own kind, such as the dashboard's.
            return time.time() - os.lstat(self._lock_file).st_mtime > _GRACE
        except OSError:
            return False
