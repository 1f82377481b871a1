"""Who evaluates a query: the leases of processes and programs, and how a query ends without one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from optiproxy.study._storage.history import History
from optiproxy.study._storage.lease import Lease
from optiproxy.study._storage.stored_trial import LEASE, PREFIX, State, StoredTrial, read_trial
from optiproxy.tasks import Task

#: The runs of this process that go on: a query of any other run of this process is abandoned.
ACTIVE: set[str] = set()

#: The reason of an interruption by Ctrl-C.
STOPPED = "stopped while it ran"


class HeldTrials:
    """The queries of a study as they are read, taken and given up.

    Args:
        study: An Optuna study whose trials are ours.
        storage: Where it is stored.
        task: What is searched.
    """

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, task: Task
    ) -> None:
        self.study = study
        self.storage = storage
        self.task = task
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self.begin("")
        self._history = History(storage, self._study_id, task)
        # Entries that a journal writes at once, as each write waits for the disk.
        self._together: Callable[[], AbstractContextManager[None]] = getattr(
            storage, "together", nullcontext
        )
        #: Whether a storage that can't be used is waited for no longer.
        self.hurry: Callable[[bool], object] = getattr(storage, "hurry", bool)

    def begin(self, run: str) -> None:
        """From now on queries are taken in the name of `run`, which no other run has."""
        self._lease = Lease.of_this_process(run)
        self._lease_key = LEASE + run

    @contextmanager
    def session(self) -> Iterator[None]:
        """Takes queries in the name of a new run, which goes on until the end of the block."""
        run = uuid.uuid4().hex
        self.begin(run)
        ACTIVE.add(run)
        try:
            yield
        finally:
            ACTIVE.discard(run)

    def read(self) -> list[StoredTrial]:
        """Every query that counts, by its number: one trial each, the interrupted ones left out."""
        self._history.refresh()
        return list(self._history.counting)

    def by_id(self) -> dict[int, StoredTrial]:
        """Every trial by its id, also those that do not count."""
        self._history.refresh()
        return dict(self._history.by_id)

    def take(self, trial: StoredTrial) -> bool:
        """Whether this run got a waiting query; False if another process was faster."""
        try:
            # The lease is written first: a running trial without one would look abandoned. Its key
            # is this run's own, since another process may be trying the same just now.
            with self._together():
                self.renew(trial)
                trial_id = trial.frozen._trial_id
                taken = self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
            if taken:
                return True
            self.let_go(trial)
        except UpdateFinishedTrialError:
            pass
        return False

    def renew(self, trial: StoredTrial) -> None:
        """Renews this run's lease of a running query."""
        self.lend(trial, self._lease.renewed())

    def lend(self, trial: StoredTrial, lease: Lease) -> None:
        """Writes a lease of a query, this run's or another one.

        Raises:
            UpdateFinishedTrialError: It has ended.
        """
        key = LEASE + lease.run
        self.storage.set_trial_user_attr(trial.frozen._trial_id, key, lease.to_json())

    def hand_over(self, trial: StoredTrial, lease: Lease) -> None:
        """Gives a query that this run holds to another holder, who may then `claim` it."""
        self.lend(trial, lease)
        self.let_go(trial)

    def let_go(self, trial: StoredTrial) -> None:
        """Removes this run's lease, and leaves the query to its other holders."""
        self.storage.set_trial_user_attr(trial.frozen._trial_id, self._lease_key, None)

    def claim(self, trial: StoredTrial) -> bool:
        """Whether this run alone may finish a running query that no process holds.

        Of two that claim at once, both write before they read, so that at most one succeeds.

        Raises:
            UpdateFinishedTrialError: It has ended.
        """
        self.renew(trial)
        now = read_trial(self.storage.get_trial(trial.frozen._trial_id), self.task)
        others = [o for o in (now or trial).leases if not o.timed and o.run != self._lease.run]
        if all(is_over(other, ACTIVE) for other in others):
            return True
        self.let_go(trial)
        return False

    def interrupt(self, trial: StoredTrial, reason: str = STOPPED) -> None:
        """Ends a running query that has no result; `repair` queues it again."""
        self._end(trial, "interrupted", reason, TrialState.PRUNED)

    def died(self, trial: StoredTrial, reason: str) -> None:
        """Ends a running query whose process died; `repair` queues it again."""
        self.storage.set_trial_user_attr(trial.frozen._trial_id, PREFIX + "died", True)
        self.interrupt(trial, reason)

    def _end(self, trial: StoredTrial, kind: str, reason: str, state: TrialState) -> None:
        try:
            self.storage.set_trial_user_attr(trial.frozen._trial_id, PREFIX + kind, reason)
            self.study.tell(trial.id, state=state)
        except (UpdateFinishedTrialError, ValueError):
            if not self.storage.get_trial(trial.frozen._trial_id).state.is_finished():
                raise

    def deaths(self, trial: StoredTrial) -> int:
        """How often the query ended its process since it was proposed or retried."""
        self._history.refresh()
        count, earlier = 0, trial.repeats
        while earlier is not None:
            before = self._history.by_id[earlier]
            if before.state is State.FAILED:
                break
            count += bool(before.attribute("died"))
            earlier = before.repeats
        return count

    def interruptions(self, trial: StoredTrial) -> int:
        """How often the search ended while a query ran; Ctrl-C does not count."""
        self._history.refresh()
        query = (trial.number, trial.architecture)
        return sum(
            t.state is State.INTERRUPTED
            and (t.number, t.architecture) == query
            and t.attribute("interrupted") != STOPPED
            and not t.attribute("died")
            for t in self._history.by_id.values()
        )


def is_over(lease: Lease, active: Container[str]) -> bool:
    """Whether nothing holds a query by this lease any more; `active` are runs of this process."""
    return lease.run not in active if lease.here else lease.gone
