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
    """Continues a stored search, also after a crash.

    Finished queries are kept, interrupted ones are repeated.

    Args:
        name: The study's name.
        storage: Where it is stored; by default ./NAME.journal.
        budget: How many queries it has in the end; by default as many as it was begun with.
        cheap_budget: How many architectures may be measured in the end, including those that break
            a limit and are not trained; by default as many as it was begun with.
        workers: How many evaluations run at once: by default 1, with --dask one for each thread of
            the cluster.
        dask: The address of a Dask scheduler (tcp://…) whose workers evaluate.
        json: Prints exactly one JSON object on standard output.
    """
    from optiproxy.cli._executors import executor_of
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._run_study import default_storage, run_study
    from optiproxy.errors import whole_number
    from optiproxy.study import Study

    if budget is not None:
        whole_number("budget", budget)
    if workers is not None:
        whole_number("workers", workers)
    with quiet_stdout():  # A task file may print.
        study = Study.load(name, storage or default_storage(name))
    total = budget or study.budget or 100
    with executor_of(dask, workers) as (executor, at_once):
        return run_study(
            study, total, at_once, cheap_budget=cheap_budget, executor=executor, json=json
        )
