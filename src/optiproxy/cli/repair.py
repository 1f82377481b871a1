"""``optiproxy repair``."""

from __future__ import annotations


def repair(name: str, /, *, storage: str | None = None) -> int:
    """Drops what can't be read of a damaged journal file, and says what is lost.

    The file as it was is kept beside it. End every search that uses it first.

    Args:
        name: The study's name.
        storage: Its journal file; by default ./NAME.journal.
    """
    from optiproxy.cli._say import say
    from optiproxy.cli._study_command import default_storage
    from optiproxy.study import repair_storage

    place = storage or default_storage(name)
    found, copy = repair_storage(place)
    for fault in found:
        say(f"line {fault.number}: {fault.reason}; lost: {fault.lost}")
    if copy is None:
        say(f"{place}: every line can be read; nothing was changed")
    else:
        say(f"{place}: repaired; as it was: {copy}")
    return 0
