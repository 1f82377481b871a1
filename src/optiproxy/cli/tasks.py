"""``optiproxy tasks``."""

from __future__ import annotations


def tasks() -> None:
    """What can be searched: the registered tasks, and where their data come from.

    Your own task is given as my_module:task or path/to/mine.py:task.
    """
    from optiproxy import tasks

    rows = tasks.catalogue()
    width = max(len(row.name) for row in rows)
    for row in rows:
        if row.problem:
            print(f"{row.name:<{width}}  broken: {row.problem}\n")
            continue
        guides = ", ".join([*row.objectives, *row.constraints])
        reported = f"; only reported: {', '.join(row.reported)}" if row.reported else ""
        print(f"{row.name:<{width}}  {row.architectures:,} architectures; data: {row.data}")
        print(f"  {row.description}")
        print(f"  guided by {guides}{reported}")
        if row.source:
            print(f"  from {row.source}; licence: {row.licence}")
        print()
    if any(row.data in ("missing", "broken") for row in rows):
        print("How to get data that are missing: optiproxy data list")
