"""One call of `Study.run`, from the start of its workers to their end."""

from __future__ import annotations

from collections.abc import Callable

from optiproxy.search import Optimizer
from optiproxy.study._budget import Budget
from optiproxy.study._deadline import Deadline
from optiproxy.study._folders import Folders
from optiproxy.study._queue import Queue
from optiproxy.study._runner import Runner
from optiproxy.study._storage.trials import Trials
from optiproxy.study._workers.interrupts import Interrupts
from optiproxy.study._workers.options import Workers
from optiproxy.study._workers.pool import pool_of
from optiproxy.study.records import Record


def run_session(
    trials: Trials,
    optimizer: Optimizer,
    budget: Budget,
    *,
    workers: Workers,
    hours: float | None,
    max_failures: int,
    folders: Folders | None,
    shared: bool,
    finished: Callable[[Record], None],
    note: Callable[[str], None],
) -> None:
    """Searches until `budget` is spent, at most so many `hours`; see `Runner` for the others.

    Raises:
        KeyboardInterrupt: Ctrl-C; finished queries are kept.
    """
    with Interrupts(trials.hurry) as interrupts, trials.session():
        pool = pool_of(trials.task, workers, interrupts)
        done = False
        try:
            done = Runner(
                trials,
                Queue(
                    trials, optimizer, budget, shared=shared, note=note, thinking=interrupts.open
                ),
                pool,
                seed=optimizer.seed,
                workers=workers,
                deadline=Deadline(hours),
                max_failures=max_failures,
                folders=folders,
                shared=shared,
                interrupts=interrupts,
                finished=finished,
                note=note,
            ).run()
        finally:
            # A worker that is left would keep this process from its end.
            with interrupts.held():
                pool.close(kill=not done)
