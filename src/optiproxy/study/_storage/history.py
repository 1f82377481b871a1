"""The trials of a study, of which only what is new or has changed is read again."""

from __future__ import annotations

from bisect import bisect_left, insort
from threading import Lock

from optuna.storages import BaseStorage

from optiproxy.study._storage.stored_trial import State, StoredTrial, read_trial
from optiproxy.tasks import Task


class History:
    """What is stored of a study's queries, as it was at the last `refresh`.

    Args:
        storage: Where the study is.
        study_id: Optuna's.
        task: What is searched.

    Attributes:
        by_id: Every trial that is ours, by its id.
        counting: The queries, by their numbers: one trial each, the interrupted ones left out.
    """

    def __init__(self, storage: BaseStorage, study_id: int, task: Task) -> None:
        self._storage = storage
        self._study_id = study_id
        self._task = task
        self._lock = Lock()
        self._seen = 0  # So many of Optuna's trials were read.
        self._unfinished: dict[int, object] = {}  # Id → as it was read.
        self._repeated: set[int] = set()
        self._interrupted: set[int] = set()
        self._batches: set[int] = set()
        self.by_id: dict[int, StoredTrial] = {}
        self.counting: list[StoredTrial] = []

    def refresh(self) -> None:
        """Reads what other processes, and this one, have written since."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        every = self._storage.get_all_trials(self._study_id, deepcopy=False)
        for index in [*self._unfinished, *range(self._seen, len(every))]:
            frozen = every[index]
            if self._unfinished.get(index) is frozen:
                continue  # Optuna replaces a trial that changes.
            if frozen.state.is_finished():  # It never changes again.
                self._unfinished.pop(index, None)
            else:
                self._unfinished[index] = frozen
            trial = read_trial(frozen, self._task)
            if trial is not None:
                self._replace(trial)
        self._seen = len(every)

    def _replace(self, trial: StoredTrial) -> None:
        before = self.by_id.get(trial.id)
        if before is not None:
            self._leave_out(before)
        self.by_id[trial.id] = trial
        if before is None and trial.repeats is not None:
            self._repeated.add(trial.repeats)
            self._interrupted.discard(trial.repeats)
            repeated = self.by_id[trial.repeats]
            if repeated.state is State.FAILED:  # It was retried by the user.
                self._leave_out(repeated)
        if before is None and trial.batch is not None:
            self._batches.add(trial.id)
        if trial.state is State.INTERRUPTED and trial.id not in self._repeated:
            self._interrupted.add(trial.id)
        retried = trial.state is State.FAILED and trial.id in self._repeated
        if not retried and trial.state not in (State.INTERRUPTED, State.DUPLICATE):
            insort(self.counting, trial, key=_order)

    def _leave_out(self, trial: StoredTrial) -> None:
        place = bisect_left(self.counting, _order(trial), key=_order)
        if place < len(self.counting) and self.counting[place] is trial:
            del self.counting[place]

    def running(self) -> list[StoredTrial]:
        """Those that run, here or elsewhere."""
        ours = [self.by_id[i] for i in self._unfinished if i in self.by_id]
        return [trial for trial in ours if trial.state is State.RUNNING]

    def unrepeated(self) -> list[StoredTrial]:
        """Interrupted ones that are not queued again yet."""
        return [self.by_id[i] for i in sorted(self._interrupted)]

    def batches(self) -> list[StoredTrial]:
        """The first trials of batches that are not known to be written completely."""
        return [self.by_id[i] for i in sorted(self._batches)]

    def complete(self, first: StoredTrial) -> None:
        """A batch is written completely, which is then remembered."""
        self._batches.discard(first.id)


def _order(trial: StoredTrial) -> tuple[int, int]:
    # Two processes that propose at once may use a number twice: the earlier trial goes first.
    return trial.number, trial.id
