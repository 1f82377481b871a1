"""Published tables: which there are, where they lie, adding and downloading them.

A table is searched for in the folders that the environment variable OPTIPROXY_DATA names (several
as in PATH), then among those that were added (``optiproxy data add PATH``: kept in the user's data
folder). The first file of the table's name is taken, if its checksum is the pinned one; a broken
one is refused, even if a later folder has a whole one.

Some tables are made on this machine, once, from a benchmark's own file (`tables.originals`): by
`add`, if the file is here, or by `fetch`, which downloads it.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from optiproxy._atomic_write import whole
from optiproxy.errors import DataError, unknown
from optiproxy.tables import originals
from optiproxy.tables._checksum import checksum
from optiproxy.tables._manifest import CONVERTED, KNOWN, TableFile
from optiproxy.tables.originals import Original, Progress

__all__ = [
    "VARIABLE",
    "TableFile",
    "TableStatus",
    "add",
    "fetch",
    "find",
    "known",
    "known_tables",
    "listing",
    "status",
]

_logger = logging.getLogger("optiproxy.tables")

VARIABLE = "OPTIPROXY_DATA"

_BY_NAME = {table.name: table for table in (*KNOWN, *CONVERTED)}
_REMEDY = (
    f"set {VARIABLE} to a folder that has it, or run: optiproxy data add FOLDER "
    "(optiproxy data list says where it comes from)"
)


@dataclass(frozen=True)
class TableStatus:
    """Where a table is. `status` is "here", "missing" or "broken"; `path` is None if missing."""

    table: TableFile
    status: str
    path: Path | None


def known_tables() -> list[TableFile]:
    """Every published table that we know, with its checksum, source and licence."""
    return list(_BY_NAME.values())


def known(name: str) -> TableFile:
    """The manifest's entry of the table `name`, whether it is here or not.

    Raises:
        InvalidValueError: No table has this name; the message has the nearest names.
    """
    table = _BY_NAME.get(name)
    if table is None:
        raise unknown("table", name, _BY_NAME)
    return table


def find(name: str) -> Path:
    """Where the table `name` lies; its checksum has been verified.

    Raises:
        InvalidValueError: No table has this name; the message has the nearest names.
        DataError: It is not here, or it is not what its checksum says.
    """
    found = status(name)
    if found.path is None:
        looked = " and ".join(str(folder) for folder in _folders())
        remedy = _remedy(found.table)
        raise DataError(f"table {name!r}: no {found.table.file} in {looked}; {remedy}")
    if found.status == "broken":
        raise DataError(_broken(found.path, found.table))
    return found.path


def status(name: str) -> TableStatus:
    """Whether the table `name` is here.

    Raises:
        InvalidValueError: No table has this name; the message has the nearest names.
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


def add(path: str | os.PathLike[str], progress: Progress | None = None) -> list[tuple[str, Path]]:
    """Adds published tables to the user's data folder: from a file, or all that a folder has.

    A table is verified and copied. A benchmark's own file (`originals`) is recognised by its name
    and its first bytes, read safely, and converted to tables; it may itself be a folder.

    All tables are verified before the first is copied, so a folder with a broken table adds none.

    Args:
        path: The file or folder.
        progress: Called now and then while a file is converted.

    Returns:
        For each table its name and where it lies now.

    Raises:
        DataError: Nothing known is there, a checksum is wrong, a file is cut short or could run
            code, or the tables can't be written.
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise DataError(f"{given}: there is no such file or folder; give one that has the tables")
    found, own = _recognised(given)
    if not found and not own:
        raise DataError(
            f"{given}: no published table was recognised (give your own to optiproxy.tasks.Table); "
            "known are "
            f"{', '.join(table.file for table in KNOWN)}; and the benchmarks' own files "
            f"{', '.join(pattern for one in originals.ORIGINALS for pattern in one.files)}"
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
    for original, file in own:
        added.extend(_converted(original, file, progress))
    return added


def fetch(name: str, progress: Progress | None = None) -> list[tuple[str, Path]]:
    """Downloads a benchmark's own file from its authors' address and adds its tables.

    If the connection breaks, the next call continues the download. The file
    is deleted when its tables have been written.

    Args:
        name: Of an original (`originals.ORIGINALS`), or of a table that is made from one.
        progress: Called now and then while the file is downloaded and converted.

    Returns:
        For each table its name and where it lies now.

    Raises:
        InvalidValueError: Nothing has this name; the message has the nearest names.
        DataError: It can only be downloaded by hand (the message says where), the address can't be
            reached, the file is not what its checksum says; or see `add`.
    """
    from optiproxy.tables._download import download

    table = _BY_NAME.get(name)
    if table is not None and not table.original:
        raise DataError(
            f"{name}: its authors publish no such file; it was put together from {table.source}. "
            f"Get {table.file} from whoever has it, then {_REMEDY}"
        )
    original = originals.original(table.original if table is not None else name)
    file = download(original, _downloads(), progress)
    if not original.sha256:
        _logger.warning(
            "%s: its authors publish no checksum; the SHA-256 of what was downloaded is %s",
            original.files[0],
            checksum(file),
        )
    try:
        added = _converted(original, file, progress)
    except DataError:
        if not original.sha256:
            # Without a checksum the download itself may be broken: the next call starts anew.
            file.unlink(missing_ok=True)
        raise
    file.unlink(missing_ok=True)
    return added


def _recognised(given: Path) -> tuple[list[tuple[TableFile, Path]], list[tuple[Original, Path]]]:
    """The tables and the benchmarks' own files at a path."""
    own = originals.recognise(given)
    if own is not None:
        return [], [(own, given)]
    if given.is_dir():
        inside = ((originals.recognise(path), path) for path in sorted(given.iterdir()))
        return (
            [(t, given / t.file) for t in KNOWN if (given / t.file).is_file()],
            [(original, path) for original, path in inside if original is not None],
        )
    by_name = [table for table in KNOWN if table.file == given.name]
    # A single file may have been renamed.
    matching = by_name or [table for table in KNOWN if _is_whole(given, table)]
    return [(table, given) for table in matching], []


def _converted(original: Original, file: Path, progress: Progress | None) -> list[tuple[str, Path]]:
    try:
        paths = originals.convert(original, file, _added_folder(), progress or (lambda *_: None))
    except OSError as error:
        raise DataError(
            f"{file}: its tables can't be written to {_added_folder()} ({error}); make room there"
        ) from None
    return [(path.stem, path) for path in paths]


def _copy(source: Path, target: Path, table: TableFile) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as unfinished:
            shutil.copyfile(source, unfinished)
            if checksum(unfinished) != table.sha256:
                raise DataError(f"{source}: it changed while it was copied; add it again")
    except OSError as error:
        raise DataError(
            f"{target}: it can't be written ({error}); set {VARIABLE} to {source.parent} instead"
        ) from None


def _added_folder() -> Path:
    return platformdirs.user_data_path("optiproxy", appauthor=False) / "tables"


def _downloads() -> Path:
    return platformdirs.user_cache_path("optiproxy", appauthor=False) / "downloads"


def _folders() -> list[Path]:
    named = os.environ.get(VARIABLE, "").split(os.pathsep)
    return [*(Path(folder).expanduser().absolute() for folder in named if folder), _added_folder()]


def _is_whole(path: Path, table: TableFile) -> bool:
    try:
        if table.sha256 and checksum(path) == table.sha256:
            return True
        converted = not table.sha256 or (table.original and path.parent == _added_folder())
        return bool(converted) and _is_parquet(path)
    except OSError:
        return False


def _is_parquet(path: Path) -> bool:
    """Whether a file begins and ends as Parquet does; pages of what we write have checksums."""
    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(-4, os.SEEK_END)
        return head == file.read(4) == b"PAR1"


def _remedy(table: TableFile) -> str:
    if not table.original:
        return _REMEDY
    original = originals.original(table.original)
    if original.url:
        return f"run: optiproxy data fetch {original.name}"
    return f"download {original.files[0]} from {original.page}, then run: optiproxy data add FILE"


def _broken(path: Path, table: TableFile) -> str:
    try:
        if table.sha256:
            got = checksum(path)
            what = f"its SHA-256 is {got}, not {table.sha256}: it is cut short or altered"
        else:
            what = "it is cut short"
    except OSError as error:
        what = f"it can't be read ({error})"
    remedy = _remedy(table)
    return f"{path}: {what}; replace it by a whole copy, or {remedy}"
