"""What is read of a stored study before it is opened: its identity, its task, its limits."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna

from optiproxy import proxies
from optiproxy.errors import InvalidValueError, StudyError, unknown
from optiproxy.references import file_of
from optiproxy.study._storage.identity import Identity
from optiproxy.study._storage.open import IN_MEMORY, Storage, expanded, open_storage, quiet, shown
from optiproxy.tasks import Reference, Task, load
from optiproxy.tasks.loading import resolve


def stored_task(
    name: str, storage: Storage, trust: Callable[[Sequence[str]], None] | None
) -> tuple[Task, Identity]:
    """The task of a stored study, and which search the study is; see `Study.load`.

    Raises:
        StudyError: There is no such study, or its task was made in a program.
    """
    found = stored_identity(name, storage)
    if found.reference is None:
        raise StudyError(
            f"study {name!r}: its task {found.task!r} was made in a program; run that again, "
            "with the same name and storage, and it goes on"
        )
    if trust is not None and (named := code_named(found, outside=True)):
        trust(named)
    task = found_again(*found.reference).replaced(
        found.objectives,
        found.constraints,
        found.measure,
        found.low_fidelity,
        features=found.features,
    )
    return task, found


def stored_identity(name: str, storage: Storage) -> Identity:
    """Which search a stored study is.

    Raises:
        StudyError: There is no such storage or study, or OptiProxy did not make it.
    """
    if storage in IN_MEMORY:
        raise StudyError(
            f"storage: {storage!r} is a database in the memory of one process, and has no stored "
            "study; give a file, such as sqlite:///runs.db"
        )
    storage = expanded(storage)
    if not _exists(storage):
        # Opening it would create an empty one.
        raise StudyError(
            f"storage: there is no file {storage!r}; say where the study is kept{_beside(storage)}"
        )
    opened = open_storage(storage)
    names = optuna.get_all_study_names(opened)
    if name not in names:
        raise StudyError(str(unknown(f"study in {shown(storage)}", name, names)))
    with quiet():
        found = Identity.stored(optuna.load_study(study_name=name, storage=opened))
    if found is None:
        raise StudyError(f"study {name!r} in {shown(storage)} was not made by OptiProxy")
    return found


def code_named(found: Identity, *, outside: bool) -> list[str]:
    """What opening and continuing a stored study runs: a command that measures, and Python files.

    The files are those of its task, method and proxy.

    Args:
        found: Which study.
        outside: Whether a file is left out that is in the current folder.
    """
    named = []
    if found.measure not in (None, "onnx", "torch"):
        named.append(f"the command {found.measure!r}")
    own = [found.method.partition("[")[0]]
    if found.reference is not None and not Reference(*found.reference).defined:
        own.insert(0, found.reference[0])
    if found.proxy is not None and proxies.is_own(found.proxy):
        own.append(found.proxy)
    for text in own:
        file = file_of(text, found.folder)
        if file is None or (outside and file.is_relative_to(Path.cwd().resolve())):
            continue
        named.append(f"the file {file}")
    return list(dict.fromkeys(named))


def found_again(text: str, folder: str) -> Task:
    """The task of a stored study: from the folder where it was begun, else from this one.

    The original folder goes first, since this one may have another file of the same name; on
    another machine it does not exist.
    """
    begun = Reference(text, folder)
    if begun.file is not None and begun.file.is_file():
        return resolve(begun)
    try:
        return load(text)
    except InvalidValueError:
        if folder == os.getcwd():
            raise
        return begun.load()


def bounded(task: Task, asked: list[str], name: str, storage: Storage) -> Task:
    """The task with nothing left to measure beforehand (`Task.resolved`).

    A stored study of the same limits keeps what was measured when it was begun.
    """
    if _exists(storage):
        opened = open_storage(storage)
        if name in optuna.get_all_study_names(opened):
            with quiet():
                found = Identity.stored(optuna.load_study(study_name=name, storage=opened))
            if found is not None and found.asked == asked:
                task = task.replaced(
                    constraints=found.constraints if asked else None,
                    measured=found.measured if found.measure == task.measure else None,
                )
    return task.resolved()


def _beside(storage: Storage) -> str:
    """The journals of the folder, those of the most similar names."""
    if storage is None or "://" in (place := os.fspath(storage)):
        return ""
    names = [file.name for file in sorted(Path(place).parent.glob("*.journal"))]
    near = difflib.get_close_matches(Path(place).name, names, n=5, cutoff=0)
    return f"; beside it there is {', '.join(near)}" if near else ""


def _exists(storage: Storage) -> bool:
    """Whether there is a file to open; a database is assumed to exist."""
    return storage is not None and ("://" in os.fspath(storage) or os.path.exists(storage))
