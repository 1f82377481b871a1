"""``optiproxy worker``."""

from __future__ import annotations


def worker(
    name: str, /, *, storage: str, workers: int | None = None, dask: str | None = None
) -> int:
    """One more worker on a stored study, until the study's budget is spent.

    Any number may run at once, on any machine that reaches the storage; together they never repeat
    a query nor exceed the budget. What one of them was doing when it was killed, another one does.

    Args:
        name: The study's name; optiproxy search begins it.
        storage: A journal file on a disk that all workers see, or a database.
        workers: How many evaluations this one runs at once: by default 1, and with --dask one for
            each of the cluster's threads.
        dask: The address of a Dask scheduler (tcp://…) whose workers evaluate.
    """
    import sys

    from optiproxy.cli._executors import evaluators
    from optiproxy.cli._progress import SearchProgress
    from optiproxy.cli._quiet_stdout import kept_for_the_answer
    from optiproxy.cli.app import FAILED, INTERRUPTED
    from optiproxy.errors import StudyError, whole_number
    from optiproxy.study import Record, Study
    from optiproxy.study._storage.open import shown

    if workers is not None:
        whole_number("workers", workers)
    with kept_for_the_answer():  # A user's file may print when it is read.
        study = Study.load(name, storage)
    budget = study.budget
    if not budget:
        where = shown(storage)
        raise StudyError(f"study {name!r} in {where} has no budget yet; begin it by a search")
    mine: list[Record] = []
    with kept_for_the_answer(), evaluators(dask, workers) as (executor, at_once):
        try:
            with SearchProgress(study, budget) as progress:

                def finished(record: Record) -> None:
                    mine.append(record)
                    progress(record)

                study.run(budget, workers=at_once, executor=executor, callback=finished)
        except KeyboardInterrupt:
            print(f"stopped after {len(mine)} queries of its own", file=sys.stderr)
            return INTERRUPTED
    print(f"{name}: {len(study.queries)} queries, {len(mine)} of them by this worker")
    nothing = not any(record.metrics for record in study.queries)
    return FAILED if mine and nothing else 0
