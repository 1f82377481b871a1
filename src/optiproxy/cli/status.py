"""``optiproxy status``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Queries that are named.
SHOWN = 12


def status(name: str, /, *, storage: str | None = None, json: bool = False) -> int:
    """Says how far a stored search is, and what it found.

    Args:
        name: The study's name.
        storage: Where the study is stored; by default ./NAME.journal.
        json: Prints one JSON object, with the space and the queries that programs hold.
    """
    from json import dumps

    from optiproxy.cli._programs import status as plain
    from optiproxy.cli._say import say
    from optiproxy.cli._summary import nothing_found, number
    from optiproxy.cli._trust import stored_study

    study = stored_study(name, storage)
    found = plain(study)
    if json:
        print(dumps(found, ensure_ascii=False))
        return 0
    say(f"{name}: {_counts(found)}")
    if held := found["asked"]:
        until = max(query["until"] for query in held)
        say(f"held by programs until {until} at the latest: {_ids(held)}")
    if over := [query for query in held if query["ended"]]:
        say(f"whose leases have ended: {_ids(over)}")
    if study.best is not None:
        metrics = ", ".join(f"{name} {number(v)}" for name, v in study.best.metrics.items())
        say(f"best: query {study.best.query}, {study.best}: {metrics}")
    elif records := (*study.queries, *study.dropped):
        say("\n".join(nothing_found(study, records)))
    say("done" if found["done"] else "not done")
    return 0


def _counts(found: Mapping[str, Any]) -> str:
    if found["spent"] == found["queries"]:
        return f"{found['queries']} of {found['budget']} queries, {found['failed']} failed"
    kinds = {"repeats": "repeats", "stopped": "stopped early", "failed": "failed"}
    parts = "".join(f", {found[kind]} {text}" for kind, text in kinds.items())
    return (
        f"{found['queries']} queries{parts}: {found['spent']:.4g} of a budget of {found['budget']}"
    )


def _ids(queries: Sequence[Mapping[str, Any]]) -> str:
    shown = ", ".join(str(query["id"]) for query in queries[:SHOWN])
    more = len(queries) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
