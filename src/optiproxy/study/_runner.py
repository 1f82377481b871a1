"""The loop of a search: ask when nothing waits, hand out, write down; until the budget is spent."""

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
from optiproxy.study._budget import Plan
from optiproxy.study._curve_prediction import medians
from optiproxy.study._storage.lease import LEASE
from optiproxy.study._storage.trials import Entry, Ledger, State, duplicates
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.study._workers.pool import Pool, death, result
from optiproxy.study.records import Record
from optiproxy.tasks import Evaluation

# After so many queries without a single result something is wrong with the evaluator: soon enough
# that little is spent on it.
_SUSPICIOUS = 3

# A query that was interrupted so often probably ends its process itself.
_SUSPICIOUS_REPEATS = 3

# Seconds between two looks at what other processes are doing.
_POLL = 0.5


class Runner:
    """One call of `Study.run`.

    Args:
        ledger: The history, and all that is written.
        optimizer: Rebuilt from the history before each ask, so that it has no other memory.
        pool: Who evaluates.
        workers: How many evaluations are out at once.
        plan: What is asked next, and how much may be.
        active: The names of this process's runs, this one among them.
        shared: Whether other processes may use the storage.
        interrupts: Where Ctrl-C is let in.
        finished: Called after each result of this run.
        note: Called with what the user should know, possibly again and again.
    """

    def __init__(
        self,
        ledger: Ledger,
        optimizer: Optimizer,
        pool: Pool,
        *,
        workers: int,
        plan: Plan,
        active: set[str],
        shared: bool,
        interrupts: Interrupts,
        finished: Callable[[Record], None],
        note: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._optimizer = optimizer
        self._pool = pool
        self._workers = workers
        self._plan = plan
        self._active = active
        self._shared = shared
        self._interrupts = interrupts
        self._finished = finished
        self._note = note
        self._out: dict[Future[Evaluation | str], Entry] = {}
        self._mine: dict[int, Entry] = {}  # By trial number: all that this run holds.
        self._queue: deque[Entry] = deque()
        self._exhausted = False
        self._elsewhere: list[Entry] = []
        self._mark = time.perf_counter()
        self._results = 0
        self._failures: Counter[str] = Counter()

    def run(self) -> None:
        """Returns when the study has its queries, or when there is nothing left to ask.

        Raises:
            KeyboardInterrupt: Ctrl-C. What was running is marked, so that it is repeated.
        """
        self._warn_of_repeats(self._ledger.repair(self._active))
        with self._leases():
            try:
                self._loop()
            except BaseException:
                for entry in list(self._mine.values()):
                    self._ledger.interrupt(entry)
                    self._mine.pop(entry.trial.number, None)
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
        holders = {str(owner) for entry in self._elsewhere for owner in entry.owners}
        self._note(f"waiting for the last queries, which run in {', '.join(sorted(holders))}")
        with self._interrupts.open():
            time.sleep(_POLL)

    # ---- handing out ----

    def _hand_out(self) -> None:
        while len(self._out) < self._workers:
            self._interrupts.check()
            entry = self._next()
            if entry is None:
                return
            if self._ledger.take(entry):
                self._mine[entry.trial.number] = entry
                self._out[self._submitted(entry)] = entry

    def _submitted(self, entry: Entry) -> Future[Evaluation | str]:
        task = self._ledger.task
        known = medians(task, self._ledger.read(), entry.epochs) if task.reports_curve else {}
        return self._pool.submit(entry.architecture, entry.epochs, known)

    def _next(self) -> Entry | None:
        """The next query to run; None where there is none for now."""
        if self._shared:
            # Others take from the same queue: an older look at it would go over the budget.
            self._queue.clear()
        if not self._queue:
            self._fill_queue()
        return self._queue.popleft() if self._queue else None

    def _fill_queue(self) -> None:
        while True:
            entries = self._read()
            waiting = [e for e in entries if e.state is State.WAITING]
            begun = [e for e in entries if e.state is not State.WAITING]
            self._queue.extend(self._plan.affordable(begun, waiting))
            self._elsewhere = [
                e for e in entries if e.state is State.RUNNING and e.trial.number not in self._mine
            ]
            if waiting or self._exhausted or not self._plan.has_room(begun):
                return
            if self._plan.unmeasured(entries) <= 0:
                self._exhausted = True
                self._note_cheap_budget(entries)
                return
            self._ask(entries)

    def _read(self) -> list[Entry]:
        if not self._shared:
            return self._ledger.read()
        entries = self._ledger.repair(self._active)
        twice = duplicates(entries)
        for entry, other in twice:
            self._ledger.drop_duplicate(entry, other)
        return self._ledger.read() if twice else entries

    def _ask(self, entries: list[Entry]) -> None:
        start = time.perf_counter()
        with self._interrupts.open():
            archs, epochs, cut_from = self._plan.ask(self._optimizer, entries)
            predicted = self._predicted(archs)
        seconds = time.perf_counter() - start
        if self._shared and len(self._ledger.read()) > len(entries):
            return  # Another process proposed in the meantime: ask again, knowing of it.
        if not archs:
            self._exhausted = True
            self._note(self._nothing_left(entries))
            return
        # After the greatest, not after the count: two processes may have used a number twice.
        first = 1 + max((e.number for e in entries), default=0)
        self._ledger.propose(first, archs, seconds, predicted, epochs, cut_from)

    def _nothing_left(self, entries: list[Entry]) -> str:
        task = self._ledger.task
        limits = [c for c in task.constraints if c.metric in task.exact]
        within = " and ".join(map(str, limits))
        if not entries and limits:
            nearest = [(c, self._optimizer.exact.nearest(c)) for c in limits]
            known = [
                f"{c.metric} is {v:,g}" for c, v in nearest if v is not None and c.violation(v) > 0
            ]
            there_is = f"the nearest {' and '.join(known)}" if known else "some meet each, none all"
            return f"no architecture within {within} was found ({there_is}): change the limit"
        dropped = sum(e.state is State.DROPPED for e in entries)
        also = f" and {dropped} that were dropped untrained" if dropped else ""
        return (
            f"the space is used up: no new architecture{within and f' within {within}'} is left "
            f"after {len(entries) - dropped} queries of a budget of {self._plan.budget}{also}"
        )

    def _predicted(self, archs: list[Architecture]) -> list[float | None] | None:
        """What the method's model says of its own proposals, where it can be asked."""
        # One by one, since some of a batch may belong to the initial design.
        each = [self._optimizer.predictions([arch]) for arch in archs]
        if not any(each):
            return None
        values = [math.nan if one is None else float(one[0]) for one in each]
        return [value if math.isfinite(value) else None for value in values]

    # ---- collecting ----

    def _collect(self) -> None:
        # A timeout, so that a wait in which nothing happens still sees what others queue.
        with self._interrupts.open():
            done, _ = wait(self._out, timeout=LEASE / 4, return_when=FIRST_COMPLETED)
        broken: list[tuple[Entry, BrokenExecutor]] = []
        for future in sorted(done, key=lambda f: self._out[f].number):
            entry = self._out.pop(future)
            try:
                self._write(entry, result(future))
            except BrokenExecutor as error:
                broken.append((entry, error))
        if broken:
            self._recover(broken)

    def _recover(self, broken: list[tuple[Entry, BrokenExecutor]]) -> None:
        """A worker died, and took all that was out with it: finds out which query it was."""
        while self._out:
            future, entry = self._out.popitem()
            with self._interrupts.open():
                wait([future])
            try:
                self._write(entry, result(future))
            except BrokenExecutor as error:
                broken.append((entry, error))
        self._pool.renew()
        if len(broken) == 1:
            self._write(broken[0][0], death(broken[0][1]))
            return
        # One by one: now it is alone when it dies, and the others get their results.
        for entry, _ in sorted(broken, key=lambda pair: pair[0].number):
            future = self._submitted(entry)
            with self._interrupts.open():
                wait([future])
            try:
                self._write(entry, result(future))
            except BrokenExecutor as error:
                self._pool.renew()
                self._write(entry, death(error))

    def _write(self, entry: Entry, evaluation: Evaluation) -> None:
        now = time.perf_counter()
        written = self._ledger.finish(entry, evaluation, now - self._mark)
        self._mine.pop(entry.trial.number, None)
        if not written:
            self._note(
                f"query {entry.number} was given to another process, which took this one for dead; "
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
        self._results += not evaluation.stopped  # That one went well, and was behind.
        if evaluation.metrics is None and not evaluation.stopped:
            self._failures[evaluation.reason] += 1
            if self._results == self._failures.total() == _SUSPICIOUS and not self._succeeded:
                self._note_failures()
        self._finished(
            Record(
                query=self._number(entry),
                architecture=entry.architecture,
                metrics=evaluation.metrics,
                feasible=evaluation.metrics is not None
                and self._ledger.task.feasible(evaluation.metrics),
                reason=evaluation.reason,
                seconds=evaluation.seconds,
                optimizer_seconds=entry.attribute("ask_seconds", 0.0),
                measured=evaluation.measured,
                epochs=entry.epochs,
                cost=self._ledger.task.cost(entry.epochs) * evaluation.cost,
                stopped=evaluation.stopped,
                predicted=entry.attribute("predicted"),
            )
        )

    def _number(self, entry: Entry) -> int:
        """The query's number among those that count; a dropped one takes none."""
        if not self._ledger.task.has_prefilter:
            return entry.number
        entries = self._ledger.read()
        return entry.number - sum(
            e.state is State.DROPPED and e.number < entry.number for e in entries
        )

    # ---- telling ----

    def _note_cheap_budget(self, entries: list[Entry]) -> None:
        dropped = sum(e.state is State.DROPPED for e in entries)
        self._note(
            f"stopped at the cheap budget: {self._plan.measured(entries)} architectures were "
            f"measured, and {dropped} of them broke a limit and were dropped untrained; loosen the "
            "limit, or run it again with a larger cheap_budget (--cheap-budget)"
        )

    @property
    def _succeeded(self) -> bool:
        """Whether any evaluation of this study did, in whichever session."""
        return any(entry.metrics for entry in self._ledger.read() if entry.state is State.DONE)

    def _note_failures(self) -> None:
        reason, count = self._failures.most_common(1)[0]
        reason = " ".join(reason.split())
        self._note(f"no evaluation succeeded ({self._results} so far, {count} of them: {reason})")

    def _warn_of_repeats(self, entries: list[Entry]) -> None:
        for entry in entries:
            times = self._ledger.interruptions(entry) if entry.state is State.WAITING else 0
            if times >= _SUSPICIOUS_REPEATS:
                self._note(
                    f"query {entry.number} was interrupted {times} times; if it ends the process "
                    "itself, use 2 workers or more: they record that as a failure and go on"
                )

    @contextmanager
    def _leases(self) -> Iterator[None]:
        """Renews what this run holds, so that other machines know that it is alive."""
        if not self._shared:
            yield
            return
        over = threading.Event()

        def renew() -> None:
            while not over.wait(LEASE / 4):
                for entry in list(self._mine.values()):
                    try:
                        self._ledger.renew(entry)
                    except Exception:
                        # Just finished, or the storage is busy: the next renewal will tell.
                        continue

        thread = threading.Thread(target=renew, daemon=True, name="optiproxy-leases")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
