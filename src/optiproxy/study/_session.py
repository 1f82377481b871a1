"""One call of `Study.run`, from the start of its workers to their end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optiproxy.search import Optimizer
from optiproxy.study._budget import Budget
from optiproxy.study._deadline import Deadline
from optiproxy.study._folders import Folders
from optiproxy.study._runner import Runner
from optiproxy.study._storage.trials import Trials
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.study._workers.options import Workers
from optiproxy.study._workers.pool import pool_of
from optiproxy.study.records import Record

# The runs of this process that go on: a trial of any other run of this process is abandoned.
ACTIVE: set[str] = set()


def run_session(
    trials: Trials,
    optimizer: Optimizer,
    seed: int,
    *,
    budget: int,
    cheap_budget: int,
    batch: int | None,
    confirm: int,
    workers: Workers,
    hours: float | None,
    max_failures: int,
    folders: Folders | None,
    shared: bool,
    finished: Callable[[Record], None],
    note: Callable[[str], None],
) -> None:
    """Searches until `budget` is spent.

    Args:
        trials: The study's history.
        optimizer: The study's.
        seed: The study's; the evaluator's seeds derive from it.
        budget: As checked by `Study.run`, like the next five.
        cheap_budget: See there.
        batch: See there.
        confirm: See there.
        workers: See there.
        hours: See there.
        max_failures: See there.
        folders: Of the queries, for an evaluator that wants one.
        shared: Whether other processes may use the storage.
        finished: Called with each result.
        note: Called with warnings for the user.

    Raises:
        KeyboardInterrupt: Ctrl-C; finished queries are kept.
    """
    run = uuid.uuid4().hex
    trials.begin(run)
    with Interrupts() as interrupts, active(run):
        pool = pool_of(trials.task, seed, workers, interrupts)
        done = False
        try:
            done = Runner(
                trials,
                optimizer,
                pool,
                workers=workers,
                budget=Budget(trials.task, budget, cheap_budget, batch, confirm),
                deadline=Deadline(hours),
                max_failures=max_failures,
                folders=folders,
                active=ACTIVE,
                shared=shared,
                interrupts=interrupts,
                finished=finished,
                note=note,
            ).run()
        finally:
            # A worker that is left would keep this process from its end.
            with interrupts.held():
                pool.close(kill=not done)


@contextmanager
def active(run: str) -> Iterator[None]:
    ACTIVE.add(run)
    try:
        yield
    finally:
        ACTIVE.discard(run)
