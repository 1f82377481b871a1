"""A published table as a task: what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from optiproxy.spaces import Architecture, Option, Space
from optiproxy.tables import store
from optiproxy.tables.parquet_rows import Lookup
from optiproxy.tables.table import Table
from optiproxy.tasks.origin import Origin

if TYPE_CHECKING:
    from torch import nn


def benchmark(
    table: str,
    space: Space,
    *,
    name: str,
    key: str | Sequence[str],
    columns: Mapping[str, str],
    objectives: Mapping[str, str],
    description: str,
    citation: str,
    reported: Sequence[str] = (),
    where: Mapping[str, Option] | None = None,
    scale: Mapping[str, float] | None = None,
    build: Callable[[Architecture], nn.Module] | None = None,
    example_input: Callable[[], Any] | None = None,
    family: str = "",
) -> Table:
    """The task of a known table, with its pinned checksum, rows, source and licence.

    The table is looked for when it is first needed, so that a task can be listed without it.

    Args:
        table: A name of `store.known_tables`.
        space: Whose architectures the rows are.
        name: The task's.
        citation: The publication.
        family: See `Origin`.

    The others are those of `Table`.
    """
    file = store.known(table)
    return Table(
        space,
        partial(store.find, table),
        key=key,
        columns=columns,
        name=name,
        objectives=objectives,
        reported=reported,
        sha256=file.sha256 or None,
        rows=file.rows or None,
        where=where,
        scale=scale,
        build=build,
        example_input=example_input,
        exact=counts(columns),
        description=description,
        origin=Origin(file.source, file.licence, citation, table, family),
    )


def counts(columns: Iterable[str]) -> list[str]:
    """Which metrics are counted from an architecture, at no cost."""
    return [metric for metric in columns if metric.startswith(("params", "flops", "macs"))]


def numbers(table: str, space: Space) -> Lookup:
    """Architecture → ``{"number": …}``, its ``arch_index`` in a known table, by which others list
    what they have of it."""
    file = store.known(table)
    return Lookup(
        space,
        partial(store.find, table),
        key=("arch",),
        one_per_choice=False,
        columns={"number": "arch_index"},
        sha256=file.sha256,
        rows=file.rows,
    )
