"""The loop of a search: propose, hand out, write results, until the budget is spent."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from contextlib import contextmanager
from typing import NoReturn

from optiproxy.errors import StudyError
from optiproxy.metrics import is_name
from optiproxy.study._curve_prediction import medians
from optiproxy.study._deadline import Deadline
from optiproxy.study._folders import Folders
from optiproxy.study._queue import Queue
from optiproxy.study._storage.lease import DURATION
from optiproxy.study._storage.numbers import numbered
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.study._storage.trials import Trials
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.study._workers.job import Job
from optiproxy.study._workers.options import Workers
from optiproxy.study._workers.pool import Answer, Pool, result
from optiproxy.study._workers.processes import WorkerDied
from optiproxy.study.records import Record
from optiproxy.tasks import Evaluation, repeated_seed
from optiproxy.tasks.failures import DISK, MISTAKE, NOT_FINITE

# After so many queries without a single result the evaluator is probably broken: early enough that
# little is spent on it.
_SUSPICIOUS = 3

# Kinds of failures by which an evaluator says that an architecture has no result: none of them
# shows that its code is broken.
_DELIBERATE = ("EvaluationFailed", "MeasurementFailed", NOT_FINITE)

# A query that was interrupted so often probably ends its process itself.
_SUSPICIOUS_REPEATS = 3

# Seconds between two looks at what other processes are doing.
_POLL = 0.5


class Runner:
    """One call of `Study.run`.

    Args:
        trials: The history.
        queue: The queries that wait.
        pool: Evaluates.
        seed: The study's; the evaluator's seeds derive from it.
        workers: How many evaluations run at once, and when one has failed.
        deadline: When the run ends at the latest.
        max_failures: The run stops if its first results, so many, are failures of the same kind;
            0 for never.
        folders: Of the queries, for an evaluator that wants one.
        shared: Whether other processes may use the storage.
        interrupts: When Ctrl-C may act.
        finished: Called after each result of this run.
        note: Called with warnings for the user, possibly repeated.
    """

    def __init__(
        self,
        trials: Trials,
        queue: Queue,
        pool: Pool,
        *,
        seed: int,
        workers: Workers,
        deadline: Deadline,
        max_failures: int,
        folders: Folders | None,
        shared: bool,
        interrupts: Interrupts,
        finished: Callable[[Record], None],
        note: Callable[[str], None],
    ) -> None:
        self._trials = trials
        self._queue = queue
        self._pool = pool
        self._seed = seed
        self._workers = workers
        self._deadline = deadline
        self._max_failures = max_failures
        self._folders = folders
        self._shared = shared
        self._interrupts = interrupts
        self._finished = finished
        self._note = note
        self._out: dict[Answer, StoredTrial] = {}
        self._mine: dict[int, StoredTrial] = {}  # By id: all that this run holds.
        self._mark = time.perf_counter()
        self._results = 0
        self._failures: Counter[str] = Counter()
        self._kinds: set[str] = set()
        self._stopping = False  # Nothing more is handed out.

    def run(self) -> bool:
        """Returns when the study has its queries, or when the run has to stop.

        Returns:
            Whether all evaluations have finished; False if some still run after the deadline.

        Raises:
            KeyboardInterrupt: Ctrl-C. What was running is marked, so that it is repeated.
        """
        trials = self._trials.repair()
        if self._workers.in_process:
            self._warn_of_repeats(trials)
        with self._leases():
            try:
                self._loop()
            finally:  # What still runs: after Ctrl-C, an error, or the deadline.
                left = list(self._mine.values())
                for trial in left:
                    self._trials.interrupt(trial)
                    self._mine.pop(trial.id, None)
        if self._results and self._failures.total() == self._results and not self._succeeded:
            self._note_failures()
        return not left

    def _loop(self) -> None:
        while True:
            self._interrupts.check()
            self._hand_out()
            if self._out and not self._deadline.left:
                n = len(self._out)
                were = "evaluation was" if n == 1 else "evaluations were"
                self._note_deadline(f"{n} {were} stopped, which the next run repeats")
                return
            if self._out:
                self._collect()
            elif self._queue.elsewhere and not self._stopping:
                self._await_others()
            else:
                return

    def _await_others(self) -> None:
        holders = {str(lease) for trial in self._queue.elsewhere for lease in trial.leases}
        self._note(f"waiting for the last queries, which run in {', '.join(sorted(holders))}")
        with self._interrupts.open():
            time.sleep(min(_POLL, self._deadline.left))
        self._stopping = not self._deadline.left

    # ---- handing out ----

    def _hand_out(self) -> None:
        while len(self._out) < self._workers.count and not self._stopping:
            self._interrupts.check()
            trial = self._queue.next(self._mine)
            if trial is None:
                return
            if not self._deadline.fits(self._trials.read(), trial.epochs):
                self._stopping = True
                self._note_deadline("no further evaluation would have fitted")
                return
            if self._trials.take(trial):
                self._mine[trial.id] = trial
                self._out[self._submitted(trial)] = trial

    def _submitted(self, trial: StoredTrial) -> Answer:
        task = self._trials.task
        # A repeated training is not stopped early: it is to be averaged with the first.
        races = task.reports_curve and not trial.again
        known = medians(task, self._trials.read(), trial.epochs) if races else {}
        folder = None if self._folders is None else self._folders.made(trial)
        seed = repeated_seed(self._seed, trial.again)
        return self._pool.submit(Job(trial.architecture, seed, trial.epochs, known, folder))

    # ---- collecting ----

    def _collect(self) -> None:
        # With a timeout, to notice what others queue while nothing finishes here.
        with self._interrupts.open():
            done, _ = wait(
                self._out,
                timeout=min(DURATION / 4, self._deadline.left),
                return_when=FIRST_COMPLETED,
            )
        broken: BrokenExecutor | None = None
        for future in sorted(done, key=lambda f: self._out[f].number):
            broken = self._finish(future) or broken
        if broken is not None:
            self._give_up(broken)

    def _finish(self, future: Answer) -> BrokenExecutor | None:
        """Writes a result; returns the error if the whole executor broke instead."""
        trial = self._out.pop(future)
        try:
            evaluation = result(future)
            if evaluation.kind == DISK:
                self._stop_without_room(trial, evaluation)
                raise WorkerDied(evaluation)
            self._write(trial, evaluation)
        except WorkerDied as death:
            if self._trials.deaths(trial) + 1 >= self._workers.deaths:
                self._write(trial, death.evaluation)
                return None
            self._trials.died(trial, death.evaluation.reason)
            self._mine.pop(trial.id, None)
            self._trials.repair()  # Queues it again.
        except BrokenExecutor as error:
            return error
        return None

    def _give_up(self, error: BrokenExecutor) -> NoReturn:
        """Writes what has a result although the executor broke, and ends the run."""
        while self._out:
            future = next(iter(self._out))
            with self._interrupts.open():
                wait([future])
            self._finish(future)
        raise StudyError(
            f"executor: it broke and can't be used any more ({error}); run again with a new one"
        ) from error

    def _write(self, trial: StoredTrial, evaluation: Evaluation) -> None:
        now = time.perf_counter()
        written = self._trials.finish(trial, evaluation, now - self._mark)
        self._mine.pop(trial.id, None)
        if written is None:
            self._note(
                f"query {trial.number} was given to another process, since this one seemed "
                "to have ended; its result is not used"
            )
            return
        self._mark = now
        if self._folders is not None:
            self._folders.prune(self._trials.read(), self._trials.task, self._seed)
        if evaluation.dropped:
            return
        for name in evaluation.left_out:
            reason = (
                "is no number in some evaluations" if is_name(name) else "is no name of a metric"
            )
            self._note(f"{name!r} {reason}; it is left out there")
        self._results += not evaluation.stopped  # A stopped training is no failure.
        if evaluation.metrics is None and not evaluation.stopped:
            if evaluation.kind == MISTAKE:
                self._note(f"a mistake of the evaluator: {evaluation.reason}")
            self._failures[evaluation.reason] += 1
            self._kinds.add(evaluation.kind)
            if self._results == self._failures.total() == _SUSPICIOUS and not self._succeeded:
                self._note_failures()
            self._stop_if_broken()
        self._finished(written.record(self._number(trial), self._trials.task))

    def _number(self, trial: StoredTrial) -> int:
        """The query's number; of a repeat that of the query that it repeats."""
        queries = numbered(self._trials.read()).items()
        if trial.again:
            return next(n for n, t in queries if t.architecture == trial.architecture)
        return next(n for n, t in queries if t.id == trial.id)

    # ---- warnings and leases ----

    @property
    def _succeeded(self) -> bool:
        """Whether any evaluation of this study did, in any session."""
        return any(trial.metrics for trial in self._trials.read() if trial.state is State.DONE)

    def _note_failures(self) -> None:
        reason, count = self._failures.most_common(1)[0]
        reason = " ".join(reason.split())
        self._note(f"no evaluation succeeded ({self._results} so far, {count} of them: {reason})")

    def _stop_if_broken(self) -> None:
        """Stops the run if all of its first queries failed by the same exception."""
        same = len(self._kinds) == 1 and self._kinds.isdisjoint(_DELIBERATE)
        if not same or not self._results == self._failures.total() == self._max_failures:
            return
        if self._succeeded:
            return
        self._stopping = True
        self._note(
            f"stopped: the first {self._results} queries all failed ({', '.join(self._kinds)}); "
            "mend the evaluator and have them evaluated again (study.retry(), optiproxy retry), or "
            "go on in spite of it with max_failures=0 (--max-failures 0)"
        )

    def _stop_without_room(self, trial: StoredTrial, evaluation: Evaluation) -> None:
        """Stops the run: what follows would fail as well."""
        self._stopping = True
        self._note(
            f"stopped: the disk is full where query {trial.number} was evaluated "
            f"({evaluation.reason}); make room and run it again, which repeats the query"
        )

    def _note_deadline(self, why: str) -> None:
        self._note(f"stopped at the end of its time ({self._deadline.hours:g} hours): {why}")

    def _warn_of_repeats(self, trials: list[StoredTrial]) -> None:
        for trial in trials:
            times = self._trials.interruptions(trial) if trial.state is State.WAITING else 0
            if times >= _SUSPICIOUS_REPEATS:
                self._note(
                    f"query {trial.number} was interrupted {times} times; if it ends the process "
                    "itself, evaluate in worker processes (workers=1, without --in-process), which "
                    "record that as a failure and go on"
                )

    @contextmanager
    def _leases(self) -> Iterator[None]:
        """Renews the leases of this run, so that other machines know that it is active."""
        if not self._shared:
            yield
            return
        over = threading.Event()

        def renew() -> None:
            while not over.wait(DURATION / 4):
                for trial in list(self._mine.values()):
                    try:
                        self._trials.renew(trial)
                    except Exception:
                        # Just finished, or the storage is busy: the next renewal will show.
                        continue

        thread = threading.Thread(target=renew, daemon=True, name="optiproxy-leases")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
