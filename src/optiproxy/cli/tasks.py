"""``optiproxy tasks``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.tasks import CatalogueRow


def tasks() -> None:
    """What can be searched: the registered tasks, and where their data come from.

    Your own task is given as my_module:task or path/to/mine.py:task.
    """
    from optiproxy import tasks

    rows = tasks.catalogue()
    families: dict[str, list[tasks.CatalogueRow]] = {}
    for row in rows:
        families.setdefault(row.family or row.name, []).append(row)
    width = max(map(len, families))
    for name, members in families.items():
        row = members[0]
        if row.problem:
            print(f"{name:<{width}}  broken: {row.problem}\n")
            continue
        guides = ", ".join([*row.objectives, *row.constraints])
        reported = f"; only reported: {', '.join(row.reported)}" if row.reported else ""
        print(f"{name:<{width}}  {row.architectures:,} architectures; data: {row.data}")
        if len(members) == 1:
            print(f"  {row.description}")
        else:
            _family(name, members)
        print(f"  guided by {guides}{reported}")
        if row.source:
            print(f"  from {row.source}; licence: {row.licence}")
        print()
    if any(row.data in ("missing", "broken") for row in rows):
        print("How to get data that are missing: optiproxy data list")


def _family(name: str, members: list[CatalogueRow]) -> None:
    """Tasks that differ in data set or device alone, as the names that stand for each part."""
    print(f"  {len(members)} tasks, such as {members[0].name}: {members[0].description}")
    stem = name.split("DATA")[0]
    rest = [row.name.removeprefix(stem) for row in members]
    # A data set's name may hold a hyphen, a device's does not.
    for part, found in (
        ("DATA", [text.rpartition("-")[0] for text in rest]),
        ("DEVICE", [text.rpartition("-")[2] for text in rest]),
    ):
        text = f"{part}: {', '.join(dict.fromkeys(found))}"
        print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="    "))
