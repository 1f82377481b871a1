"""``optiproxy resume``."""

from __future__ import annotations


def resume(
    name: str,
    /,
    *,
    storage: str | None = None,
    budget: int | None = None,
    cheap_budget: int | None = None,
    workers: int | None = None,
    dask: str | None = None,
    json: bool = False,
) -> int:
    """Goes on with a stored search, also after a crash.

    What is finished is kept, what was interrupted is repeated.

    Args:
        name: The study's name.
        storage: Where it is kept; by default ./NAME.journal.
        budget: How many queries it has in the end; by default as many as it was begun with.
        cheap_budget: How many architectures may be measured in the end, those that break a limit
            and are not trained among them; by default as many as it was begun with.
        workers: How many evaluations run at once: by default 1, and with --dask one for each of the
            cluster's threads.
        dask: The address of a Dask scheduler (tcp://…) whose workers evaluate.
        json: Prints exactly one JSON object on standard output.
    """
    from optiproxy.cli._executors import evaluators
    from optiproxy.cli._quiet_stdout import kept_for_the_answer
    from optiproxy.cli._run_study import conduct, default_storage
    from optiproxy.errors import whole_number
    from optiproxy.study import Study

    if budget is not None:
        whole_number("budget", budget)
    if workers is not None:
        whole_number("workers", workers)
    with kept_for_the_answer():  # A user's file may print when it is read.
        study = Study.load(name, storage or default_storage(name))
    total = budget or study.budget or 100
    with evaluators(dask, workers) as (executor, at_once):
        return conduct(
            study, total, at_once, cheap_budget=cheap_budget, executor=executor, json=json
        )
