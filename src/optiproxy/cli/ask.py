"""``optiproxy ask``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def ask(
    name: str,
    /,
    *,
    n: Annotated[int, Parameter(name="-n")] = 1,
    lease: str = "1h",
    storage: str | None = None,
    json: bool = False,
) -> int:
    """Takes queries of a search for your own program to evaluate.

    Prints a line for each: its id, a space, and its architecture as JSON; nothing when there are
    none for now, or the search is done (--json says which). Any number of programs may ask at once.

    Args:
        name: The study's name; optiproxy new begins it.
        n: How many queries.
        lease: How long they are yours: 90s, 5m, 2h. What is not answered or renewed by then may be
            asked again by another program.
        storage: Where the study is stored; by default ./NAME.journal.
        json: Prints one JSON object instead, with seeds and the ends of the leases.
    """
    from json import dumps

    from optiproxy.cli._programs import asked
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._trust import stored_study

    study = stored_study(name, storage)
    with quiet_stdout():  # The task's functions may print.
        queries = study.ask(n, lease=lease)
    if json:
        print(dumps(asked(study, queries), ensure_ascii=False))
        return 0
    for query in queries:
        print(query.id, query.architecture.to_json())
    return 0
