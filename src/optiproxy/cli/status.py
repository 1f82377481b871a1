"""``optiproxy status``."""

from __future__ import annotations


def status(name: str, /, *, storage: str | None = None, json: bool = False) -> int:
    """Says how far a stored search is, and what it found.

    Args:
        name: The study's name.
        storage: Where the study is stored; by default ./NAME.journal.
        json: Prints one JSON object, with the space and the queries that programs hold.
    """
    from json import dumps

    from optiproxy.cli._programs import status as plain
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._say import say
    from optiproxy.cli._summary import number
    from optiproxy.cli._trust import stored_study

    with quiet_stdout():  # A task file may print.
        study = stored_study(name, storage)
        found = plain(study)
    if json:
        print(dumps(found, ensure_ascii=False))
        return 0
    over = sum(query["ended"] for query in found["asked"])
    ended = f" ({over} of them past the end of their leases)" if over else ""
    say(f"{name}: {found['queries']} of {found['budget']} queries, {found['failed']} failed")
    if found["asked"]:
        say(f"held by programs: {len(found['asked'])}{ended}")
    if study.best is not None:
        metrics = ", ".join(f"{name} {number(v)}" for name, v in study.best.metrics.items())
        say(f"best: query {study.best.query}, {study.best}: {metrics}")
    say("done" if found["done"] else "not done")
    return 0
