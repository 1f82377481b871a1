"""Databases: opened while others make their tables, and waited for when the connection is lost."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage

from optiproxy.errors import StudyError
from optiproxy.study._storage.patience import Patience

_logger = logging.getLogger("optiproxy.study")

# Seconds that a SQLite process waits for others; its own 5 are short on a shared disk.
_SQLITE_TIMEOUT = 600
# Seconds after which it is said what is waited for.
_QUIET = 2.0

# Attempts, half a second apart, to open a database whose tables another process is creating, and
# one that can't be reached: its server may be starting again.
_ATTEMPTS, _ATTEMPTS_TO_REACH = 60, 20

_DRIVERS = {
    "postgresql": "pip install 'optiproxy[postgresql]'",
    "mysql": "pip install pymysql, and write mysql+pymysql://…",
}

# What databases say → what it means; the first that fits.
_FULL = "the disk is full"
_LOST = "the connection is lost"
_MEANINGS = {
    _FULL: ("disk is full", "no space left"),
    "it can only be read": ("readonly", "read-only", "permission denied"),
    "another program holds its lock": ("locked",),
    _LOST: (
        "connect", "server closed", "starting up", "shutting down", "gone away", "ssl syscall",
        "recovery mode",
    ),
}  # fmt: skip


def open_database(url: str, place: str) -> BaseStorage:
    """The database at a URL.

    Args:
        url: As SQLAlchemy reads it.
        place: The same as messages show it, without its password.

    Raises:
        StudyError: It can't be opened, or its driver is missing.
    """
    from sqlalchemy.exc import SQLAlchemyError

    sqlite = url.startswith("sqlite")
    # Which driver a URL without one means differs between versions of SQLAlchemy.
    url = re.sub("^postgres(ql)?://", "postgresql+psycopg://", url)
    options: dict[str, Any] = (
        {"connect_args": {"timeout": _SQLITE_TIMEOUT}} if sqlite else {"pool_pre_ping": True}
    )
    said = ""
    for attempt in range(_ATTEMPTS):
        try:
            database = RDBStorage(url, engine_kwargs=options)
            if sqlite:
                _serialise(database, place)
            return patient(optuna.storages.get_storage(database), place)
        except ImportError as error:
            kind = url.partition(":")[0].partition("+")[0]
            remedy = _DRIVERS.get(kind, "install it first")
            missing = error.__cause__ or error
            raise StudyError(f"storage: {place!r} needs a driver ({missing}): {remedy}") from None
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            said = meaning(error)
            # Of two processes that create the same tables at once, one gets this error, on a slow
            # disk repeatedly, until the other has created the last one.
            clash = "already exists" in said or "alembic_version" in said
            lost = said.startswith(_LOST) and attempt < _ATTEMPTS_TO_REACH
            if attempt and not clash and not lost:
                break
            if lost and not attempt:
                _logger.warning("%s: %s; trying again for some seconds", place, said)
            time.sleep(0.5)
    raise StudyError(f"storage: {place!r} can't be opened: {said}")


def meaning(error: BaseException) -> str:
    """What an error of a database means, with its own words."""
    while error.__cause__ is not None:  # Optuna's says what it may be.
        error = error.__cause__
    words = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    for meant, texts in _MEANINGS.items():
        if any(text in words.lower() for text in texts):
            return f"{meant} ({words})"
    return words


def _serialise(database: RDBStorage, place: str) -> None:
    """Makes each transaction lock the file from its start, as SQLAlchemy's page on SQLite shows.

    SQLite itself locks at the first write, and Optuna checks before it whether a trial still waits:
    two processes could take the same one.
    """
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError

    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions itself

    def wait(connection: Any, seconds: float) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def begin(connection: Any) -> None:
        end, said = time.monotonic() + _SQLITE_TIMEOUT, False
        wait(connection, _QUIET)
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                # What commits waits for those who read.
                wait(connection, _SQLITE_TIMEOUT)
                return
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > end:
                    raise
                if not said:
                    said = True
                    _logger.warning("waiting for another program, which writes to %s", place)

    event.listen(database.engine, "connect", connect)
    event.listen(database.engine, "begin", begin)
    database.engine.dispose()  # connections from before


class _Patient:
    """Calls a database, and waits for its lost connection and for room on its disk.

    A call is made again when the database is back. Where it had been carried out before the answer
    was lost, a proposal is there twice, of which one is dropped as any duplicate, a query that was
    taken looks abandoned and is queued again, and a result is found written.

    Args:
        inner: The storage.
        place: As messages name it.
    """

    def __init__(self, inner: BaseStorage, place: str) -> None:
        self._inner = inner
        self._patience = Patience(place)
        self.hurry = self._patience.hurry


def _passed_on(name: str) -> Callable[..., Any]:
    def passed_on(self: _Patient, *args: Any, **kwargs: Any) -> Any:
        call = getattr(self._inner, name)
        return self._patience(lambda: call(*args, **kwargs), _trouble)

    return passed_on


def _trouble(error: Exception) -> str:
    """What is waited for."""
    from sqlalchemy.exc import SQLAlchemyError

    if not isinstance(error, optuna.exceptions.StorageInternalError | SQLAlchemyError):
        return ""
    what = meaning(error)
    return what if what.startswith((_LOST, _FULL)) else ""


def patient(inner: BaseStorage, place: str) -> BaseStorage:
    """A database whose lost connection, and room on whose disk, is waited for."""
    methods = {name: _passed_on(name) for name in dir(BaseStorage) if not name.startswith("_")}
    made: BaseStorage = type("Patient", (_Patient, BaseStorage), methods)(inner, place)
    return made
