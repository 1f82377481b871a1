"""The history of a search as Optuna stores it: one trial for each query, and nothing else.

A trial has its parameters from the start, so that other processes know what is pending, and once it
is complete its values, and its metrics as user attributes. Its other attributes:

=========================== ====================================================================
``optiproxy:query``         its place among all that were proposed, from 1; a repeated trial keeps
                            it
``optiproxy:number``        the query's number, which it gets with its result (see `numbers`); one
                            that is tried again has it from the start
``optiproxy:again``         of a repeated evaluation of an architecture: 1 for its second one; it is
                            no query, and its place comes after those of all queries before it
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

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optiproxy.metrics import RESERVED
from optiproxy.spaces import Architecture
from optiproxy.study._storage.lease import Lease
from optiproxy.study.records import Record
from optiproxy.tasks import Task

PREFIX = RESERVED
#: The lease of each run that tried a trial has an attribute of its own: this and the run's name.
LEASE = PREFIX + "owner:"
#: The attribute of a query that has its number, which it gets with its result.
NUMBER = "number"


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
        visible: Those of it that the optimiser may see.
        cost: Of the budget, in full trainings; of a dropped one what it would have been.
        own_number: The number that was written with its result; see `numbers`.
        epochs: Of a low-fidelity training; None for a full one.
        again: Of a repeated evaluation of its architecture 1, 2, …; 0 for the first.
        curve: The learning curve that the evaluator reported: (epoch, value).
        cut_from: On the first trial of a batch that the budget cut: the size of the batch before.
        batch: On the first trial of a batch: the whole batch.
        optimizer_seconds: Its share of the time that it took to propose it.
        predicted: The first objective as the method's model predicted it.
        seconds: Duration of the evaluation; 0 before it has finished.
        repeats: The id of the interrupted or failed trial that it repeats.
    """

    frozen: FrozenTrial
    state: State
    number: int
    architecture: Architecture
    leases: tuple[Lease, ...]
    metrics: dict[str, float] | None
    visible: dict[str, float] | None
    cost: float
    own_number: int | None
    epochs: int | None
    again: int
    curve: Sequence[tuple[int, float]]
    cut_from: int | None
    batch: dict[str, Any] | None
    optimizer_seconds: float
    predicted: float | None
    seconds: float
    repeats: int | None

    # Derived values are computed once: a search reads each of them in every later query.

    @cached_property
    def id(self) -> int:
        """Optuna's number of it in the study: a repeated trial has another one."""
        return int(self.frozen.number)

    @cached_property
    def finished(self) -> bool:
        """Whether it has its result, from which the optimiser learns."""
        return self.state in (State.DONE, State.FAILED, State.DROPPED)

    @cached_property
    def counted(self) -> bool:
        """Whether it is a finished query: trained or failed, not dropped untrained."""
        return self.state in (State.DONE, State.FAILED)

    @cached_property
    def stopped(self) -> bool:
        """Whether its training was stopped early, behind the others."""
        return self.state is State.FAILED and self.attribute("cost") is not None

    @cached_property
    def kind(self) -> str:
        """The kind of its failure; empty if it did not fail."""
        return str(self.attribute("kind", "")) if self.state is State.FAILED else ""

    @cached_property
    def spent(self) -> float:
        """What it costs of the budget; a query that was dropped untrained costs nothing."""
        # A repeat always does, or it had no end.
        return 0.0 if self.state is State.DROPPED and not self.again else self.cost

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
            cost=self.cost,
            stopped=self.stopped,
            predicted=self.predicted,
            kind=self.kind,
            traceback=self.attribute("traceback", ""),
            worker=self.attribute("worker", {}).get("number"),
            device=self.attribute("worker", {}).get("device", ""),
            again=self.again,
            curve=tuple((epoch, value) for epoch, value in self.curve),
        )


def read_trial(frozen: FrozenTrial, task: Task) -> StoredTrial | None:
    """The query that Optuna's trial is; None if it is not ours: somebody queued it otherwise."""
    stored = {
        name.removeprefix(PREFIX): value
        for name, value in frozen.user_attrs.items()
        if name.startswith(PREFIX)
    }
    if "query" not in stored:
        return None
    state = _state(frozen)
    metrics = _metrics(frozen, task, state)
    epochs = stored.get("epochs")
    held = (Lease.read(v) for name, v in frozen.user_attrs.items() if name.startswith(LEASE))
    return StoredTrial(
        frozen,
        state,
        stored["query"],
        task.space.architecture(frozen.params),
        leases=tuple(lease for lease in held if lease is not None),
        metrics=metrics,
        visible=None if metrics is None else task.visible(metrics),
        cost=task.cost(epochs) * stored.get("cost", 1.0),
        own_number=stored.get(NUMBER),
        epochs=epochs,
        again=int(stored.get("again", 0)),
        curve=stored.get("curve", ()),
        cut_from=stored.get("cut_from"),
        batch=stored.get("batch"),
        optimizer_seconds=float(stored.get("ask_seconds", 0.0)),
        predicted=stored.get("predicted"),
        seconds=float(stored.get("seconds", {}).get("evaluation", 0.0)),
        repeats=stored.get("repeats"),
    )


def _metrics(frozen: FrozenTrial, task: Task, state: State) -> dict[str, float] | None:
    if state not in (State.DONE, State.DROPPED):
        return None
    values = frozen.values if state is State.DONE else ()
    metrics = {
        objective.metric: float(value)
        for objective, value in zip(task.objectives, values, strict=False)
    }
    for name, value in frozen.user_attrs.items():
        if not name.startswith(PREFIX) and isinstance(value, int | float):
            metrics.setdefault(name, float(value))
    return metrics


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
