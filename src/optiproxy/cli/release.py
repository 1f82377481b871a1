"""``optiproxy release``."""

from __future__ import annotations


def release(name: str, /, *ids: int, storage: str | None = None) -> int:
    """Gives back queries, so that another program gets them.

    Args:
        name: The study's name.
        ids: Of the queries, as ask printed them.
        storage: Where the study is stored; by default ./NAME.journal.
    """
    from optiproxy.cli._trust import stored_study

    stored_study(name, storage).release(ids)
    return 0
