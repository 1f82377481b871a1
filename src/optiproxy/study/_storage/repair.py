"""Repairs a journal file: drops the lines that can't be read, and keeps what they leave whole.

A journal numbers its trials by the lines that create them. Where such a line is lost, an empty
failed trial takes its place, so that what follows still belongs to its own trials.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.storages.journal._storage import JournalOperation, JournalStorageReplayResult
from optuna.trial import TrialState

from optiproxy._atomic_write import whole
from optiproxy.errors import StudyError
from optiproxy.study._storage.lock import held, lock_of
from optiproxy.study._storage.stored_trial import PREFIX

_CREATE_TRIAL = JournalOperation.CREATE_TRIAL.value
_OPERATIONS = {operation.value for operation in JournalOperation}
_CODE = re.compile(rb'^{"op_code":(\d+)\D')
_TRIAL = re.compile(rb'"trial_id":(\d+)')
# What a study of ours says of itself.
_IDENTITY = PREFIX + "study"


@dataclass(frozen=True)
class Fault:
    """A line of a journal file that can't be read.

    Attributes:
        number: From 1.
        reason: Why.
        lost: What was in it, as far as can be seen.
    """

    number: int
    reason: str
    lost: str


def faults(path: Path) -> list[Fault]:
    """The lines of a journal file that can't be read; the file is left as it is."""
    return [fault for fault, _ in _read(path)[0] if fault is not None]


def repair_storage(place: str | os.PathLike[str]) -> tuple[list[Fault], Path | None]:
    """Drops the lines of a journal file that can't be read.

    No other process may use the file meanwhile.

    Returns:
        What was dropped, and the copy of the file as it was; None if nothing was the matter.

    Raises:
        StudyError: There is no such file, or what its study is can't be read.
    """
    path = Path(os.path.abspath(Path(place).expanduser()))
    if not path.is_file():
        raise StudyError(f"storage: there is no journal file {os.fspath(place)!r} to repair")
    with held(lock_of(path)):
        lines, replay = _read(path)
        found = [fault for fault, _ in lines if fault is not None]
        if not found:
            return [], None
        studies = replay.get_all_studies()
        if not studies or any(_IDENTITY not in study.user_attrs for study in studies):
            numbers = ", ".join(str(fault.number) for fault in found)
            raise StudyError(
                f"storage: {str(path)!r} is damaged where it says what its study searches (line "
                f"{numbers}): it can't be repaired, and nothing was changed"
            )
        copy = _free(path)
        shutil.copy2(path, copy)
        with whole(path) as unfinished:
            unfinished.write_bytes(b"".join(line for _, line in lines))
    return found, copy


def _read(path: Path) -> tuple[list[tuple[Fault | None, bytes]], JournalStorageReplayResult]:
    """Each line's fault and what stays of it, and what can be read of the whole."""
    lines = path.read_bytes().splitlines(keepends=True)
    replay = JournalStorageReplayResult("repair")
    found: list[tuple[Fault | None, bytes]] = []
    for number, line in enumerate(lines, start=1):
        fault, stays = None, line
        try:
            if not line.endswith(b"\n"):
                raise ValueError("it is cut short")
            # Optuna's own reader says what it can't do.
            replay.apply_logs([json.loads(line)])
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
            created = _creates(line, lines[number:], len(replay._trials))
            stays = _nothing(replay) if created else b""
            reason = str(error).strip("'\"") or type(error).__name__
            fault = Fault(number, reason, _lost(line, created))
        found.append((fault, stays))
    return found, replay


def _creates(line: bytes, later: Sequence[bytes], trials: int) -> bool:
    """Whether a line made a trial, the next one after so many: if later ones call it."""
    if (code := _CODE.match(line)) and int(code[1]) in _OPERATIONS:
        return int(code[1]) == _CREATE_TRIAL
    for each in later:
        code, called = _CODE.match(each), _TRIAL.search(each)
        if code and int(code[1]) == _CREATE_TRIAL:
            trials += 1
        elif called and int(called[1]) >= trials:
            return True
    return False


def _nothing(replay: JournalStorageReplayResult) -> bytes:
    """A line that makes a trial which is no query, and is applied; empty before any study."""
    studies = replay.get_all_studies()
    if not studies:
        return b""
    log = {
        "op_code": _CREATE_TRIAL,
        "worker_id": "repair",
        "study_id": studies[-1]._study_id,
        "datetime_start": None,
        "state": int(TrialState.FAIL),
    }
    replay.apply_logs([log])
    return json.dumps(log, separators=(",", ":")).encode() + b"\n"


def _lost(line: bytes, created: bool) -> str:
    if created:
        return "a query with its result; another one is proposed in its place"
    called = _TRIAL.search(line)
    whose = f"of trial {int(called[1])}" if called else "of a trial that can't be seen"
    return f"an entry {whose}: a part of its result, or that it ended (it is evaluated again then)"


def _free(path: Path) -> Path:
    """A name for the copy that no file has."""
    number = 1
    while (copy := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return copy
