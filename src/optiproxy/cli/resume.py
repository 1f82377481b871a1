"""``optiproxy resume``."""

from __future__ import annotations


def resume(
    name: str,
    /,
    *,
    storage: str | None = None,
    budget: int | None = None,
    workers: int = 1,
    json: bool = False,
) -> int:
    """Goes on with a stored search, also after a crash.

    What is finished is kept, what was interrupted is repeated.

    Args:
        name: The study's name.
        storage: Where it is kept; by default ./NAME.journal.
        budget: How many queries it has in the end; by default as many as it was begun with.
        workers: How many evaluations run at once.
        json: Prints exactly one JSON object on standard output.
    """
    from optiproxy.cli._conduct import conduct, default_storage
    from optiproxy.study import Study
    from optiproxy.study.study import check_count

    if budget is not None:
        check_count("budget", budget)
    check_count("workers", workers)
    study = Study.load(name, storage or default_storage(name))
    return conduct(study, budget or study.budget or 100, workers, json=json)
