"""Queries that other programs evaluate: each is held by a lease until its answer is stored.

A program need not run in between: what it holds is a query's id and a lease that no process holds,
which it may renew or give back. When the lease has ended, the query is asked again.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from optuna.exceptions import UpdateFinishedTrialError
from pydantic import Field

from optiproxy.errors import InvalidValueError, StudyError, invalid
from optiproxy.search import Optimizer
from optiproxy.spaces import Architecture
from optiproxy.spaces.serial import Definition, read
from optiproxy.study._budget import Budget
from optiproxy.study._queue import Queue
from optiproxy.study._storage.lease import Lease
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.study._storage.trials import Trials
from optiproxy.tasks import Evaluation, evaluation_seed, repeated_seed
from optiproxy.tasks.failures import MISTAKE

# Attempts, some hundredths of a second apart, to finish a query that another program is finishing.
_ATTEMPTS = 20

_SHOWN = 20  # Ids that a message lists.


@dataclass(frozen=True)
class Asked:
    """A query that a program evaluates.

    Attributes:
        id: By which its answer names it; a query that is asked again has another one.
        architecture: What is to be evaluated.
        seed: For the evaluation's random numbers: fixed by the study's seed and the architecture.
        epochs: Of a low-fidelity training; None for a full one.
        until: When the lease ends, in seconds since 1970.
    """

    id: int
    architecture: Architecture
    seed: int
    epochs: int | None
    until: float

    def plain(self) -> dict[str, Any]:
        """It as JSON values; `until` as a time of ISO 8601."""
        epochs = {} if self.epochs is None else {"epochs": self.epochs}
        return {
            "id": self.id,
            "architecture": dict(self.architecture),
            "seed": self.seed,
            **epochs,
            "until": _iso(self.until),
        }


class Answer(Definition):
    """What a program tells of a query: its metrics, or why it failed."""

    id: Annotated[int, Field(description="Of the query, as `ask` gave it.")]
    metrics: Annotated[
        dict[str, float | None] | float | None,
        Field(
            description="Metric → number; a bare number if there is one objective. Null in the "
            "place of a number says that it was not measured."
        ),
    ] = None
    failed: Annotated[str | None, Field(description="Why it has no metrics.", min_length=1)] = None
    kind: Annotated[
        str,
        Field(
            description="Of the failure: oom, time-limit, nan, died, device, or your own name.",
            min_length=1,
        ),
    ] = "EvaluationFailed"
    traceback: str = ""
    seconds: Annotated[
        float | None,
        Field(description="Of the evaluation; by default since the query was asked.", ge=0),
    ] = None


class Programs:
    """Asks for queries of one study, and tells their answers, in the name of other programs.

    Args:
        trials: The study's history, read here alone.
        seed: The study's; the evaluators' seeds derive from it.
        optimizer: The study's, made when something is asked for.
    """

    def __init__(self, trials: Trials, seed: int, optimizer: Callable[[], Optimizer]) -> None:
        self._trials = trials
        self._seed = seed
        self._optimizer = optimizer
        self._exhausted = False

    def ask(
        self, n: int, seconds: float, budget: Budget, note: Callable[[str], None]
    ) -> list[Asked]:
        """Takes up to `n` queries, held for `seconds`; `note` is called with warnings."""
        queue = Queue(self._trials, self._optimizer(), budget, shared=True, note=note)
        taken: list[StoredTrial] = []
        with self._trials.session():
            # If this process dies in between, its lease ends and the queries are free again.
            while len(taken) < n and (trial := queue.next({t.id for t in taken})) is not None:
                if self._trials.take(trial) and not self._dropped(trial):
                    taken.append(trial)
            lease = Lease.until(time.time() + seconds, uuid.uuid4().hex)
            for trial in taken:
                self._trials.hand_over(trial, lease)
        self._exhausted = queue.spent
        return [self._asked(trial, lease) for trial in taken]

    def done(self, budget: Budget) -> bool:
        """Whether no query runs, and none that the budget affords waits or can be proposed."""
        trials = self._trials.read()
        waiting = [trial for trial in trials if trial.state is State.WAITING]
        begun = [trial for trial in trials if trial.state is not State.WAITING]
        left = budget.affordable(begun, waiting) or (not self._exhausted and budget.has_room(begun))
        return not left and all(trial.finished for trial in begun)

    def held(self) -> list[Asked]:
        """The queries that programs hold, also those whose lease has ended."""
        running = (t for t in self._trials.read() if t.state is State.RUNNING)
        return [self._asked(t, lease) for t in running if (lease := _lease(t)) is not None]

    def tell(self, answers: Sequence[Answer], note: Callable[[str], None]) -> list[int]:
        """Stores answers: all, or none where one can't be used; `note` is called with warnings.

        Returns:
            The ids of the queries.

        Raises:
            InvalidValueError: With all that is wrong.
            StudyError: Another program answered one of them at the same time; the others are
                stored.
        """
        trials = self._trials.by_id()
        problems = [
            f"answer {i}: id {answer.id} is there twice"
            for i, answer in enumerate(answers, start=1)
            if answer.id in [other.id for other in answers[: i - 1]]
        ]
        results: list[tuple[StoredTrial, Evaluation]] = []
        for i, answer in enumerate(answers, start=1):
            try:
                trial = self._open(trials, answer.id)
                results.append((trial, self._evaluation(trial, answer)))
            except InvalidValueError as error:
                problems.append(f"answer {i}: {error}")
        if problems:
            raise InvalidValueError("; ".join(problems) + _nothing_stored(len(answers)))
        late = [trial.id for trial, evaluation in results if not self._finished(trial, evaluation)]
        if late:
            these = ", ".join(map(str, late))
            raise StudyError(f"id {these}: another program answered it at the same time")
        for name in sorted({name for _, evaluation in results for name in evaluation.left_out}):
            note(f"{name!r} is no number or no name of a metric; it is left out")
        return [trial.id for trial, _ in results]

    def renew(self, ids: Iterable[int], seconds: float) -> list[Asked]:
        """Renews the leases of queries: they end `seconds` from now.

        Raises:
            InvalidValueError: One of them is not held by a program any more.
        """
        trials = self._trials.by_id()
        renewed = []
        for trial in [self._open(trials, each) for each in ids]:
            held = _lease(trial)
            assert held is not None
            lease = replace(held, lease=time.time() + seconds)
            try:
                self._trials.lend(trial, lease)
            except UpdateFinishedTrialError:
                self._open(self._trials.by_id(), trial.id)
            renewed.append(self._asked(trial, lease))
        return renewed

    def release(self, ids: Iterable[int]) -> None:
        """Gives queries back, to be asked again.

        Raises:
            InvalidValueError: One of them is not held by a program any more.
        """
        trials = self._trials.by_id()
        for trial in [self._open(trials, each) for each in ids]:
            self._trials.interrupt(trial)

    # ---- inside ----

    def _asked(self, trial: StoredTrial, lease: Lease) -> Asked:
        seed = evaluation_seed(repeated_seed(self._seed, trial.again), trial.architecture)
        return Asked(trial.id, trial.architecture, seed, trial.epochs, lease.lease)

    def _dropped(self, trial: StoredTrial) -> bool:
        """Whether a query ends before its training; what ends it is stored."""
        found = self._trials.task.prefiltered(trial.architecture)
        if found is not None:
            self._trials.finish(trial, found, found.seconds + trial.optimizer_seconds)
        return found is not None

    def _open(self, trials: Mapping[int, StoredTrial], id: int) -> StoredTrial:
        """A query that a program holds.

        Raises:
            InvalidValueError: It is none; the message says what became of it.
        """
        trial = trials.get(id)
        if trial is None or (trial.state is State.WAITING and not trial.leases):
            held = [asked.id for asked in self.held()][:_SHOWN]
            raise invalid("id", id, f"give one that was asked and is open: {held}")
        lease = _lease(trial)
        if trial.state is State.INTERRUPTED:
            again = [t.id for t in trials.values() if t.repeats == id]
            why = trial.attribute("interrupted")
            now = f"; it is asked again, with id {again[0]}" if again else ""
            raise InvalidValueError(f"id {id} is not open any more ({why}){now}")
        if trial.finished:
            what = trial.attribute("failed") or trial.metrics
            raise InvalidValueError(f"id {id} was answered already: {what}")
        if trial.state is not State.RUNNING or lease is None:
            who = " and ".join(map(str, trial.leases)) or "nobody"
            raise InvalidValueError(f"id {id} is no query of a program: {who} evaluates it")
        return trial

    def _evaluation(self, trial: StoredTrial, answer: Answer) -> Evaluation:
        """Raises InvalidValueError for an answer that can't be one."""
        if (answer.metrics is None) == (answer.failed is None):
            raise invalid("metrics", answer.metrics, "give metrics, or failed with the reason")
        seconds = answer.seconds
        if seconds is None:
            begun = trial.frozen.datetime_start
            seconds = 0.0 if begun is None else (datetime.now() - begun).total_seconds()
        if answer.failed is not None:
            return Evaluation(
                None, seconds, answer.failed, kind=answer.kind, traceback=answer.traceback
            )
        found = self._trials.task.answered(trial.architecture, answer.metrics)
        if found.kind == MISTAKE:
            raise InvalidValueError(
                found.reason.replace("the evaluator returned", f"id {trial.id} has")
            )
        # A traceback of this process would mislead the program.
        return replace(found, seconds=seconds, traceback="")

    def _finished(self, trial: StoredTrial, evaluation: Evaluation) -> bool:
        """Whether the evaluation was stored; False if somebody else ended the query first."""
        with self._trials.session():
            for _ in range(_ATTEMPTS):
                try:
                    if self._trials.claim(trial):
                        session = evaluation.seconds + trial.optimizer_seconds
                        return self._trials.finish(trial, evaluation, session) is not None
                except UpdateFinishedTrialError:
                    return False
                time.sleep(random.uniform(0.01, 0.1))
        return False


def read_answers(value: Any) -> list[Answer]:
    """One answer, or a list of them, from JSON values.

    Raises:
        InvalidValueError: With all mistakes.
    """
    given = value if isinstance(value, list) else [value]
    answers: list[Answer] = read(list[Answer], given, "answer")
    return answers


def _lease(trial: StoredTrial) -> Lease | None:
    """The lease by which a program holds a query, also one that has ended."""
    return max((o for o in trial.leases if o.timed), key=lambda o: o.lease, default=None)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _nothing_stored(answers: int) -> str:
    return "" if answers == 1 else "; none of the answers was stored"
