"""``optiproxy worker``."""

from __future__ import annotations


def worker(
    name: str, /, *, storage: str, workers: int | None = None, dask: str | None = None
) -> int:
    """One more worker on a stored study, until the study's budget is spent.

    Any number may run at once, on any machine that reaches the storage; together they never repeat
    a query nor exceed the budget. If one is killed, another one repeats what it was evaluating.

    Args:
        name: The study's name; optiproxy search creates it.
        storage: A journal file on a disk that all workers share, or a database.
        workers: How many evaluations this one runs at once: by default 1, and with --dask one for
            each of the cluster's threads.
        dask: The address of a Dask scheduler (tcp://…) whose workers evaluate.
    """
    import sys

    from optiproxy.cli._executors import executor_of
    from optiproxy.cli._progress import SearchProgress
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli.app import FAILED, INTERRUPTED
    from optiproxy.errors import StudyError, whole_number
    from optiproxy.study import Record, Study

    if workers is not None:
        whole_number("workers", workers)
    with quiet_stdout():  # A task file may print.
        study = Study.load(name, storage)
    budget = study.budget
    if not budget:
        raise StudyError(
            f"study {name!r} in {study.place} has no budget yet; start it with optiproxy search"
        )
    mine: list[Record] = []
    with quiet_stdout(), executor_of(dask, workers) as (executor, at_once):
        try:
            with SearchProgress(study, budget) as progress:

                def finished(record: Record) -> None:
                    mine.append(record)
                    progress(record)

                study.run(budget, workers=at_once, executor=executor, callback=finished)
        except KeyboardInterrupt:
            print(f"stopped after {len(mine)} queries by this worker", file=sys.stderr)
            return INTERRUPTED
    print(f"{name}: {len(study.queries)} queries, {len(mine)} of them by this worker")
    nothing = not any(record.metrics for record in study.queries)
    return FAILED if mine and nothing else 0
