"""Journal files: Optuna's, which survive a crash, a full disk and a line that can't be read."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import TrialState

from optiproxy.errors import StudyError
from optiproxy.study._storage.lock import BaseLock, held, lock_of
from optiproxy.study._storage.patience import Patience, no_room
from optiproxy.study._storage.repair import faults

# How each line begins.
LINE = b'{"op_code"'


def open_journal(path: Path) -> Journal:
    """The journal file at a path, which is made if it is missing.

    Raises:
        StudyError: The path is no place for one, or what is there is damaged or something else.
    """
    # The lock is a file beside it whose name contains the path, so both must be absolute.
    path = Path(os.path.abspath(path))
    if path.is_dir():
        raise StudyError(f"storage: {str(path)!r} is a folder; give a file, such as runs.journal")
    if not path.parent.is_dir():
        raise StudyError(f"storage: there is no folder {str(path.parent)!r}; make it first")
    if path.exists():
        _check(path)
    elif path.suffix in (".db", ".sqlite", ".sqlite3"):
        raise StudyError(
            f"storage: {str(path)!r} would be a journal file; write sqlite:///{path} for a "
            "database, or give another ending, such as runs.journal"
        )
    try:
        return Journal(WholeLines(str(path), lock_of(path)))
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError):
        raise damaged(path) from None


def damaged(path: Path) -> StudyError:
    """What is said of a journal file that can't be read."""
    found = faults(path)
    first = f"line {found[0].number} ({found[0].reason})" if found else "a line"
    more = f" and {len(found) - 1} more lines" if len(found) > 1 else ""
    return StudyError(
        f"storage: {str(path)!r} is damaged in {first}{more}; optiproxy repair NAME --storage "
        f"{path} keeps a copy, drops what can't be read and says what is lost"
    )


def _check(path: Path) -> None:
    """Refuses a file that is not a journal; cuts off a last line that a crash left unfinished."""
    with path.open("rb") as file:
        first, second = file.readline(), file.readline()
    if first.startswith(b"SQLite format 3"):
        raise StudyError(f"storage: {str(path)!r} is a database; write sqlite:///{path}")
    # A part of the very first line may be all that there is; the second one is still whole where
    # the first is damaged.
    if first[: len(LINE)] != LINE[: len(first)] and not second.startswith(LINE):
        raise StudyError(
            f"storage: {str(path)!r} is not a study file; give another path, or a database URL"
        )
    if _torn(path):
        with held(lock_of(path)):
            _cut(path)  # Checked again, now that no other process is writing.


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
        self._kept = threading.local()
        self.patience = Patience(path)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """As Optuna does; a line that can't be read is an error that says which.

        Raises:
            StudyError: The file is damaged.
        """
        try:
            yield from super().read_logs(log_number_from)
        except ValueError:
            raise damaged(self._path) from None

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside, this thread's lines are kept until the end, or until one takes a trial."""
        self._kept.logs = []
        try:
            yield
        finally:
            kept = self._kept.logs
            del self._kept.logs
            if kept:
                self._append(kept)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        kept: list[dict[str, Any]] | None = getattr(self._kept, "logs", None)
        if kept is None:
            self._append(logs)
            return
        kept += logs
        if any(_takes(log) for log in logs):  # Whether it was the first to do so must be known.
            self._kept.logs = []
            self._append(kept)

    def _append(self, logs: list[dict[str, Any]]) -> None:
        left = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()

        def write() -> None:
            nonlocal left
            written = 0
            # Unbuffered: after an error, a buffer would still be written when the file is closed.
            with held(self._lines_lock), self._path.open("ab", buffering=0) as file:
                _cut(self._path)
                try:
                    while written < len(left):
                        written += file.write(left[written:])
                    os.fsync(file.fileno())
                except BaseException:
                    _cut(self._path)  # Whole lines stay: another process may have read them.
                    left = left[left.rfind(b"\n", 0, written) + 1 :]
                    raise

        self.patience(write, no_room)


def _takes(log: dict[str, Any]) -> bool:
    state = JournalOperation.SET_TRIAL_STATE_VALUES
    return bool(log["op_code"] == state and log["state"] == TrialState.RUNNING)


class Journal(JournalStorage):
    """Optuna's storage in a journal file, which may write several entries at once."""

    def __init__(self, lines: WholeLines) -> None:
        super().__init__(lines)
        self._lines = lines
        self.hurry = lines.patience.hurry

    @contextmanager
    def together(self) -> Iterator[None]:
        """Writes this thread's entries of the block at once: each write waits for the disk.

        Raises:
            UpdateFinishedTrialError: One is of a trial that has ended; known at the end only.
        """
        try:
            with self._lines.keeping():
                yield
        finally:
            with self._thread_lock:
                self._sync_with_backend()

    def _sync_with_backend(self) -> None:
        """Reads all that is new, also beyond an entry of ours that comes too late."""
        late: UpdateFinishedTrialError | None = None
        while True:
            try:
                super()._sync_with_backend()
            except UpdateFinishedTrialError as error:
                late = error
            else:
                break
        if late is not None:
            raise late
