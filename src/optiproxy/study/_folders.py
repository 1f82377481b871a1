"""A folder for each query, in which an evaluator keeps its checkpoint, its network and its logs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

from optiproxy.errors import invalid
from optiproxy.study._results import noisy, pareto, ranked, recorded
from optiproxy.study._storage.open import IN_MEMORY, Storage
from optiproxy.study._storage.stored_trial import StoredTrial
from optiproxy.tasks import Task

# Of noisy evaluations this many of the best are kept, since repeats decide which is the best.
CONTENDERS = 10

_NAME = re.compile(r"query-(\d+)")


def check_keep(keep: str | int) -> str:
    """``"all"``, ``"best"`` or a number of folders, as text.

    Raises:
        InvalidValueError: It is none of these.
    """
    text = str(keep)
    if text not in ("all", "best") and not (text.isdigit() and int(text)):
        raise invalid("keep", keep, "give all, best, or how many of the best (3)")
    return text


def beside(storage: Storage, study: str, ending: str) -> Path | None:
    """The path of a study's own files: beside a journal file, else in the working folder.

    Returns:
        None for a study in memory.
    """
    if storage in IN_MEMORY or storage is None:
        return None
    place = os.fspath(storage)
    name = re.sub(r"[^\w.+-]+", "-", study)
    return (Path() if "://" in place else Path(place).parent) / f"{name}-{ending}"


class TemporaryFolder:
    """A folder that is removed when nothing in this process refers to it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="optiproxy-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # Only this process removes it.


class Folders:
    """The folders of one study's queries.

    A query has the same folder when it is repeated after an interruption, so that its training can
    go on from a checkpoint there.

    Args:
        root: The folder that they are in; created with the first of them.
        keep: Whose folders are kept: ``"all"``, ``"best"`` (and the Pareto front), or the best so
            many. Those of unfinished queries always are.

    Raises:
        InvalidValueError: `keep` is none of these.
    """

    def __init__(self, root: Path, keep: str | int = "best") -> None:
        self.root = root.absolute()
        self._keep = check_keep(keep)

    def of(self, trial: StoredTrial) -> Path:
        """The folder of a query, which need not exist."""
        return self.root / f"query-{trial.number:04d}"

    def made(self, trial: StoredTrial) -> Path:
        """The folder of a query, created if need be."""
        folder = self.of(trial)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def prune(self, trials: Iterable[StoredTrial], task: Task, seed: int) -> None:
        """Removes the folders of finished queries that are not kept."""
        if self._keep == "all" or not self.root.is_dir():
            return
        every = list(trials)
        finished = {trial.number for trial in every if trial.finished}
        numbers = {record.query: trial.number for record, trial in recorded(every, task)}
        records = [record for record, _ in recorded(every, task)]
        kept = ranked(records, task, seed)
        if self._keep != "best":
            kept = kept[: int(self._keep)]
        elif noisy(task, records):
            kept = kept[:CONTENDERS]
        else:
            kept = [*kept[:1], *pareto(records, task, seed)]
        spared = {numbers[found.query] for found in kept}
        for folder in self.root.iterdir():
            match = _NAME.fullmatch(folder.name)
            if match and int(match[1]) in finished - spared:
                # Another worker may be removing it too.
                shutil.rmtree(folder, ignore_errors=True)
