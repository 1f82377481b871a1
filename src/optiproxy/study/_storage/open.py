"""Opens a study's storage: memory, Optuna's journal file, or a database."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, InMemoryStorage

from optiproxy.errors import StudyError
from optiproxy.study._storage.database import meaning, open_database
from optiproxy.study._storage.journal import open_journal
from optiproxy.study._storage.patience import no_room

Storage = str | os.PathLike[str] | None

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


# A database in the memory of one process: nothing that memory itself is not.
IN_MEMORY = ("sqlite://", "sqlite:///:memory:")


_DATABASE_WITHOUT_SLASHES = re.compile(r"(sqlite|postgres\w*|mysql\w*)(\+\w+)?:(?!//)")


def expanded(storage: Storage) -> Storage:
    """A storage with the home folder in place of ``~``, also in the URL of a SQLite database.

    Raises:
        StudyError: It is the URL of a database but for its slashes.
    """
    text = "" if storage is None else os.fspath(storage)
    if text in IN_MEMORY:
        return None
    if slips := _DATABASE_WITHOUT_SLASHES.match(text):
        remedy = f"{slips[1]}:///{text[slips.end() :].lstrip('/')}"
        raise StudyError(f"storage: {text!r} is no URL of a database; write {remedy}")
    for before in ("sqlite:///", ""):
        if text.startswith(f"{before}~"):
            return before + os.path.expanduser(text.removeprefix(before))
    return storage


def shown(storage: Storage) -> str:
    """A storage as messages name it; a database's URL without its password."""
    text = "memory" if storage is None else os.fspath(storage)
    if "://" not in text:
        return text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text).render_as_string()
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
        return open_database(text, place) if "://" in text else open_journal(Path(text))
    except OSError as error:
        raise StudyError(f"storage: {place!r} can't be opened: {_meaning(error)}") from None
    except (ValueError, KeyError) as error:
        raise StudyError(f"storage: {place!r} can't be opened: {error}") from None


def open_study(
    storage: BaseStorage, name: str, maximized: Sequence[bool]
) -> tuple[optuna.Study, bool]:
    """The study of this name, and whether it was made: there was none.

    Args:
        storage: Where it is.
        name: Its name.
        maximized: For each objective, its direction.
    """
    made = False
    if name not in optuna.get_all_study_names(storage):  # An existing one is only read.
        # Another process may make it in the meantime.
        with suppress(optuna.exceptions.DuplicatedStudyError):
            optuna.create_study(
                storage=storage,
                study_name=name,
                directions=["maximize" if largest else "minimize" for largest in maximized],
            )
            made = True
    study = optuna.load_study(
        storage=storage,
        study_name=name,
        # Not used: whole vectors are written. The default sampler would warn and cost time.
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    return study, made


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
    """Turns the errors of a disk or a database into a StudyError that says what is the matter."""
    try:
        yield
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        if storage is None:
            raise
        raise StudyError(f"storage: {shown(storage)!r} can't be used: {_meaning(error)}") from error


def _meaning(error: Exception) -> str:
    if not isinstance(error, OSError):
        return meaning(error)
    read_only = f"it can only be read ({error})" if error.errno in _READ_ONLY else ""
    return no_room(error) or read_only or str(error)
