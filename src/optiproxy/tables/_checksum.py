"""What tells one state of a file from another."""

from __future__ import annotations

import hashlib
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
