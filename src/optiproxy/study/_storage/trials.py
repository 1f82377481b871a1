"""The history of a search as Optuna stores it: one trial for each query, and nothing else.

A trial has its parameters from the start, so that other processes know what is pending, and once it
is complete its values, and its metrics as user attributes. Its other attributes:

=========================== ====================================================================
``optiproxy:query``         the query's number, from 1; a repeated trial keeps it
``optiproxy:again``         of a repeated evaluation of an architecture: 1 for its second one; it is
                            no query, and its number comes after those of all queries before it
``optiproxy:epochs``        of a low-fidelity training; absent for a full one
``optiproxy:curve``         what the evaluator reported: pairs of an epoch and a value
``optiproxy:cost``          of a training that was stopped: the part of it that was spent
``optiproxy:known``         of such a training: the metrics that were known before it
``optiproxy:cut_from``      on the first trial of a batch that the budget cut: its size before
``optiproxy:ask_seconds``   its share of the time it took to propose it
``optiproxy:predicted``     the first objective as the method's model predicted it, if it has one
``optiproxy:batch``         on the first trial of a batch: the whole batch, so that a batch whose
                            writer was killed half-way can be completed as it was
``optiproxy:owner:RUN``     the lease of a run that evaluates it or tried to; null once that run
                            knows that another one was faster
``optiproxy:seconds``       of the evaluation, and of the session since its last result
``optiproxy:measured``      how a metric was measured, if the evaluator reported it: device, …
``optiproxy:feasible``      where there are constraints
``optiproxy:worker``        the number, the device and the host of the worker that evaluated it
``optiproxy:failed``        state FAIL: why the evaluation failed
``optiproxy:kind``          of such a failure: see `optiproxy.tasks.failures`
``optiproxy:traceback``     of such a failure: the evaluator's
``optiproxy:dropped``       state PRUNED: which limit its cheap metrics break; it was not trained
                            and counts only in the budget of measurements
``optiproxy:interrupted``   state PRUNED (FAIL in older studies), so that dashboards show no
                            failure: what ended its process; it is no query, it is repeated
``optiproxy:died``          of such an interruption: the evaluation ended its own process
``optiproxy:repeats``       the number of the interrupted or failed trial that this one repeats
``optiproxy:duplicate``     state PRUNED, as above: two processes proposed the same at once; it is
                            no query
=========================== ====================================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from optiproxy.metrics import RESERVED, is_feasible
from optiproxy.spaces import Architecture
from optiproxy.study._storage.lease import Lease
from optiproxy.study.records import Record
from optiproxy.tasks import Evaluation, Task

PREFIX = RESERVED
_LEASE = PREFIX + "owner:"

#: The reason of an interruption by Ctrl-C.
STOPPED = "stopped while it ran"


class State(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"
    INTERRUPTED = "interrupted"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class StoredTrial:
    """One trial as read from the storage.

    Attributes:
        frozen: Optuna's.
        state: Ours.
        number: Of the proposal, from 1; a repeated trial keeps it.
        architecture: Its parameters.
        leases: Of the runs that evaluate it or tried to.
        metrics: What was measured; None if it failed or has no result yet.
    """

    frozen: FrozenTrial
    state: State
    number: int
    architecture: Architecture
    leases: tuple[Lease, ...] = ()
    metrics: dict[str, float] | None = None

    @property
    def id(self) -> int:
        """Optuna's number of it in the study: a repeated trial has another one."""
        return int(self.frozen.number)

    @property
    def finished(self) -> bool:
        """Whether it has its result, from which the optimiser learns."""
        return self.state in (State.DONE, State.FAILED, State.DROPPED)

    @property
    def counted(self) -> bool:
        """Whether it is a finished query: trained or failed, not dropped untrained."""
        return self.state in (State.DONE, State.FAILED)

    @property
    def epochs(self) -> int | None:
        """Of a low-fidelity training; None for a full one."""
        epochs: int | None = self.attribute("epochs")
        return epochs

    @property
    def again(self) -> int:
        """Of a repeated evaluation of its architecture 1, 2, …; 0 for the first."""
        return int(self.attribute("again", 0))

    @property
    def stopped(self) -> bool:
        """Whether its training was stopped early, behind the others."""
        return self.state is State.FAILED and self.attribute("cost") is not None

    @property
    def curve(self) -> Sequence[tuple[int, float]]:
        """The learning curve that the evaluator reported: (epoch, value)."""
        curve: Sequence[tuple[int, float]] = self.attribute("curve", ())
        return curve

    @property
    def cut_from(self) -> int | None:
        """On the first trial of a batch that the budget cut: the size of the batch before."""
        size: int | None = self.attribute("cut_from")
        return size

    @property
    def optimizer_seconds(self) -> float:
        return float(self.attribute("ask_seconds", 0.0))

    @property
    def predicted(self) -> float | None:
        """The first objective as the method's model predicted it."""
        value: float | None = self.attribute("predicted")
        return value

    @property
    def seconds(self) -> float:
        """Duration of the evaluation; 0 before it has finished."""
        return float(self.attribute("seconds", {}).get("evaluation", 0.0))

    @property
    def kind(self) -> str:
        """The kind of its failure; empty if it did not fail."""
        return str(self.attribute("kind", "")) if self.state is State.FAILED else ""

    def cost(self, task: Task) -> float:
        """What it costs of the budget, in full trainings."""
        return task.cost(self.epochs) * float(self.attribute("cost", 1.0))

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.frozen.user_attrs.get(PREFIX + name, default)

    def record(self, query: int, task: Task) -> Record:
        """The public form, as query number `query`."""
        metrics = self.metrics
        failed = self.attribute("failed", "marked as failed from outside")
        return Record(
            query=query,
            architecture=self.architecture,
            metrics=metrics,
            feasible=metrics is not None and task.feasible(metrics),
            reason=failed if metrics is None else self.attribute("dropped", ""),
            seconds=self.seconds,
            optimizer_seconds=self.optimizer_seconds,
            measured=self.attribute("measured", {}),
            epochs=self.epochs,
            cost=self.cost(task),
            stopped=self.stopped,
            predicted=self.predicted,
            kind=self.kind,
            traceback=self.attribute("traceback", ""),
            worker=self.attribute("worker", {}).get("number"),
            device=self.attribute("worker", {}).get("device", ""),
            again=self.again,
        )


class Trials:
    """Reads and writes the queries of one study.

    Args:
        study: An Optuna study whose trials are ours.
        storage: Where it is stored.
        task: What is searched.

    Attributes:
        study: As given.
        storage: As given.
        task: As given.
    """

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, task: Task
    ) -> None:
        self.study = study
        self.storage = storage
        self.task = task
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self.begin("")
        self._distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(options) for name, options in task.space.choices.items()
        }
        self._final: dict[int, StoredTrial] = {}  # Finished trials never change again.
        self._whole: set[int] = set()  # Batches that were seen to be complete.

    def begin(self, run: str) -> None:
        """From now on queries are taken in the name of `run`, which no other run has."""
        self._lease = Lease.of_this_process(run)
        self._lease_key = _LEASE + run

    def name_objectives(self) -> None:
        """Names the objectives for dashboards, in a study that does not name them yet."""
        if self.study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.set_metric_names([o.metric for o in self.task.objectives])

    # ---- reading ----

    def read(self) -> list[StoredTrial]:
        """Every query that counts, by its number: one trial each, the interrupted ones left out."""
        return _counting(self._all())

    def _all(self) -> list[StoredTrial]:
        trials = []
        for frozen in self.storage.get_all_trials(self._study_id, deepcopy=False):
            trial = self._final.get(frozen.number)
            if trial is None:
                if PREFIX + "query" not in frozen.user_attrs:
                    continue  # Not ours: somebody queued it in the dashboard.
                trial = self._stored(frozen)
                if frozen.state.is_finished():
                    self._final[frozen.number] = trial
            trials.append(trial)
        return trials

    def _stored(self, frozen: FrozenTrial) -> StoredTrial:
        attributes = frozen.user_attrs
        trial = StoredTrial(
            frozen,
            _state(frozen),
            attributes[PREFIX + "query"],
            self.task.space.architecture(frozen.params),
            tuple(
                lease
                for name, value in attributes.items()
                if name.startswith(_LEASE) and (lease := Lease.read(value)) is not None
            ),
        )
        if trial.state not in (State.DONE, State.DROPPED):
            return trial
        values = frozen.values if trial.state is State.DONE else ()
        metrics = {
            objective.metric: float(value)
            for objective, value in zip(self.task.objectives, values, strict=False)
        }
        for name, value in attributes.items():
            if not name.startswith(PREFIX) and isinstance(value, int | float):
                metrics.setdefault(name, float(value))
        return replace(trial, metrics=metrics)

    # ---- after a crash ----

    def repair(self, active: Iterable[str]) -> list[StoredTrial]:
        """Queues interrupted queries again and completes half-written batches.

        Args:
            active: The runs of this process that go on; its other ones have ended.

        Returns:
            What `read` returns; a query that was interrupted is waiting again in it.
        """
        trials = self._all()
        active = set(active)
        changed = False
        for trial in trials:
            if trial.state is State.RUNNING and all(_is_over(o, active) for o in trial.leases):
                who = " or ".join(map(str, trial.leases)) or "its process"
                self.interrupt(trial, f"{who} ended while it ran")
                changed = True
        trials = self._all() if changed else trials
        repeated = {trial.attribute("repeats") for trial in trials}
        for trial in trials:
            if trial.state is State.INTERRUPTED and trial.id not in repeated:
                self._repeat(trial)
                changed = True
        written = {(trial.number, trial.architecture) for trial in trials}
        for trial in trials:
            batch = trial.attribute("batch")
            if batch is None or trial.id in self._whole:
                continue
            writer = Lease.read(batch["owner"])
            if writer is not None and not _is_over(writer, active):
                continue  # Another process is writing it; this run's own batches are complete.
            predicted = batch.get("predicted") or [None] * len(batch["rows"])
            rows = self._batch(trial.number, batch["rows"])
            for (query, arch), value in zip(rows, predicted, strict=True):
                if (query, arch) not in written:
                    self._add(
                        query, arch, trial.optimizer_seconds, epochs=trial.epochs, predicted=value
                    )
                    changed = True
            self._whole.add(trial.id)
        return _counting(self._all() if changed else trials)

    def _batch(
        self, first: int, rows: Sequence[Sequence[int]]
    ) -> Iterable[tuple[int, Architecture]]:
        options = [list(choice) for choice in self.task.space.choices.values()]
        names = self.task.space.names
        for shift, row in enumerate(rows):
            picked = tuple(o[i] for o, i in zip(options, row, strict=True))
            yield first + shift, Architecture(names, picked, self.task.space.to_text)

    # ---- writing ----

    def propose(
        self,
        first: int,
        archs: Sequence[Architecture],
        seconds: float,
        predicted: Sequence[float | None] | None = None,
        epochs: int | None = None,
        cut_from: int | None = None,
        again: int = 0,
    ) -> None:
        """Queues a batch as queries `first`, `first` + 1, ….

        Args:
            first: The number of its first query.
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
            if predicted is not None:
                batch["predicted"] = list(predicted)
        for shift, arch in enumerate(archs):
            self._add(
                first + shift,
                arch,
                share,
                epochs=epochs,
                predicted=None if predicted is None else predicted[shift],
                batch=batch if shift == 0 else None,
                cut_from=cut_from if shift == 0 else None,
                again=again or None,
            )

    def _repeat(self, trial: StoredTrial) -> None:
        self._add(
            trial.number,
            trial.architecture,
            trial.optimizer_seconds,
            epochs=trial.epochs,
            predicted=trial.predicted,
            again=trial.again or None,
            repeats=trial.id,
        )

    def _add(self, query: int, arch: Architecture, seconds: float, **attributes: Any) -> None:
        values = {"query": query, "ask_seconds": seconds, **attributes}
        self.study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.WAITING,
                params=dict(arch),
                distributions=self._distributions,
                user_attrs={PREFIX + k: v for k, v in values.items() if v is not None},
            )
        )

    def by_id(self) -> dict[int, StoredTrial]:
        """Every trial by its id, also those that do not count."""
        return {trial.id: trial for trial in self._all()}

    def take(self, trial: StoredTrial) -> bool:
        """Whether this run got a waiting query; False if another process was faster."""
        try:
            # The lease is written first: a running trial without one would look abandoned. Its key
            # is this run's own, since another process may be trying the same just now.
            self.renew(trial)
            if self.storage.set_trial_state_values(trial.frozen._trial_id, TrialState.RUNNING):
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
        key = _LEASE + lease.run
        self.storage.set_trial_user_attr(trial.frozen._trial_id, key, lease.to_json())

    def hand_over(self, trial: StoredTrial, lease: Lease) -> None:
        """Gives a query that this run holds to another holder, who may then `claim` it."""
        self.lend(trial, lease)
        self.let_go(trial)

    def let_go(self, trial: StoredTrial) -> None:
        """Removes this run's lease, and leaves the query to its other holders."""
        self.storage.set_trial_user_attr(trial.frozen._trial_id, self._lease_key, None)

    def claim(self, trial: StoredTrial, active: set[str]) -> bool:
        """Whether this run alone may finish a running query that no process holds.

        Of two that claim at once, both write before they read, so that at most one succeeds.

        Args:
            trial: The query.
            active: The runs of this process that go on.

        Raises:
            UpdateFinishedTrialError: It has ended.
        """
        self.renew(trial)
        now = self._stored(self.storage.get_trial(trial.frozen._trial_id))
        others = [o for o in now.leases if not o.timed and o.run != self._lease.run]
        if all(_is_over(other, active) for other in others):
            return True
        self.let_go(trial)
        return False

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
            for name, value in values.items():
                if value is not None:
                    self.storage.set_trial_user_attr(trial_id, PREFIX + name, value)
            if evaluation.metrics is None:
                self._end(trial, "failed", evaluation.reason, TrialState.FAIL)
            else:
                self._write_metrics(trial_id, evaluation.metrics)
                if evaluation.dropped:
                    self.study.tell(trial.id, state=TrialState.PRUNED)
                else:
                    objectives = self.task.objectives
                    self.study.tell(trial.id, [evaluation.metrics[o.metric] for o in objectives])
        except (UpdateFinishedTrialError, ValueError):
            # `tell` raises ValueError for a finished trial; any other one is an error.
            if not self.storage.get_trial(trial_id).state.is_finished():
                raise
            return None
        return self._stored(self.storage.get_trial(trial_id))

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

    def interrupt(self, trial: StoredTrial, reason: str = STOPPED) -> None:
        """Ends a running query that has no result; `repair` queues it again."""
        self._end(trial, "interrupted", reason, TrialState.PRUNED)

    def died(self, trial: StoredTrial, reason: str) -> None:
        """Ends a running query whose process died; `repair` queues it again."""
        self.storage.set_trial_user_attr(trial.frozen._trial_id, PREFIX + "died", True)
        self.interrupt(trial, reason)

    def deaths(self, trial: StoredTrial) -> int:
        """How often the query ended its process since it was proposed or retried."""
        every = {t.id: t for t in self._all()}
        count, earlier = 0, trial.attribute("repeats")
        while earlier is not None:
            before = every[earlier]
            if before.state is State.FAILED:
                break
            count += bool(before.attribute("died"))
            earlier = before.attribute("repeats")
        return count

    def retry(self, trial: StoredTrial) -> None:
        """Queues a failed query again; from now on the failure does not count."""
        self._repeat(trial)

    def drop_duplicate(self, trial: StoredTrial, of: StoredTrial) -> None:
        """Ends a waiting query whose architecture `of` evaluates already."""
        if self.take(trial):
            self._end(trial, "duplicate", f"trial {of.id} asks the same", TrialState.PRUNED)

    def _end(self, trial: StoredTrial, kind: str, reason: str, state: TrialState) -> None:
        try:
            self.storage.set_trial_user_attr(trial.frozen._trial_id, PREFIX + kind, reason)
            self.study.tell(trial.id, state=state)
        except (UpdateFinishedTrialError, ValueError):
            if not self.storage.get_trial(trial.frozen._trial_id).state.is_finished():
                raise

    def interruptions(self, trial: StoredTrial) -> int:
        """How often the search ended while a query ran; Ctrl-C does not count."""
        query = (trial.number, trial.architecture)
        return sum(
            t.state is State.INTERRUPTED
            and (t.number, t.architecture) == query
            and t.attribute("interrupted") != STOPPED
            and not t.attribute("died")
            for t in self._all()
        )

    def session_seconds(self) -> float:
        """The time of all sessions up to their last results."""
        return float(sum(t.attribute("seconds", {}).get("session", 0.0) for t in self.read()))


def duplicates(trials: Sequence[StoredTrial]) -> list[tuple[StoredTrial, StoredTrial]]:
    """Waiting trials, each with the trial that evaluates the same architecture in its place.

    A running or finished trial goes before a waiting one, then the earlier before the later.
    """
    first: dict[tuple[Architecture, int | None, int], StoredTrial] = {}
    for trial in sorted(trials, key=lambda t: (t.state is State.WAITING, t.id)):
        first.setdefault((trial.architecture, trial.epochs, trial.again), trial)
    pairs = [(trial, first[trial.architecture, trial.epochs, trial.again]) for trial in trials]
    return [(t, other) for t, other in pairs if t.state is State.WAITING and other is not t]


def _counting(trials: Iterable[StoredTrial]) -> list[StoredTrial]:
    trials = list(trials)
    repeated = {t.attribute("repeats") for t in trials}
    # A failed trial that is repeated was retried by the user.
    out = [
        t
        for t in trials
        if t.state not in (State.INTERRUPTED, State.DUPLICATE)
        and not (t.state is State.FAILED and t.id in repeated)
    ]
    # Two processes that propose at once may use a number twice: the earlier trial goes first.
    return sorted(out, key=lambda t: (t.number, t.id))


def _state(frozen: FrozenTrial) -> State:
    if frozen.state is TrialState.WAITING:
        return State.WAITING
    if frozen.state is TrialState.RUNNING:
        return State.RUNNING
    if frozen.state is TrialState.COMPLETE:
        return State.DONE
    if frozen.state is TrialState.PRUNED and PREFIX + "dropped" in frozen.user_attrs:
        return State.DROPPED
    for state in (State.FAILED, State.INTERRUPTED, State.DUPLICATE):
        if PREFIX + state.value in frozen.user_attrs:
            return state
    return State.FAILED


def _is_over(lease: Lease, active: set[str]) -> bool:
    return lease.run not in active if lease.here else lease.gone
