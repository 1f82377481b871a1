"""What a search asks next and how much it may: one fidelity, or short trainings before full ones.

A plan is a function of the history alone, so that a resumed search plans as the uninterrupted one.
The budget counts full trainings; a training of fewer epochs costs its part of one. Where a limit
may be found broken before a training, a second, larger budget counts the architectures that are
measured for it, trained or dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import NamedTuple

from optiproxy.search import Optimizer
from optiproxy.spaces import Architecture
from optiproxy.study._curve_prediction import Foresight
from optiproxy.study._storage.trials import Entry, State
from optiproxy.tasks import Task

# Of the budget, what short trainings may cost, and how many of them there are at most. On
# NAS-Bench-201 (ImageNet16-120, a budget of 25, 12 of 200 epochs) 120 short and 18 full trainings
# left less regret than 80 and 20, 100 and 19, or 170 and 15; by then the best short training is
# found, and a proxy of more of them takes longer than it tells.
LOW_SHARE = 0.29
LOW_QUERIES = 160
# Short trainings are many, and a search of them that stays in the basin of its first ones leads the
# full ones astray: their design is a quarter of them, up to three times the method's own, and their
# batches are larger. With the method's own, 3 of 11 such searches missed the best short training;
# with these none of the 3 did.
DESIGN_PART, DESIGN_TIMES, BATCH_TIMES = 0.25, 3, 2

# Sums of parts such as 12/200.
_ROUNDING = 1e-9


class Batch(NamedTuple):
    """What is asked next.

    Attributes:
        architectures: Of the batch.
        epochs: Of short trainings; None for full ones.
        cut_from: How many they were before the budget cut them; None where it did not.
    """

    architectures: list[Architecture]
    epochs: int | None = None
    cut_from: int | None = None


class Plan:
    """Which queries a study of `task` makes with a `budget`.

    Args:
        task: What is searched; its `low_fidelity` says whether there are short trainings.
        budget: How many full trainings the study may cost in the end.
        cheap_budget: How many architectures may be measured in the end, where measuring comes
            before training.
    """

    def __init__(self, task: Task, budget: int, cheap_budget: int) -> None:
        self._task = task
        self.budget = budget
        self.cheap_budget = cheap_budget
        self._short_exhausted = False  # Found out anew by a resumed search.

    def affordable(self, begun: Iterable[Entry], waiting: Sequence[Entry]) -> list[Entry]:
        """The first of the waiting queries, as far as the budget goes."""
        left = self._left(begun)
        taken = []
        for entry in waiting:
            left -= self._cost(entry)
            if left < -_ROUNDING:
                break
            taken.append(entry)
        return taken

    def ask(self, optimizer: Optimizer, entries: Sequence[Entry]) -> Batch:
        """The next batch; empty where the space is used up.

        Args:
            optimizer: Who is asked; it is given the history first.
            entries: All queries that count.
        """
        n, epochs = self._next(entries)
        if rest := self._rest_of_cut(optimizer, entries, n):
            return Batch(rest)
        archs = self._asked(optimizer, entries, epochs, n)
        if not archs and epochs is not None:
            # Every architecture had its short training: the rest of the budget is for full ones.
            self._short_exhausted = True
            return self.ask(optimizer, entries)
        if epochs is None and len(archs) > n:
            return Batch(archs[:n], cut_from=len(archs))
        return Batch(archs, epochs)

    def _rest_of_cut(
        self, optimizer: Optimizer, entries: Sequence[Entry], n: int
    ) -> list[Architecture]:
        """What an earlier, smaller budget cut off the last batch: as it was proposed then.

        So that a search whose budget is raised is the one that had the larger budget at once.
        """
        cut = (entry for entry in entries if entry.attribute("cut_from"))
        first = max(cut, key=attrgetter("number"), default=None)
        if first is None or n <= 0:
            return []
        size = first.attribute("cut_from")
        asked = {e.architecture for e in entries if e.number >= first.number}
        if len(asked) >= size:
            return []
        before = [e for e in entries if e.number < first.number]
        return [a for a in self._asked(optimizer, before, None, size) if a not in asked][:n]

    def _asked(
        self, optimizer: Optimizer, entries: Sequence[Entry], epochs: int | None, n: int
    ) -> list[Architecture]:
        same = [entry for entry in entries if entry.epochs == epochs]
        pending = [e.architecture for e in same if not e.finished]
        cheap = self._told([e for e in entries if e.epochs is not None]) if epochs is None else []
        # A method of one fidelity may have a `restore` of its own that knows nothing of others.
        optimizer.restore(self._told(same), pending, **({"low": cheap} if cheap else {}))
        if n <= 0:
            return []
        if epochs is None:
            # All of a batch, of which `ask` takes what the budget allows: the rest may come later.
            size = optimizer.batch_size
            return optimizer.ask(size if self._task.low_fidelity is None else min(size, n))
        with self._wider(optimizer, n + len(same)):
            return optimizer.ask(min(BATCH_TIMES * optimizer.batch_size, n))

    def _told(self, entries: Sequence[Entry]) -> list[tuple[Architecture, dict[str, float] | None]]:
        """What a method learns of queries of one fidelity."""
        learnt = Foresight(self._task, entries)
        return [(e.architecture, learnt.metrics(e)) for e in entries if e.finished]

    def drawn(self, optimizer: Optimizer) -> int:
        """How many of its first queries a method asks for before it has learnt."""
        n, epochs = self._next(())
        return optimizer.n_init if epochs is None else _widened(optimizer.n_init, n)

    @contextmanager
    def _wider(self, optimizer: Optimizer, queries: int) -> Iterator[None]:
        """A larger initial design for so many short trainings, where the method has a design."""
        own = optimizer.n_init
        optimizer.n_init = _widened(own, queries)
        try:
            yield
        finally:
            optimizer.n_init = own

    def has_room(self, entries: Sequence[Entry]) -> bool:
        """Whether the budget of trainings allows another query beside `entries`."""
        return self._short(entries) > 0 or self._full(entries) > 0

    def measured(self, entries: Iterable[Entry]) -> int:
        """How many architectures are measured with `entries`; short or full is the same."""
        return len({entry.architecture for entry in entries})

    def unmeasured(self, entries: Iterable[Entry]) -> float:
        """How many architectures may be measured beside those of `entries`."""
        return self.cheap_budget - self.measured(entries) if self._task.has_prefilter else math.inf

    def _next(self, entries: Sequence[Entry]) -> tuple[int, int | None]:
        """How many queries are asked next, at most, and their epochs."""
        room = self.unmeasured(entries)
        full = self._full(entries)
        # The full trainings that follow the short ones may need measuring too.
        short = min(self._short(entries), room - full)
        if short > 0:
            return int(short), self._task.low_fidelity
        return int(min(full, room)), None

    def _short(self, entries: Sequence[Entry]) -> int:
        """How many short trainings the budget has room for."""
        epochs = self._task.low_fidelity
        if epochs is None or self._short_exhausted:
            return 0
        one = self._task.cost(epochs)
        made = sum(e.epochs is not None and e.state is not State.DROPPED for e in entries)
        # At least one is trained in full.
        share = min(LOW_SHARE * self.budget - one * made, self._left(entries) - 1)
        return max(0, min(int(share / one + _ROUNDING), LOW_QUERIES - made))

    def _full(self, entries: Iterable[Entry]) -> int:
        """How many full trainings it has room for."""
        return int(self._left(entries) + _ROUNDING)

    def _left(self, entries: Iterable[Entry]) -> float:
        return self.budget - sum(map(self._cost, entries))

    def _cost(self, entry: Entry) -> float:
        # One that was dropped untrained is no query.
        return 0.0 if entry.state is State.DROPPED else entry.cost(self._task)


def _widened(design: int, queries: int) -> int:
    return max(design, min(DESIGN_TIMES * design, int(DESIGN_PART * queries)))
