"""Reads and writes the queries of a study."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from optiproxy.metrics import is_feasible
from optiproxy.spaces import Architecture
from optiproxy.study._storage.clashes import free_numbers
from optiproxy.study._storage.distributions import distribution
from optiproxy.study._storage.held import ACTIVE, HeldTrials, is_over
from optiproxy.study._storage.lease import Lease
from optiproxy.study._storage.numbers import next_number, numbered
from optiproxy.study._storage.stored_trial import NUMBER, PREFIX, State, StoredTrial, read_trial
from optiproxy.tasks import Evaluation, Task


class Trials(HeldTrials):
    """Reads and writes the queries of one study.

    Args:
        study: An Optuna study whose trials are ours.
        storage: Where it is stored.
        task: What is searched.
    """

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, task: Task
    ) -> None:
        super().__init__(study, storage, task)
        self._distributions: dict[str, BaseDistribution] = {
            name: distribution(options) for name, options in task.space.choices.items()
        }

    def name_objectives(self) -> None:
        """Names the objectives for dashboards, in a study that does not name them yet."""
        if self.study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.set_metric_names([o.metric for o in self.task.objectives])

    # ---- after a crash ----

    def repair(self) -> list[StoredTrial]:
        """Queues interrupted queries again and completes half-written batches.

        Returns:
            What `read` returns; a query that was interrupted is waiting again in it.
        """
        history = self._history
        history.refresh()
        active = set(ACTIVE)  # After the leases were read: a run begins before it writes one.
        abandoned = [
            trial
            for trial in history.running()
            if all(is_over(lease, active) for lease in trial.leases)
        ]
        if abandoned:  # A run may have handed it over and ended since then.
            history.refresh()
            now = {trial.id: trial for trial in history.running()}
            abandoned = [t for t in abandoned if t.id in now and now[t.id].leases == t.leases]
        for trial in abandoned:
            who = " or ".join(map(str, trial.leases)) or "its process"
            self.interrupt(trial, f"{who} ended while it ran")
        if abandoned:
            history.refresh()
        for trial in history.unrepeated():
            self._repeat(trial)
        for trial in history.batches():
            self._complete(trial, active)
        return self.read()

    def _complete(self, first: StoredTrial, active: set[str]) -> None:
        """Writes what is missing of a batch whose writer was killed."""
        batch = first.batch or {}
        writer = Lease.read(batch["owner"])
        if writer is not None and not is_over(writer, active):
            return  # Another process is writing it; this run's own batches are complete.
        written = {(t.number, t.architecture) for t in self._history.by_id.values()}
        predicted = batch.get("predicted") or [None] * len(batch["rows"])
        following = range(first.number, first.number + len(batch["rows"]))
        numbers = batch.get("numbers") or following
        archs = self.task.space.from_indices(batch["rows"])
        for query, arch, value in zip(numbers, archs, predicted, strict=True):
            if (query, arch) not in written:
                self._add(
                    query, arch, first.optimizer_seconds, epochs=first.epochs, predicted=value
                )
        self._history.complete(first)

    # ---- writing ----

    def propose(
        self,
        numbers: Sequence[int],
        archs: Sequence[Architecture],
        seconds: float,
        predicted: Sequence[float | None] | None = None,
        epochs: int | None = None,
        cut_from: int | None = None,
        again: int = 0,
    ) -> None:
        """Queues a batch.

        Args:
            numbers: Of its queries, see `free_numbers`.
            archs: The batch.
            seconds: How long the method took to propose it.
            predicted: The prediction of its model for each; None for a random one, and without a
                model.
            epochs: Of low-fidelity trainings; None for full ones.
            cut_from: How many the method proposed, if the budget cut the batch.
            again: Of a single architecture that is evaluated again: 1, 2, ….
        """
        share = seconds / len(archs)
        batch: dict[str, Any] | None = None
        if len(archs) > 1:
            rows = self.task.space.to_indices(archs).tolist()
            batch = {"rows": rows, "owner": self._lease.renewed().to_json()}
            if list(numbers) != list(range(numbers[0], numbers[0] + len(archs))):
                batch["numbers"] = list(numbers)
            if predicted is not None:
                batch["predicted"] = list(predicted)
        for shift, arch in enumerate(archs):
            self._add(
                numbers[shift],
                arch,
                share,
                epochs=epochs,
                predicted=None if predicted is None else predicted[shift],
                batch=batch if shift == 0 else None,
                cut_from=cut_from if shift == 0 else None,
                again=again or None,
            )

    def _repeat(
        self, trial: StoredTrial, *, number: int | None = None, place: int | None = None
    ) -> None:
        self._add(
            place or trial.number,
            trial.architecture,
            trial.optimizer_seconds,
            epochs=trial.epochs,
            predicted=trial.predicted,
            again=trial.again or None,
            repeats=trial.id,
            number=number or trial.own_number,
        )

    def _add(self, query: int, arch: Architecture, seconds: float, **attributes: Any) -> None:
        values = {"query": query, "ask_seconds": seconds, **attributes}
        # A number has no None: where it is inactive, the trial has no such parameter.
        known = {
            name: option
            for name, option in arch.items()
            if option is not None or isinstance(self._distributions[name], CategoricalDistribution)
        }
        self.study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.WAITING,
                params=known,
                distributions={name: self._distributions[name] for name in known},
                user_attrs={PREFIX + k: v for k, v in values.items() if v is not None},
            )
        )

    def finish(
        self, trial: StoredTrial, evaluation: Evaluation, session: float
    ) -> StoredTrial | None:
        """Writes a result and returns the trial with it.

        Args:
            trial: A query that this run took.
            evaluation: Its metrics, or the reason of its failure.
            session: Seconds of this session since its last result.

        Returns:
            None if the query was given to another run in the meantime.
        """
        trial_id = trial.frozen._trial_id
        values: dict[str, Any] = {
            "seconds": {"evaluation": evaluation.seconds, "session": session},
            "curve": evaluation.curve or None,
            "cost": evaluation.cost if evaluation.stopped else None,
            "known": evaluation.known if evaluation.stopped else None,
            "measured": evaluation.measured or None,
            "dropped": evaluation.dropped or None,
            "kind": evaluation.kind or None,
            "traceback": evaluation.traceback or None,
        }
        if evaluation.worker is not None:
            device = evaluation.device
            host = self._lease.host.partition("/")[0]
            values["worker"] = {"number": evaluation.worker, "device": device, "host": host}
        try:
            with self._together():
                for name, value in values.items():
                    if value is not None:
                        self.storage.set_trial_user_attr(trial_id, PREFIX + name, value)
                if evaluation.metrics is not None:
                    self._write_metrics(trial_id, evaluation.metrics)
                if not (evaluation.dropped or trial.again or trial.own_number):
                    number = next_number(self.read())
                    self.storage.set_trial_user_attr(trial_id, PREFIX + NUMBER, number)
                if evaluation.metrics is None:
                    self._end(trial, "failed", evaluation.reason, TrialState.FAIL)
                elif evaluation.dropped:
                    self.study.tell(trial.id, state=TrialState.PRUNED)
                else:
                    objectives = self.task.objectives
                    self.study.tell(trial.id, [evaluation.metrics[o.metric] for o in objectives])
        except (UpdateFinishedTrialError, ValueError):
            # `tell` raises ValueError for a finished trial; any other one is an error.
            written = self.storage.get_trial(trial_id)
            if not written.state.is_finished():
                raise
            if written.user_attrs.get(PREFIX + "seconds") != values["seconds"]:
                return None
            # It is this one: the connection was lost between the writing and its answer.
        return read_trial(self.storage.get_trial(trial_id), self.task)

    def _write_metrics(self, trial_id: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self.storage.set_trial_user_attr(trial_id, name, value)
        constraints = self.task.constraints
        if not constraints:
            return
        trial = optuna.Trial(self.study, trial_id)
        violations = {
            str(constraint): constraint.violation(metrics[constraint.metric])
            for constraint in constraints
            if constraint.metric in metrics  # A dropped one has only its cheap metrics.
        }
        for name, violation in violations.items():
            trial.set_constraint(name, violation)
        # The form before Optuna 5, the only one that optuna-dashboard shows.
        self.storage.set_trial_system_attr(trial_id, "constraints", [*violations.values()])
        trial.set_user_attr(PREFIX + "feasible", is_feasible(metrics, constraints))

    def retry(self, trial: StoredTrial) -> None:
        """Queues a failed query again; from now on the failure does not count."""
        numbers = {query.id: number for number, query in numbered(self.read()).items()}
        self._repeat(trial, number=numbers.get(trial.id))

    def renumber(self, trials: Sequence[StoredTrial]) -> bool:
        """Gives another number to waiting queries whose number another process has used before.

        Every process does so before it takes a query, so that none has the number of another one.
        Each is taken for that and queued again, so that none is evaluated under its old number.

        Returns:
            Whether there were any.
        """
        if len({trial.number for trial in trials}) == len(trials):
            return False
        used: set[int] = set()
        clashing = []
        for trial in sorted(trials, key=lambda t: (t.state is State.WAITING, t.id)):
            if trial.number in used and trial.state is State.WAITING:
                clashing.append(trial)
            used.add(trial.number)
        free = free_numbers(trials, len(clashing))
        for trial, number in zip(clashing, free, strict=True):
            if self.take(trial):
                with self._together():
                    self.interrupt(trial, "another query has its number")
                    self._repeat(trial, place=number)
        return bool(clashing)

    def drop_duplicate(self, trial: StoredTrial, of: StoredTrial) -> None:
        """Ends a waiting query whose architecture `of` evaluates already."""
        if self.take(trial):
            self._end(trial, "duplicate", f"trial {of.id} asks the same", TrialState.PRUNED)

    def session_seconds(self) -> float:
        """The time of all sessions up to their last results."""
        return float(sum(t.attribute("seconds", {}).get("session", 0.0) for t in self.read()))
