"""The queries that wait to be evaluated, by whoever asks: a run's workers or other programs."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Container
from contextlib import AbstractContextManager, nullcontext

from optiproxy.search import Optimizer
from optiproxy.spaces import Architecture
from optiproxy.study._budget import Budget
from optiproxy.study._storage.clashes import duplicates, free_numbers
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.study._storage.trials import Trials


class Queue:
    """Waiting queries, to which the method proposes more as far as the budget goes.

    Args:
        trials: The history.
        optimizer: Rebuilt from the history before each proposal, so that it has no other memory.
        budget: What is proposed next, and how much may be.
        shared: Whether other processes may use the storage.
        note: Called with warnings for the user, possibly repeated.
        thinking: Entered while the method proposes, which may take long.

    Attributes:
        elsewhere: The queries that ran in the name of others when `next` was last called.
        spent: Whether it then found that no query can be proposed any more.
    """

    def __init__(
        self,
        trials: Trials,
        optimizer: Optimizer,
        budget: Budget,
        *,
        shared: bool,
        note: Callable[[str], None],
        thinking: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._trials = trials
        self._optimizer = optimizer
        self._budget = budget
        self._shared = shared
        self._note = note
        self._thinking = thinking
        self._waiting: deque[StoredTrial] = deque()
        self._exhausted = False
        self.elsewhere: list[StoredTrial] = []
        self.spent = False

    def next(self, mine: Container[int] = ()) -> StoredTrial | None:
        """The next query to be taken; None if there is none for now.

        Args:
            mine: The ids of the running queries that are the caller's.
        """
        if self._shared:
            # Others take from the same queue, so an old copy of it would exceed the budget.
            self._waiting.clear()
        if not self._waiting:
            self._fill(mine)
        return self._waiting.popleft() if self._waiting else None

    def _fill(self, mine: Container[int]) -> None:
        while True:
            trials = self._read()
            waiting = [t for t in trials if t.state is State.WAITING]
            begun = [t for t in trials if t.state is not State.WAITING]
            self._waiting.extend(self._budget.affordable(begun, waiting))
            self.elsewhere = [t for t in trials if t.state is State.RUNNING and t.id not in mine]
            self.spent = self._exhausted or not self._budget.has_room(begun)
            if waiting or self.spent:
                return
            if self._budget.unmeasured(trials) <= 0:
                self._exhausted = self.spent = True
                self._note_cheap_budget(trials)
                return
            self._propose(trials)

    def _read(self) -> list[StoredTrial]:
        if not self._shared:
            return self._trials.read()
        trials = self._trials.repair()
        # Others propose meanwhile, so duplicates are looked for in the reading that is handed out.
        while True:
            twice = duplicates(trials)
            for trial, other in twice:
                self._trials.drop_duplicate(trial, other)
            if not twice and not self._trials.renumber(trials):
                return trials
            trials = self._trials.read()

    def _propose(self, trials: list[StoredTrial]) -> None:
        start = time.perf_counter()
        with self._thinking():
            archs, epochs, cut_from, again, used_up = self._budget.propose(self._optimizer, trials)
            predicted = None if again else self._predicted(archs)
        seconds = time.perf_counter() - start
        if self._shared and len(self._trials.read()) > len(trials):
            return  # Another process proposed in the meantime: repeat with its proposals known.
        if used_up or not archs:
            self._note(self._nothing_left(trials))
        if not archs:
            self._exhausted = True
            return
        self._trials.propose(
            free_numbers(trials, len(archs)), archs, seconds, predicted, epochs, cut_from, again
        )

    def _predicted(self, archs: list[Architecture]) -> list[float | None] | None:
        """The model's predictions for the method's own proposals, if it has a model."""
        # One by one, since some of a batch may belong to the initial design.
        each = [self._optimizer.predictions([arch]) for arch in archs]
        if not any(each):
            return None
        values = [math.nan if one is None else float(one[0]) for one in each]
        return [value if math.isfinite(value) else None for value in values]

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
        queries = sum(not t.again for t in trials) - dropped
        also = f" and {dropped} that were dropped untrained" if dropped else ""
        return (
            f"the space is used up: no new architecture{within and f' within {within}'} is left "
            f"after {queries} queries of a budget of {self._budget.trainings}{also}"
        )

    def _note_cheap_budget(self, trials: list[StoredTrial]) -> None:
        dropped = sum(t.state is State.DROPPED for t in trials)
        self._note(
            f"stopped at the cheap budget: {self._budget.measured(trials)} architectures were "
            f"measured, and {dropped} of them broke a limit and were dropped untrained; loosen the "
            "limit, or run it again with a larger cheap_budget (--cheap-budget)"
        )
