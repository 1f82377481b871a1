"""The history of a search as Optuna keeps it: one trial a query, nothing else.

What a trial says, besides its parameters (all of them from the start, so that other processes know
what is out) and, once it is complete, its values and its metrics as user attributes:

=========================== ====================================================================
``optiproxy:query``         the query's number, from 1; a repeated trial keeps it
``optiproxy:epochs``        of a short training; a full one says nothing
``optiproxy:curve``         what the evaluator reported: pairs of an epoch and a value
``optiproxy:cost``          of a training that was stopped: the part of it that was spent
``optiproxy:known``         of such a one: the metrics that were known before it
``optiproxy:cut_from``      on the first trial of a batch that the budget cut: its size before
``optiproxy:ask_seconds``   its share of the time it took to propose it
``optiproxy:predicted``     the first objective as the method's model predicted it, if it has one
``optiproxy:batch``         on the first trial of a batch: all of the batch, so that a batch whose
                            writer was killed half-way can be completed as it was
``optiproxy:owner:RUN``     who runs it, or tried to; null once it knows that another one was faster
``optiproxy:seconds``       of the evaluation, and of the session since its last result
``optiproxy:measured``      how a metric was measured, where the evaluator told: device, versions, …
``optiproxy:feasible``      where there are constraints (the dashboard does not show Optuna's own)
``optiproxy:failed``        state FAIL: why the evaluation failed
``optiproxy:dropped``       state PRUNED: which limit its cheap metrics break; it was not trained
                            and counts in no budget but that of measuring
``optiproxy:interrupted``   state FAIL: what ended its process; it is no query, it is repeated
``optiproxy:repeats``       the number of the interrupted trial that this one repeats
``optiproxy:duplicate``     state FAIL: two processes proposed the same at once; it is no query
=========================== ====================================================================
"""

from __future__ import annotations

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
from optiproxy.study._storage.lease import Owner
from optiproxy.study.records import Record
from optiproxy.tasks import Evaluation, Task

PREFIX = RESERVED
_OWNER = PREFIX + "owner:"

#: The reason of an interruption that was asked for.
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
class Entry:
    """One trial, read."""

    trial: FrozenTrial
    state: State
    number: int
    architecture: Architecture
    owners: tuple[Owner, ...] = ()
    metrics: dict[str, float] | None = None

    @property
    def finished(self) -> bool:
        """Whether it has its answer, of which the optimiser learns."""
        return self.state in (State.DONE, State.FAILED, State.DROPPED)

    @property
    def counted(self) -> bool:
        """Whether it is a query over, trained or failed; a dropped one is none."""
        return self.state in (State.DONE, State.FAILED)

    @property
    def epochs(self) -> int | None:
        """Of a short training; None for a full one."""
        epochs: int | None = self.attribute("epochs")
        return epochs

    @property
    def stopped(self) -> bool:
        """Whether its training was stopped early, behind the others."""
        return self.state is State.FAILED and self.attribute("cost") is not None

    def cost(self, task: Task) -> float:
        """What it counts in the budget of full trainings."""
        return task.cost(self.epochs) * float(self.attribute("cost", 1.0))

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.trial.user_attrs.get(PREFIX + name, default)

    def record(self, query: int, task: Task) -> Record:
        metrics = self.metrics
        failed = self.attribute("failed", "marked as failed from outside")
        reason = failed if metrics is None else self.attribute("dropped", "")
        return Record(
            query=query,
            architecture=self.architecture,
            metrics=metrics,
            feasible=metrics is not None and task.feasible(metrics),
            reason=reason,
            seconds=self.attribute("seconds", {}).get("evaluation", 0.0),
            optimizer_seconds=self.attribute("ask_seconds", 0.0),
            measured=self.attribute("measured", {}),
            epochs=self.epochs,
            cost=self.cost(task),
            stopped=self.stopped,
            predicted=self.attribute("predicted"),
        )


class Ledger:
    """Reads and writes the queries of one study.

    Args:
        study: An Optuna study whose trials are ours.
        storage: Where it is kept.
        task: What is searched.
    """

    def __init__(
        self, study: optuna.Study, storage: optuna.storages.BaseStorage, task: Task
    ) -> None:
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._task = task
        self.begin("")
        self._distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(options) for name, options in task.space.choices.items()
        }
        self._final: dict[int, Entry] = {}  # Finished trials never change again.
        self._whole: set[int] = set()  # Batches that were seen to be complete.

    def begin(self, run: str) -> None:
        """From now on it is `run`, a name unlike any other's, that takes queries."""
        self._owner = Owner.of_this_process(run)
        self._owner_key = _OWNER + run

    # ---- reading ----

    @property
    def task(self) -> Task:
        return self._task

    def read(self) -> list[Entry]:
        """Every query that counts, in its order: one entry each, the interrupted ones left out."""
        return _counting(self._entries())

    def _entries(self) -> list[Entry]:
        entries = []
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False):
            entry = self._final.get(trial.number)
            if entry is None:
                if PREFIX + "query" not in trial.user_attrs:
                    continue  # Not ours: somebody queued it in the dashboard.
                entry = self._entry(trial)
                if trial.state.is_finished():
                    self._final[trial.number] = entry
            entries.append(entry)
        return entries

    def _entry(self, trial: FrozenTrial) -> Entry:
        attributes = trial.user_attrs
        entry = Entry(
            trial,
            _state(trial),
            attributes[PREFIX + "query"],
            self._task.space.architecture(trial.params),
            tuple(
                owner
                for name, value in attributes.items()
                if name.startswith(_OWNER) and (owner := Owner.read(value)) is not None
            ),
        )
        if entry.state not in (State.DONE, State.DROPPED):
            return entry
        values = trial.values if entry.state is State.DONE else ()
        metrics = {
            objective.metric: float(value)
            for objective, value in zip(self._task.objectives, values, strict=False)
        }
        for name, value in attributes.items():
            if not name.startswith(PREFIX) and isinstance(value, int | float):
                metrics.setdefault(name, float(value))
        return replace(entry, metrics=metrics)

    # ---- what a crash left behind ----

    def repair(self, active: Iterable[str]) -> list[Entry]:
        """Repeats what was interrupted and completes half-written batches.

        Args:
            active: The runs of this very process that go on; its other ones are over.

        Returns:
            What `read` returns; a query that was interrupted is waiting again in it.
        """
        entries = self._entries()
        active = set(active)
        changed = False
        for entry in entries:
            if entry.state is State.RUNNING and all(_is_over(o, active) for o in entry.owners):
                who = " or ".join(map(str, entry.owners)) or "its process"
                self.interrupt(entry, f"{who} ended while it ran")
                changed = True
        entries = self._entries() if changed else entries
        repeated = {entry.attribute("repeats") for entry in entries}
        for entry in entries:
            if entry.state is State.INTERRUPTED and entry.trial.number not in repeated:
                self._add(
                    entry.number,
                    entry.architecture,
                    entry.attribute("ask_seconds", 0.0),
                    epochs=entry.epochs,
                    predicted=entry.attribute("predicted"),
                    repeats=entry.trial.number,
                )
                changed = True
        written = {(entry.number, entry.architecture) for entry in entries}
        for entry in entries:
            batch = entry.attribute("batch")
            if batch is None or entry.trial.number in self._whole:
                continue
            owner = Owner.read(batch["owner"])
            if owner is not None and not _is_over(owner, active):
                continue  # Its writer is at it; where that is this run, the batch is complete.
            seconds = entry.attribute("ask_seconds", 0.0)
            predicted = batch.get("predicted") or [None] * len(batch["rows"])
            rows = self._batch(entry.number, batch["rows"])
            for (query, arch), value in zip(rows, predicted, strict=True):
                if (query, arch) not in written:
                    self._add(query, arch, seconds, epochs=entry.epochs, predicted=value)
                    changed = True
            self._whole.add(entry.trial.number)
        return _counting(self._entries() if changed else entries)

    def _batch(
        self, first: int, rows: Sequence[Sequence[int]]
    ) -> Iterable[tuple[int, Architecture]]:
        options = [list(choice) for choice in self._task.space.choices.values()]
        names = self._task.space.names
        for shift, row in enumerate(rows):
            picked = tuple(o[i] for o, i in zip(options, row, strict=True))
            yield first + shift, Architecture(names, picked, self._task.space.to_text)

    # ---- writing ----

    def propose(
        self,
        first: int,
        archs: Sequence[Architecture],
        seconds: float,
        predicted: Sequence[float | None] | None = None,
        epochs: int | None = None,
        cut_from: int | None = None,
    ) -> None:
        """Queues a batch as queries `first`, `first` + 1, …; it took `seconds` to propose it.

        Args:
            first: The number of its first query.
            archs: The batch.
            seconds: How long the method took to propose it.
            predicted: What its model predicted of each; None for what it did not choose, and
                where it has no model.
            epochs: Of short trainings; None for full ones.
            cut_from: How many the method proposed, where the budget cut the batch.
        """
        share = seconds / len(archs)
        batch: dict[str, Any] | None = None
        if len(archs) > 1:
            rows = self._task.space.to_indices(archs).tolist()
            batch = {"rows": rows, "owner": self._owner.renewed().to_json()}
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
            )

    def _add(self, query: int, arch: Architecture, seconds: float, **attributes: Any) -> None:
        values = {"query": query, "ask_seconds": seconds, **attributes}
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.WAITING,
                params=dict(arch),
                distributions=self._distributions,
                user_attrs={PREFIX + k: v for k, v in values.items() if v is not None},
            )
        )

    def take(self, entry: Entry) -> bool:
        """Whether this run got a waiting query; False where another process was faster."""
        try:
            # The name comes first: a trial that runs without one could never be told from a live
            # one. Under a key of this run, for another process may be trying the same just now.
            self.renew(entry)
            if self._storage.set_trial_state_values(entry.trial._trial_id, TrialState.RUNNING):
                return True
            self._storage.set_trial_user_attr(entry.trial._trial_id, self._owner_key, None)
        except UpdateFinishedTrialError:
            pass
        return False

    def renew(self, entry: Entry) -> None:
        """Says that a running query is still being worked on."""
        owner = self._owner.renewed().to_json()
        self._storage.set_trial_user_attr(entry.trial._trial_id, self._owner_key, owner)

    def finish(self, entry: Entry, evaluation: Evaluation, session: float) -> bool:
        """Writes a result; False where the query was taken from this run in the meantime.

        Args:
            entry: A query that this run took.
            evaluation: Its metrics, or the reason of its failure.
            session: Seconds of this session since its last result.
        """
        trial_id = entry.trial._trial_id
        seconds = {"evaluation": evaluation.seconds, "session": session}
        try:
            self._storage.set_trial_user_attr(trial_id, PREFIX + "seconds", seconds)
            if evaluation.curve:
                self._storage.set_trial_user_attr(trial_id, PREFIX + "curve", evaluation.curve)
            if evaluation.stopped:
                self._storage.set_trial_user_attr(trial_id, PREFIX + "cost", evaluation.cost)
                self._storage.set_trial_user_attr(trial_id, PREFIX + "known", evaluation.known)
            if evaluation.metrics is None:
                self._fail(entry, "failed", evaluation.reason)
                return True
            if evaluation.measured:
                self._storage.set_trial_user_attr(
                    trial_id, PREFIX + "measured", evaluation.measured
                )
            self._write_metrics(trial_id, evaluation.metrics)
            if evaluation.dropped:
                self._storage.set_trial_user_attr(trial_id, PREFIX + "dropped", evaluation.dropped)
                self._study.tell(entry.trial.number, state=TrialState.PRUNED)
                return True
            values = [evaluation.metrics[o.metric] for o in self._task.objectives]
            self._study.tell(entry.trial.number, values)
        except (UpdateFinishedTrialError, ValueError):
            # `tell` raises ValueError for a trial that is over. Anything else is ours to hear of.
            if not self._storage.get_trial(trial_id).state.is_finished():
                raise
            return False
        return True

    def _write_metrics(self, trial_id: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self._storage.set_trial_user_attr(trial_id, name, value)
        constraints = self._task.constraints
        if not constraints:
            return
        trial = optuna.Trial(self._study, trial_id)
        for constraint in constraints:
            if constraint.metric in metrics:  # A dropped one has the cheap ones alone.
                violation = constraint.violation(metrics[constraint.metric])
                trial.set_constraint(str(constraint), violation)
        trial.set_user_attr(PREFIX + "feasible", is_feasible(metrics, constraints))

    def interrupt(self, entry: Entry, reason: str = STOPPED) -> None:
        """Ends a running query that has no result; `repair` queues it again."""
        self._fail(entry, "interrupted", reason)

    def drop_duplicate(self, entry: Entry, of: Entry) -> None:
        """Ends a waiting query that another one already asks."""
        if self.take(entry):
            self._fail(entry, "duplicate", f"trial {of.trial.number} asks the same")

    def _fail(self, entry: Entry, kind: str, reason: str) -> None:
        try:
            self._storage.set_trial_user_attr(entry.trial._trial_id, PREFIX + kind, reason)
            self._study.tell(entry.trial.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            if not self._storage.get_trial(entry.trial._trial_id).state.is_finished():
                raise

    def interruptions(self, entry: Entry) -> int:
        """How often a query's process ended while it ran; Ctrl-C does not count."""
        query = (entry.number, entry.architecture)
        return sum(
            e.state is State.INTERRUPTED
            and (e.number, e.architecture) == query
            and e.attribute("interrupted") != STOPPED
            for e in self._entries()
        )

    def session_seconds(self) -> float:
        """The time of all sessions up to their last results."""
        return float(sum(e.attribute("seconds", {}).get("session", 0.0) for e in self.read()))


def duplicates(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Waiting entries whose question an entry with a better claim has too: (entry, other)."""
    first: dict[tuple[Architecture, int | None], Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.state is State.WAITING, e.trial.number)):
        first.setdefault((entry.architecture, entry.epochs), entry)
    claims = [(entry, first[entry.architecture, entry.epochs]) for entry in entries]
    return [(e, other) for e, other in claims if e.state is State.WAITING and other is not e]


def _counting(entries: Iterable[Entry]) -> list[Entry]:
    out = [e for e in entries if e.state not in (State.INTERRUPTED, State.DUPLICATE)]
    # Two processes that propose at once may use a number twice: the earlier trial goes first.
    return sorted(out, key=lambda e: (e.number, e.trial.number))


def _state(trial: FrozenTrial) -> State:
    if trial.state is TrialState.WAITING:
        return State.WAITING
    if trial.state is TrialState.RUNNING:
        return State.RUNNING
    if trial.state is TrialState.COMPLETE:
        return State.DONE
    if PREFIX + "dropped" in trial.user_attrs:
        return State.DROPPED
    if PREFIX + "failed" in trial.user_attrs:
        return State.FAILED
    if PREFIX + "interrupted" in trial.user_attrs:
        return State.INTERRUPTED
    return State.DUPLICATE if PREFIX + "duplicate" in trial.user_attrs else State.FAILED


def _is_over(owner: Owner, active: set[str]) -> bool:
    return owner.run not in active if owner.here else owner.gone
