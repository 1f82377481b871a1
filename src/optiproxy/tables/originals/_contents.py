"""What a file that may be broken or hostile can do to a reader: raise a DataError, and no more.

`within` is the one place that turns whatever its content raises; `bounded` and `members` limit what
it unpacks to, so that a small file can't fill the memory.
"""

from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from optiproxy.errors import DataError

# Benchmark files pack to a third or less often a tenth; deflate reaches 1/1000, bz2 1/20,000.
RATIO = 100
# What any file may unpack to, in bytes: little files of equal numbers pack better than others.
FLOOR = 64 << 20

# By a place in the file that it says itself; all other system errors are those of the disk.
_OF_CONTENT = (None, errno.EINVAL, errno.EOVERFLOW)


@contextmanager
def within(
    place: str = "", fault: str = "it is cut short, altered or another file"
) -> Iterator[None]:
    """Turns what is raised inside into a DataError, which begins with `place`.

    Args:
        place: The file, or the part of it that is read inside.
        fault: What is said of it where the error itself says nothing to a user.

    Raises:
        DataError: Anything but an error of the disk was raised.
    """
    before = f"{place}: " if place else ""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{before}{error}") from None
    except MemoryError:
        raise DataError(f"{before}it does not fit into memory") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_CONTENT:
            raise
        raise DataError(f"{before}{fault} ({type(error).__name__}: {error})") from None


def bounded(file: IO[bytes], packed: int) -> io.BufferedReader:
    """The unpacked `file`, which raises DataError where it goes on beyond the limit.

    Args:
        file: What is unpacked as it is read.
        packed: How many bytes it is unpacked from.
    """
    return io.BufferedReader(_Bounded(file, packed))


class _Bounded(io.RawIOBase):
    def __init__(self, file: IO[bytes], packed: int) -> None:
        self._file = file
        self._packed = packed
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        got = self._file.read(len(view))
        view[: len(got)] = got
        self._read += len(got)
        _check(self._read, self._packed)
        return len(got)


def _check(unpacked: int, packed: int) -> None:
    if unpacked > max(FLOOR, RATIO * packed):
        raise DataError(
            f"{packed:,} packed bytes unpack to {unpacked:,} or more: no benchmark's file does"
        )


def member_names(path: Path, ending: str) -> list[str]:
    """The files of a folder or zip whose names end so, sorted; with the folder's name in front."""
    if path.is_dir():
        files = sorted(path.rglob(f"*{ending}"))
        return [f"{path.name}/{file.relative_to(path).as_posix()}" for file in files]
    with within(fault="the archive is cut short or no zip"), zipfile.ZipFile(path) as archive:
        # A folder that macOS adds has none of the benchmark's files.
        return sorted(
            name
            for name in archive.namelist()
            if name.endswith(ending) and not name.startswith("__MACOSX/")
        )


def members(path: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """Those files, each its name and content; a zip's are unpacked one at a time."""
    names = member_names(path, ending)
    if path.is_dir():
        for name in names:
            yield name, (path.parent / name).read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        # Together: several may be unpacked from the same bytes.
        _check(sum(archive.getinfo(name).file_size for name in names), os.path.getsize(path))
        for name in names:
            with within(name), open_member(archive, name) as content:
                whole = content.read()
            yield name, whole


def open_member(archive: zipfile.ZipFile, name: str) -> io.BufferedReader:
    """A file of a zip, unpacked as it is read and within limits."""
    return bounded(archive.open(name), archive.getinfo(name).compress_size)
