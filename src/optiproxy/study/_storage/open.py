"""Opens a study's storage: memory, Optuna's journal file, or a database."""

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
from optiproxy.study._storage.lease import Lease

Storage = str | os.PathLike[str] | None
BaseLock = JournalFileSymlinkLock | JournalFileOpenLock

# Seconds that a SQLite writer waits for another one; its own 5 are short on a shared disk.
_SQLITE_TIMEOUT = 60

# Attempts, half a second apart, to open a database whose tables another process is creating.
_ATTEMPTS = 60

# Seconds after which a lock without a lease counts as abandoned, as in Optuna.
_GRACE = 30


def shown(storage: Storage) -> str:
    """A storage as messages name it; a database's URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    text = "memory" if storage is None else os.fspath(storage)
    try:
        return make_url(text).render_as_string() if "://" in text else text
    except ArgumentError:
        return text


def open_storage(storage: Storage) -> BaseStorage:
    """None is memory, text with ``://`` a database, anything else the path of a journal file.

    Raises:
        StudyError: It can't be opened or is not a storage; the message says why.
    """
    if storage is None:
        return InMemoryStorage()
    text, place = os.fspath(storage), shown(storage)
    try:
        return _database(text) if "://" in text else _journal(Path(text))
    except StudyError:
        raise
    except ImportError as error:
        raise StudyError(f"storage: {place!r} needs a driver: {error}; install it first") from None
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"storage: {place!r} can't be opened: {error}") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, Optuna does not log each study that it creates; its level is restored after."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


@contextmanager
def storage_errors(storage: Storage) -> Iterator[None]:
    """Turns the errors of a full or read-only disk into a StudyError that names the storage."""
    try:
        yield
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        if storage is None:
            raise
        raise StudyError(f"storage: {shown(storage)!r} can't be used: {error}") from error


def _database(url: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    options = {"connect_args": {"timeout": _SQLITE_TIMEOUT}} if url.startswith("sqlite") else {}
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            database = RDBStorage(url, engine_kwargs=options)
            if url.startswith("sqlite"):
                _serialise(database)
            return optuna.storages.get_storage(database)
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            # Of two processes that create the same tables at once, one gets this error, on a slow
            # disk repeatedly, until the other has created the last one.
            known = "already exists" in reason or "alembic_version" in reason
            if attempt and not known:
                break
            time.sleep(0.5)
    raise StudyError(f"storage: {shown(url)!r} can't be opened: {reason}")


def _serialise(database: RDBStorage) -> None:
    """Makes each transaction lock the file from its start, as SQLAlchemy's page on SQLite shows.

    SQLite itself locks at the first write, and Optuna checks before it whether a trial still waits:
    two processes could take the same one.
    """
    from sqlalchemy import event

    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions itself

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(database.engine, "connect", connect)
    event.listen(database.engine, "begin", begin)
    database.engine.dispose()  # connections from before


def _journal(path: Path) -> BaseStorage:
    # The lock is a file beside it whose name contains the path, so both must be absolute.
    path = Path(os.path.abspath(path))
    if path.is_dir():
        raise StudyError(f"storage: {str(path)!r} is a folder; give a file, such as runs.journal")
    if not path.parent.is_dir():
        raise StudyError(f"storage: there is no folder {str(path.parent)!r}; make it first")
    lock: BaseLock = OwnedLock(str(path))
    if sys.platform == "win32":  # Symbolic links need a privilege there.
        lock = JournalFileOpenLock(str(path))
    if path.exists():
        _check_journal(path, lock)
    return JournalStorage(WholeLines(str(path), lock))


def _check_journal(path: Path, lock: BaseLock) -> None:
    """Refuses a file that is not a journal; cuts off a last line that a crash left unfinished."""
    with path.open("rb") as file:
        first = file.readline()
        if not first:
            return
    if not first.startswith(b'{"op_code"'):
        raise StudyError(
            f"storage: {str(path)!r} is not a study file; give another path, or a database URL"
        )
    if _torn(path):
        with _held(lock):
            _cut(path)  # Checked again, now that no other process is writing.


@contextlib.contextmanager
def _held(lock: BaseLock) -> Iterator[None]:
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _torn(path: Path) -> bool:
    """Whether the last line of a file is unfinished."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _cut(path: Path) -> None:
    """Cuts off an unfinished last line; the caller holds the lock."""
    if _torn(path):
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


class WholeLines(JournalFileBackend):
    """Optuna's journal file, in which a failed write does not corrupt the next one.

    A full disk, or a process killed while it writes, leaves a part of a line; what another process
    then appends would be part of that unreadable line.
    """

    def __init__(self, path: str, lock: BaseLock) -> None:
        super().__init__(path, lock_obj=lock)
        self._path = Path(path)
        self._lines_lock = lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        # Unbuffered: after an error, a buffer would still be written when the file is closed.
        with _held(self._lines_lock), self._path.open("ab", buffering=0) as file:
            _cut(self._path)
            try:
                rest = memoryview(text.encode())
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                _cut(self._path)  # Whole lines stay: another process may have read them.
                raise


class OwnedLock(JournalFileSymlinkLock):
    """Optuna's lock, a symbolic link beside the file, with a lease as its text.

    Optuna's own lock names no holder and is taken over after 30 s, for which a search that was
    killed while it wrote would hang when it is resumed. A link is created together with its text,
    so a lock always has a holder.
    """

    def acquire(self) -> bool:
        pause = 0.001
        while True:
            text = json.dumps(Lease.of_this_process(uuid.uuid4().hex).to_json())
            try:
                os.symlink(text, self._lock_file)
                return True
            except FileExistsError:
                self._take_away()
            except OSError as error:  # Without the link's text.
                raise OSError(error.errno, error.strerror, self._lock_file) from None
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

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
