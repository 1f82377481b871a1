"""Checksums of files, and files that are written whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

Stamp = tuple[str, int, int]


def stamp(path: Path) -> Stamp:
    """What changes when a file does: its path, size in bytes and time of writing in ns."""
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; read once in a process for each state of the file."""
    return _checksum(stamp(path))


@lru_cache(maxsize=256)
def _checksum(state: Stamp) -> str:
    with open(state[0], "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` with a temporary name beside `path`, then renames: nobody sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    unfinished = Path(name)
    try:
        write(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
