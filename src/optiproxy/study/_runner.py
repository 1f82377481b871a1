"""The loop of a search: propose, hand out, write results, until the budget is spent."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager

from optiproxy.metrics import is_name
from optiproxy.search import Optimizer
from optiproxy.spaces import Architecture
from optiproxy.study._budget import Budget
from optiproxy.study._curve_prediction import medians
from optiproxy.study._storage.lease import DURATION
from optiproxy.study._storage.trials import State, StoredTrial, Trials, duplicates
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.study._workers.pool import Pool, death, result
from optiproxy.study.records import Record
from optiproxy.tasks import Evaluation

# After so many queries without a single result the evaluator is probably broken: early enough that
# little is spent on it.
_SUSPICIOUS = 3

# A query that was interrupted so often probably ends its process itself.
_SUSPICIOUS_REPEATS = 3

# Seconds between two looks at what other processes are doing.
_POLL = 0.5


class Runner:
    """One call of `Study.run`.

    Args:
        trials: The history.
        optimizer: Rebuilt from the history before each proposal, so that it has no other memory.
        pool: Evaluates.
        workers: How many evaluations run at once.
        budget: What is proposed next, and how much may be.
        active: The names of this process's runs, this one included.
        shared: Whether other processes may use the storage.
        interrupts: When Ctrl-C may act.
        finished: Called after each result of this run.
        note: Called with warnings for the user, possibly repeated.
    """

    def __init__(
        self,
        trials: Trials,
        optimizer: Optimizer,
        pool: Pool,
        *,
        workers: int,
        budget: Budget,
        active: set[str],
        shared: bool,
        interrupts: Interrupts,
        finished: Callable[[Record], None],
        note: Callable[[str], None],
    ) -> None:
        self._trials = trials
        self._optimizer = optimizer
        self._pool = pool
        self._workers = workers
        self._budget = budget
        self._active = active
        self._shared = shared
        self._interrupts = interrupts
        self._finished = finished
        self._note = note
        self._out: dict[Future[Evaluation | str], StoredTrial] = {}
        self._mine: dict[int, StoredTrial] = {}  # By id: all that this run holds.
        self._queue: deque[StoredTrial] = deque()
        self._exhausted = False
        self._elsewhere: list[StoredTrial] = []
        self._mark = time.perf_counter()
        self._results = 0
        self._failures: Counter[str] = Counter()

    def run(self) -> None:
        """Returns when the study has its queries, or when there is nothing left to propose.

        Raises:
            KeyboardInterrupt: Ctrl-C. What was running is marked, so that it is repeated.
        """
        self._warn_of_repeats(self._trials.repair(self._active))
        with self._leases():
            try:
                self._loop()
            except BaseException:
                for trial in list(self._mine.values()):
                    self._trials.interrupt(trial)
                    self._mine.pop(trial.id, None)
                raise
        if self._results and self._failures.total() == self._results and not self._succeeded:
            self._note_failures()

    def _loop(self) -> None:
        while True:
            self._interrupts.check()
            self._hand_out()
            if self._out:
                self._collect()
            elif self._elsewhere:
                self._await_others()
            else:
                return

    def _await_others(self) -> None:
        holders = {str(lease) for trial in self._elsewhere for lease in trial.leases}
        self._note(f"waiting for the last queries, which run in {', '.join(sorted(holders))}")
        with self._interrupts.open():
            time.sleep(_POLL)

    # ---- handing out ----

    def _hand_out(self) -> None:
        while len(self._out) < self._workers:
            self._interrupts.check()
            trial = self._next()
            if trial is None:
                return
            if self._trials.take(trial):
                self._mine[trial.id] = trial
                self._out[self._submitted(trial)] = trial

    def _submitted(self, trial: StoredTrial) -> Future[Evaluation | str]:
        task = self._trials.task
        known = medians(task, self._trials.read(), trial.epochs) if task.reports_curve else {}
        return self._pool.submit(trial.architecture, trial.epochs, known)

    def _next(self) -> StoredTrial | None:
        """The next query to run; None if there is none for now."""
        if self._shared:
            # Others take from the same queue, so an old copy of it would exceed the budget.
            self._queue.clear()
        if not self._queue:
            self._fill_queue()
        return self._queue.popleft() if self._queue else None

    def _fill_queue(self) -> None:
        while True:
            trials = self._read()
            waiting = [t for t in trials if t.state is State.WAITING]
            begun = [t for t in trials if t.state is not State.WAITING]
            self._queue.extend(self._budget.affordable(begun, waiting))
            self._elsewhere = [
                t for t in trials if t.state is State.RUNNING and t.id not in self._mine
            ]
            if waiting or self._exhausted or not self._budget.has_room(begun):
                return
            if self._budget.unmeasured(trials) <= 0:
                self._exhausted = True
                self._note_cheap_budget(trials)
                return
            self._propose(trials)

    def _read(self) -> list[StoredTrial]:
        if not self._shared:
            return self._trials.read()
        trials = self._trials.repair(self._active)
        twice = duplicates(trials)
        for trial, other in twice:
            self._trials.drop_duplicate(trial, other)
        return self._trials.read() if twice else trials

    def _propose(self, trials: list[StoredTrial]) -> None:
        start = time.perf_counter()
        with self._interrupts.open():
            archs, epochs, cut_from = self._budget.propose(self._optimizer, trials)
            predicted = self._predicted(archs)
        seconds = time.perf_counter() - start
        if self._shared and len(self._trials.read()) > len(trials):
            return  # Another process proposed in the meantime: repeat with its proposals known.
        if not archs:
            self._exhausted = True
            self._note(self._nothing_left(trials))
            return
        # After the greatest number, not the count: two processes may have used a number twice.
        first = 1 + max((t.number for t in trials), default=0)
        self._trials.propose(first, archs, seconds, predicted, epochs, cut_from)

    def _nothing_left(self, trials: list[StoredTrial]) -> str:
        task = self._trials.task
        limits = [c for c in task.constraints if c.metric in task.exact]
        within = " and ".join(map(str, limits))
        if not trials and limits:
            nearest = [(c, self._optimizer.exact.nearest(c)) for c in limits]
            known = [
                f"{c.metric} is {v:,g}" for c, v in nearest if v is not None and c.violation(v) > 0
            ]
            there_is = f"the nearest {' and '.join(known)}" if known else "some meet each, none all"
            return f"no architecture within {within} was found ({there_is}): change the limit"
        dropped = sum(t.state is State.DROPPED for t in trials)
        also = f" and {dropped} that were dropped untrained" if dropped else ""
        return (
            f"the space is used up: no new architecture{within and f' within {within}'} is left "
            f"after {len(trials) - dropped} queries of a budget of {self._budget.trainings}{also}"
        )

    def _predicted(self, archs: list[Architecture]) -> list[float | None] | None:
        """The model's predictions for the method's own proposals, if it has a model."""
        # One by one, since some of a batch may belong to the initial design.
        each = [self._optimizer.predictions([arch]) for arch in archs]
        if not any(each):
            return None
        values = [math.nan if one is None else float(one[0]) for one in each]
        return [value if math.isfinite(value) else None for value in values]

    # ---- collecting ----

    def _collect(self) -> None:
        # With a timeout, to notice what others queue while nothing finishes here.
        with self._interrupts.open():
            done, _ = wait(self._out, timeout=DURATION / 4, return_when=FIRST_COMPLETED)
        broken: list[tuple[StoredTrial, BrokenExecutor]] = []
        for future in sorted(done, key=lambda f: self._out[f].number):
            trial = self._out.pop(future)
            try:
                self._write(trial, result(future))
            except BrokenExecutor as error:
                broken.append((trial, error))
        if broken:
            self._recover(broken)

    def _recover(self, broken: list[tuple[StoredTrial, BrokenExecutor]]) -> None:
        """Finds out which query killed its worker, which took all pending ones with it."""
        while self._out:
            future, trial = self._out.popitem()
            with self._interrupts.open():
                wait([future])
            try:
                self._write(trial, result(future))
            except BrokenExecutor as error:
                broken.append((trial, error))
        self._pool.renew()
        if len(broken) == 1:
            self._write(broken[0][0], death(broken[0][1]))
            return
        # One by one: the query that kills its worker is alone, and the others get their results.
        for trial, _ in sorted(broken, key=lambda pair: pair[0].number):
            future = self._submitted(trial)
            with self._interrupts.open():
                wait([future])
            try:
                self._write(trial, result(future))
            except BrokenExecutor as error:
                self._pool.renew()
                self._write(trial, death(error))

    def _write(self, trial: StoredTrial, evaluation: Evaluation) -> None:
        now = time.perf_counter()
        written = self._trials.finish(trial, evaluation, now - self._mark)
        self._mine.pop(trial.id, None)
        if written is None:
            self._note(
                f"query {trial.number} was given to another process, which took this one for dead; "
                "its result is not used"
            )
            return
        self._mark = now
        if evaluation.dropped:
            return
        for name in evaluation.left_out:
            reason = (
                "is no number in some evaluations" if is_name(name) else "is no name of a metric"
            )
            self._note(f"{name!r} {reason}; it is left out there")
        self._results += not evaluation.stopped  # A stopped training is no failure.
        if evaluation.metrics is None and not evaluation.stopped:
            self._failures[evaluation.reason] += 1
            if self._results == self._failures.total() == _SUSPICIOUS and not self._succeeded:
                self._note_failures()
        self._finished(written.record(self._number(trial), self._trials.task))

    def _number(self, trial: StoredTrial) -> int:
        """The query's number among those that count; a dropped one takes none."""
        if not self._trials.task.has_prefilter:
            return trial.number
        trials = self._trials.read()
        return trial.number - sum(
            t.state is State.DROPPED and t.number < trial.number for t in trials
        )

    # ---- warnings and leases ----

    def _note_cheap_budget(self, trials: list[StoredTrial]) -> None:
        dropped = sum(t.state is State.DROPPED for t in trials)
        self._note(
            f"stopped at the cheap budget: {self._budget.measured(trials)} architectures were "
            f"measured, and {dropped} of them broke a limit and were dropped untrained; loosen the "
            "limit, or run it again with a larger cheap_budget (--cheap-budget)"
        )

    @property
    def _succeeded(self) -> bool:
        """Whether any evaluation of this study did, in any session."""
        return any(trial.metrics for trial in self._trials.read() if trial.state is State.DONE)

    def _note_failures(self) -> None:
        reason, count = self._failures.most_common(1)[0]
        reason = " ".join(reason.split())
        self._note(f"no evaluation succeeded ({self._results} so far, {count} of them: {reason})")

    def _warn_of_repeats(self, trials: list[StoredTrial]) -> None:
        for trial in trials:
            times = self._trials.interruptions(trial) if trial.state is State.WAITING else 0
            if times >= _SUSPICIOUS_REPEATS:
                self._note(
                    f"query {trial.number} was interrupted {times} times; if it ends the process "
                    "itself, use 2 workers or more: they record that as a failure and go on"
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
