"""``optiproxy worker``."""

from __future__ import annotations

from optiproxy.cli._evaluation import DEFAULT, Evaluation


def worker(name: str, /, *, storage: str, how: Evaluation = DEFAULT) -> int:
    """One more worker on a stored study, until the study's budget is spent.

    Any number may run at once, on any machine that reaches the storage; together they never repeat
    a query nor exceed the budget. If one is killed, another one repeats what it was evaluating.

    Args:
        name: The study's name; optiproxy search creates it.
        storage: A journal file on a disk that all workers share, or a database.
        how: How architectures are evaluated.
    """
    import sys

    from optiproxy.cli._progress import SearchProgress
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._say import say
    from optiproxy.cli._trust import stored_study
    from optiproxy.cli.app import FAILED, INTERRUPTED
    from optiproxy.errors import StudyError, whole_number
    from optiproxy.study import Record

    if how.workers is not None:
        whole_number("workers", how.workers)
    study = stored_study(name, storage)
    budget = study.budget
    if not budget:
        raise StudyError(
            f"study {name!r} in {study.place} has no budget yet; start it with optiproxy search"
        )
    mine: list[Record] = []
    with quiet_stdout(), how.arguments(study.task) as evaluation:
        try:
            with SearchProgress(study, budget) as progress:

                def finished(record: Record) -> None:
                    mine.append(record)
                    progress(record)

                study.run(budget, callback=finished, **evaluation)
        except KeyboardInterrupt:
            say(f"stopped after {len(mine)} queries by this worker", file=sys.stderr)
            return INTERRUPTED
    say(f"{name}: {len(study.queries)} queries, {len(mine)} of them by this worker")
    nothing = not any(record.metrics for record in study.queries)
    return FAILED if mine and nothing else 0
