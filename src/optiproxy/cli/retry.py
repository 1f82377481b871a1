"""``optiproxy retry``."""

from __future__ import annotations


def retry(
    name: str, /, *, query: int | None = None, kind: str | None = None, storage: str | None = None
) -> int:
    """Has failed queries of a stored search evaluated again, by its workers or by resume.

    Args:
        name: The study's name.
        query: The number of one query; by default all that failed.
        kind: Only those that failed in one way: oom, time-limit, nan, died, device, or the class of
            an exception.
        storage: Where the study is stored; by default ./NAME.journal.
    """
    from optiproxy.cli._say import say
    from optiproxy.cli._study_command import study_command
    from optiproxy.cli._trust import stored_study

    study = stored_study(name, storage)
    queued = study.retry(query, kind=kind)
    if not queued:
        say(f"{name}: no query failed")
        return 0
    numbers = ", ".join(map(str, queued))
    reference = study.task.reference
    command = "ask" if reference is not None and reference.defined else "resume"
    say(f"{name}: to be evaluated again: {numbers}; go on with: {study_command(command, study)}")
    return 0
