"""What a search proposes next, and how much it may: one fidelity, or low fidelity before full.

All of it is a function of the history, so that a resumed search equals the uninterrupted one. The
budget counts full trainings; a training of fewer epochs costs a fraction of one. Where a limit can
be checked before the training, a second, larger budget counts the architectures that are measured
for it, trained or dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import NamedTuple

from optiproxy.search import Optimizer
from optiproxy.spaces import Architecture
from optiproxy.study._curve_prediction import CurvePrediction
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.tasks import Task
from optiproxy.tasks.failures import BLAMELESS

# The fraction of the budget that low-fidelity trainings may cost, and their largest number. On
# NAS-Bench-201 (ImageNet16-120, a budget of 25, 12 of 200 epochs) 120 low-fidelity and 18 full
# trainings had less regret than 80 and 20, 100 and 19, or 170 and 15; and with more of them fitting
# the proxy costs more time than it gains.
LOW_SHARE = 0.29
LOW_QUERIES = 160
# A low-fidelity search that stays in the basin of its first architectures misleads the full one, so
# its design is a quarter of it, up to three times the method's own, and its batches are larger.
# With the method's own, 3 of 11 such searches missed the best training; with these none of the 3.
DESIGN_PART, DESIGN_TIMES, BATCH_TIMES = 0.25, 3, 2

# Rounding error in sums of fractions such as 12/200.
_ROUNDING = 1e-9


class Batch(NamedTuple):
    """The next proposals.

    Attributes:
        architectures: Of the batch.
        epochs: Of low-fidelity trainings; None for full ones.
        cut_from: The size of the batch before the budget cut it; None if it did not.
        again: 1, 2, … if it is one architecture that is evaluated again.
        used_up: Whether there was room for queries and no new architecture for them.
    """

    architectures: list[Architecture]
    epochs: int | None = None
    cut_from: int | None = None
    again: int = 0
    used_up: bool = False


class Budget:
    """Which queries a study of `task` makes.

    Args:
        task: What is searched; its `low_fidelity` says whether low-fidelity trainings come first.
        trainings: How many full trainings the study may cost in all.
        measurements: How many architectures may be measured in all, if that comes before training.
        batch: How many are proposed at once; None for the method's own number.
        confirm: How many of the trainings, the last ones, repeat what may be the best.
    """

    def __init__(
        self,
        task: Task,
        trainings: int,
        measurements: int,
        batch: int | None = None,
        confirm: int = 0,
    ) -> None:
        self._batch, self._confirm = batch, confirm
        self._task = task
        self.trainings = trainings
        self.measurements = measurements
        self._low_exhausted = False  # Found out anew by a resumed search.

    def affordable(
        self, begun: Iterable[StoredTrial], waiting: Sequence[StoredTrial]
    ) -> list[StoredTrial]:
        """The first of the waiting queries, as far as the budget goes."""
        left = self._left(begun)
        taken = []
        for trial in waiting:
            left -= trial.spent
            if left < -_ROUNDING:
                break
            taken.append(trial)
        return taken

    def propose(self, optimizer: Optimizer, trials: Sequence[StoredTrial]) -> Batch:
        """The next batch; empty if the space is exhausted.

        Args:
            optimizer: Gets the history first.
            trials: All queries that count.
        """
        n, epochs = self._next(trials)
        if n <= 0 and epochs is None:
            return self._repeated(optimizer, trials)
        if rest := self._rest_of_cut(optimizer, trials, n):
            return Batch(rest)
        archs = self._proposed(optimizer, trials, epochs, n)
        if not archs and epochs is not None:
            # Every architecture had its low-fidelity training: the rest is for full ones.
            self._low_exhausted = True
            return self.propose(optimizer, trials)
        if not archs:
            return self._repeated(optimizer, trials)._replace(used_up=True)
        if epochs is None and len(archs) > n:
            return Batch(archs[:n], cut_from=len(archs))
        return Batch(archs, epochs)

    def _repeated(self, optimizer: Optimizer, trials: Sequence[StoredTrial]) -> Batch:
        """One architecture that may be the best, to be evaluated again with another seed."""
        if self._repeats(trials) <= 0:
            return Batch([])
        full = [trial for trial in trials if trial.epochs is None]
        optimizer.restore(self._results(full))
        waiting = [trial.architecture for trial in full if trial.again and not trial.finished]
        arch = optimizer.to_repeat(waiting)
        if arch is None:
            return Batch([])
        return Batch([arch], again=sum(trial.architecture == arch for trial in full))

    def _rest_of_cut(
        self, optimizer: Optimizer, trials: Sequence[StoredTrial], n: int
    ) -> list[Architecture]:
        """The part of the last batch that an earlier, smaller budget cut off, proposed again.

        So a search whose budget is raised equals one that had the larger budget from the start.
        """
        cut = (trial for trial in trials if trial.cut_from)
        first = max(cut, key=attrgetter("number"), default=None)
        if first is None or first.cut_from is None or n <= 0:
            return []
        size = first.cut_from
        done = {t.architecture for t in trials if t.number >= first.number and not t.again}
        if len(done) >= size:
            return []
        before = [t for t in trials if t.number < first.number]
        return [a for a in self._proposed(optimizer, before, None, size) if a not in done][:n]

    def _proposed(
        self, optimizer: Optimizer, trials: Sequence[StoredTrial], epochs: int | None, n: int
    ) -> list[Architecture]:
        same = [trial for trial in trials if trial.epochs == epochs]
        # A failure that says nothing about an architecture; it is not proposed again all the same.
        pending = [
            t.architecture for t in same if not t.again and (not t.finished or t.kind in BLAMELESS)
        ]
        low = self._results([t for t in trials if t.epochs is not None]) if epochs is None else []
        # A method's own `restore` need not know of low fidelity.
        optimizer.restore(self._results(same), pending, **({"low": low} if low else {}))
        if n <= 0:
            return []
        if epochs is None:
            # A whole batch, of which `propose` takes what the budget allows.
            size = self._batch or optimizer.batch_size
            return optimizer.ask(size if self._task.low_fidelity is None else min(size, n))
        with self._wider(optimizer, n + len(same)):
            return optimizer.ask(min(BATCH_TIMES * optimizer.batch_size, n))

    def _results(
        self, trials: Sequence[StoredTrial]
    ) -> list[tuple[Architecture, dict[str, float] | None]]:
        """What a method learns of queries of one fidelity."""
        prediction = CurvePrediction(self._task, trials)
        return [
            (t.architecture, prediction.metrics(t))
            for t in trials
            if t.finished and t.kind not in BLAMELESS
        ]

    def drawn(self, optimizer: Optimizer) -> int:
        """The size of the method's initial design, which is drawn at random."""
        n, epochs = self._next(())
        return optimizer.n_init if epochs is None else _widened(optimizer.n_init, n)

    @contextmanager
    def _wider(self, optimizer: Optimizer, queries: int) -> Iterator[None]:
        """A larger initial design for so many low-fidelity trainings, if the method has one."""
        own = optimizer.n_init
        optimizer.n_init = _widened(own, queries)
        try:
            yield
        finally:
            optimizer.n_init = own

    def has_room(self, trials: Sequence[StoredTrial]) -> bool:
        """Whether the budget of trainings allows another query."""
        if self._low(trials) > 0 or self._queries(trials) > 0:
            return True
        # Which of them may be the best is known when all queries have their results.
        return self._repeats(trials) > 0 and all(t.finished for t in trials if not t.again)

    def measured(self, trials: Iterable[StoredTrial]) -> int:
        """How many different architectures were measured, in either fidelity."""
        return len({trial.architecture for trial in trials})

    def unmeasured(self, trials: Iterable[StoredTrial]) -> float:
        """How many more architectures may be measured."""
        return self.measurements - self.measured(trials) if self._task.has_prefilter else math.inf

    def _next(self, trials: Sequence[StoredTrial]) -> tuple[int, int | None]:
        """The largest number of queries to propose next, and their epochs."""
        room = self.unmeasured(trials)
        full = self._queries(trials)
        # The full trainings that follow the low-fidelity ones may need measuring too.
        low = min(self._low(trials), room - full)
        if low > 0:
            return int(low), self._task.low_fidelity
        return int(min(full, room)), None

    def _low(self, trials: Sequence[StoredTrial]) -> int:
        """How many low-fidelity trainings the budget has room for."""
        epochs = self._task.low_fidelity
        if epochs is None or self._low_exhausted:
            return 0
        one = self._task.cost(epochs)
        made = sum(t.epochs is not None and t.state is not State.DROPPED for t in trials)
        # At least one is trained in full.
        share = min(LOW_SHARE * self.trainings - one * made, self._left(trials) - 1)
        return max(0, min(int(share / one + _ROUNDING), LOW_QUERIES - made))

    def _full(self, trials: Iterable[StoredTrial]) -> int:
        """How many full trainings it has room for."""
        return int(self._left(trials) + _ROUNDING)

    def _queries(self, trials: Sequence[StoredTrial]) -> int:
        """How many of them may be queries."""
        full = self._full(trials)
        # A budget that was raised after all repeats, by less than another round of them, has one.
        again = min(1, full) if self._unrepeated(trials) <= 0 else 0
        return max(full - self._confirm, again)

    def _repeats(self, trials: Sequence[StoredTrial]) -> int:
        """How many evaluations may be repeated now."""
        return min(self._unrepeated(trials), self._full(trials))

    def _unrepeated(self, trials: Sequence[StoredTrial]) -> int:
        """How many repeats are left, without regard to the budget.

        Those of an earlier, smaller budget are not counted, since queries have followed them.
        """
        last = max((t.number for t in trials if not t.again), default=0)
        return self._confirm - sum(t.again > 0 and t.number > last for t in trials)

    def _left(self, trials: Iterable[StoredTrial]) -> float:
        return self.trainings - sum(trial.spent for trial in trials)


def _widened(design: int, queries: int) -> int:
    return max(design, min(DESIGN_TIMES * design, int(DESIGN_PART * queries)))
