"""``optiproxy tasks``."""

from __future__ import annotations

import fnmatch
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.tables.catalogue import CatalogueRow

_WRAPPER = textwrap.TextWrapper(
    96, initial_indent="  ", subsequent_indent="    ", break_long_words=False,
    break_on_hyphens=False,
)  # fmt: skip


def tasks(name: str | None = None, /) -> None:
    """Lists the tasks that can be searched, and where their data come from.

    Tasks that differ only in data set or device are listed together. Your own task is searched as
    my_module:task or path/to/mine.py:task.

    Args:
        name: Lists only these tasks, one by one and with all details: a name, a family's name, or a
            pattern such as 'hw-nb201-*-raspi4'.
    """
    from optiproxy import tasks

    rows = tasks.catalogue()
    if name is None:
        for family in _families(rows):
            _print_family(family)
    else:
        chosen = [row for row in rows if name == row.family or fnmatch.fnmatch(row.name, name)]
        # Or the common beginning of several names.
        chosen = chosen or [row for row in rows if row.name.startswith(f"{name.rstrip('-')}-")]
        if not chosen:
            from optiproxy.errors import unknown

            families = {row.family for row in rows if row.family}
            raise unknown("task", name, [*(row.name for row in rows), *sorted(families)])
        for row in chosen:
            _print_row(row)
        rows = chosen
    if any(row.data in ("missing", "broken") for row in rows):
        print("How to get data that are missing: optiproxy data list")


def _families(rows: list[CatalogueRow]) -> list[list[CatalogueRow]]:
    """The rows by family, in the order of the first of each."""
    found: dict[str, list[CatalogueRow]] = {}
    for row in rows:
        found.setdefault(row.family or f" {row.name}", []).append(row)
    return list(found.values())


def _print_family(rows: list[CatalogueRow]) -> None:
    first = rows[0]
    if first.problem or len(rows) == 1:
        _print_row(first)
        return
    states = ", ".join(dict.fromkeys(row.data for row in rows))
    # A family's name may contain what differs: hw-nb201-DATA-DEVICE.
    stem, pattern, device = first.family.partition("DATA-")
    title = first.family if pattern else f"{first.family}-*"
    print(f"{title}  {len(rows)} tasks of {_size(first)}; data: {states}")
    if pattern:
        rest = [row.name.removeprefix(stem) for row in rows]
        # A data set's name may contain a hyphen, a device's does not.
        for part, place in (("DATA", 0), (device, 2)):
            found = dict.fromkeys(text.rpartition("-")[place] for text in rest)
            _print_wrapped(f"{part}: {', '.join(found)}")
    else:
        _print_wrapped(", ".join(row.name for row in rows))
    print(f"  for example {first.name}:")
    _print_details(first)


def _print_row(row: CatalogueRow) -> None:
    if row.problem:
        print(f"{row.name}  broken: {row.problem}\n")
        return
    print(f"{row.name}  {_size(row)}; data: {row.data}")
    _print_details(row)


def _print_details(row: CatalogueRow) -> None:
    _print_wrapped(row.description)
    goals = [*row.objectives, *row.constraints]
    reported = f"; only reported: {', '.join(row.reported)}" if row.reported else ""
    named = {metric for metric in row.metrics if any(g.startswith(metric) for g in goals)}
    others = [m for m in row.metrics if m not in named and m not in row.reported]
    measured = f"; also measured: {', '.join(others)}" if others else ""
    _print_wrapped(f"objectives and limits: {', '.join(goals)}{reported}{measured}")
    if row.source:
        _print_wrapped(f"from {row.source}; licence: {row.licence}")
    if row.citation:
        _print_wrapped(row.citation)
    print()


def _size(row: CatalogueRow) -> str:
    if not row.architectures:
        return "as many architectures as its table lists"
    size = f"{row.architectures:,}" if row.architectures < 10**9 else f"{row.architectures:.1e}"
    return f"{size} architectures"


def _print_wrapped(text: str) -> None:
    print(_WRAPPER.fill(text))
