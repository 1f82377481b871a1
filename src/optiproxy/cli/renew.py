"""``optiproxy renew``."""

from __future__ import annotations


def renew(name: str, /, *ids: int, lease: str = "1h", storage: str | None = None) -> int:
    """Renews the leases of queries, so that no other program gets them.

    Args:
        name: The study's name.
        ids: Of the queries, as ask printed them.
        lease: How long they are yours, from now on: 90s, 5m, 2h.
        storage: Where the study is stored; by default ./NAME.journal.
    """
    from optiproxy.cli._trust import stored_study

    for query in stored_study(name, storage).renew(ids, lease=lease):
        print(query.id, query.plain()["until"])
    return 0
