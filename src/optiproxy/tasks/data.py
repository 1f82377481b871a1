"""Published tables: which there are, where they lie, and adding them.

A table is looked for in the folder that the environment variable OPTIPROXY_DATA names, then among
those that were added (``optiproxy data add DIR``: copied into the user's data folder). The first
file of the table's name is taken, if its checksum is the pinned one; a broken one is refused rather
than passed over.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from optiproxy.errors import DataError, unknown
from optiproxy.tasks._files import checksum, write_whole
from optiproxy.tasks._published import KNOWN, TableFile

__all__ = [
    "VARIABLE",
    "TableFile",
    "TableStatus",
    "add",
    "find",
    "known",
    "known_tables",
    "listing",
    "status",
]

VARIABLE = "OPTIPROXY_DATA"

_BY_NAME = {table.name: table for table in KNOWN}
_REMEDY = f"set {VARIABLE} to a folder that has it, or run: optiproxy data add FOLDER"


@dataclass(frozen=True)
class TableStatus:
    """Where a table is. `status` is "here", "missing" or "broken"; `path` is None if missing."""

    table: TableFile
    status: str
    path: Path | None


def known_tables() -> list[TableFile]:
    """Every published table that we know, with its checksum, source and licence."""
    return list(KNOWN)


def known(name: str) -> TableFile:
    """What we know of the table `name`, whether it is here or not.

    Raises:
        InvalidValueError: No table has this name; the nearest names are told.
    """
    table = _BY_NAME.get(name)
    if table is None:
        raise unknown("table", name, _BY_NAME)
    return table


def find(name: str) -> Path:
    """Where the table `name` lies; its checksum has been verified.

    Raises:
        InvalidValueError: No table has this name; the nearest names are told.
        DataError: It is not here, or it is not what its checksum says.
    """
    found = status(name)
    if found.path is None:
        looked = " and ".join(str(folder) for folder in _folders())
        raise DataError(f"table {name!r}: no {found.table.file} in {looked}; {_REMEDY}")
    if found.status == "broken":
        raise DataError(_broken(found.path, found.table))
    return found.path


def status(name: str) -> TableStatus:
    """Whether the table `name` is here.

    Raises:
        InvalidValueError: No table has this name; the nearest names are told.
    """
    table = known(name)
    for folder in _folders():
        path = folder / table.file
        if path.is_file():
            return TableStatus(table, "here" if _is_whole(path, table) else "broken", path)
    return TableStatus(table, "missing", None)


def listing() -> list[TableStatus]:
    """A row for each known table: "here", "missing" or "broken", and its path."""
    return [status(name) for name in _BY_NAME]


def add(path: str | os.PathLike[str]) -> list[tuple[str, Path]]:
    """Copies a published table, or all that lie in a folder, into the user's data folder.

    All are verified before the first is copied, so a folder with a broken table adds none.

    Returns:
        For each table its name and where it lies now.

    Raises:
        DataError: Nothing known is there, a checksum is wrong, or the copy can't be written.
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise DataError(f"{given}: there is no such file or folder; give one that has the tables")
    found = _recognised(given)
    if not found:
        raise DataError(
            f"{given}: no published table was recognised; known are "
            f"{', '.join(table.file for table in KNOWN)}"
        )
    broken = [_broken(file, table) for table, file in found if not _is_whole(file, table)]
    if broken:
        raise DataError("; ".join([*broken, "nothing was added"]))
    added = []
    for table, file in found:
        target = _added_folder() / table.file
        if not (target.is_file() and _is_whole(target, table)):
            _copy(file, target, table)
        added.append((table.name, target))
    return added


def _recognised(given: Path) -> list[tuple[TableFile, Path]]:
    if given.is_dir():
        return [(t, given / t.file) for t in KNOWN if (given / t.file).is_file()]
    by_name = [table for table in KNOWN if table.file == given.name]
    # A single file may have been renamed.
    matching = by_name or [table for table in KNOWN if _is_whole(given, table)]
    return [(table, given) for table in matching]


def _copy(source: Path, target: Path, table: TableFile) -> None:
    def write(unfinished: Path) -> None:
        shutil.copyfile(source, unfinished)
        if checksum(unfinished) != table.sha256:
            raise DataError(f"{source}: it changed while it was copied; add it again")

    try:
        write_whole(target, write)
    except OSError as error:
        raise DataError(
            f"{target}: it can't be written ({error}); set {VARIABLE} to {source.parent} instead"
        ) from None


def _added_folder() -> Path:
    return platformdirs.user_data_path("optiproxy", appauthor=False) / "tables"


def _folders() -> list[Path]:
    named = os.environ.get(VARIABLE)
    return [*([Path(named).expanduser().absolute()] if named else []), _added_folder()]


def _is_whole(path: Path, table: TableFile) -> bool:
    try:
        return checksum(path) == table.sha256
    except OSError:
        return False


def _broken(path: Path, table: TableFile) -> str:
    try:
        what = f"its SHA-256 is {checksum(path)}, not {table.sha256}: it is cut short or altered"
    except OSError as error:
        what = f"it can't be read ({error})"
    return f"{path}: {what}; replace it by a whole copy, or {_REMEDY}"
