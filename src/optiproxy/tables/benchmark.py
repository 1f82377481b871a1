"""A published table as a task: what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from optiproxy.spaces import Architecture, Option, Pool, Space
from optiproxy.tables import store
from optiproxy.tables.averaged_rows import AveragedRows
from optiproxy.tables.parquet_rows import ParquetRows
from optiproxy.tables.rows import Rows
from optiproxy.tables.table import Table
from optiproxy.tasks.evaluation import Evaluator
from optiproxy.tasks.origin import Origin

if TYPE_CHECKING:
    from torch import nn


def rows_of(
    table: str,
    space: Space,
    columns: Mapping[str, str],
    *,
    key: str | Sequence[str] = "arch",
    where: Mapping[str, Option] | None = None,
    scale: Mapping[str, float] | None = None,
) -> ParquetRows:
    """The rows of a known table, with its pinned checksum and number of rows.

    The table is looked for when it is first needed, so that a task can be listed without it.

    Args:
        table: A name of `store.known_tables`.
        space: Whose architectures the rows are.
        columns: Metric → column.
        key: The column with the space's text form, or a column for each choice.
        where: Column → value; other rows are not read.
        scale: Metric → the factor from its column's unit to its own.
    """
    file = store.known(table)
    return ParquetRows(
        space,
        partial(store.find, table),
        key=(key,) if isinstance(key, str) else tuple(key),
        one_per_choice=not isinstance(key, str),
        columns=columns,
        sha256=None,  # `store.find` verifies it.
        rows=file.rows or None,
        where=where or {},
        scale=scale or {},
    )


def benchmark(
    tables: str | Sequence[str],
    space: Space,
    rows: Rows,
    *,
    name: str,
    objectives: Mapping[str, str],
    description: str,
    citation: str | Sequence[str],
    reported: Sequence[str] = (),
    build: Callable[[Architecture], nn.Module] | None = None,
    example_input: Callable[[], Any] | None = None,
    evaluate: Evaluator | None = None,
    prepare: Callable[[], object] | None = None,
    family: str = "",
) -> Table:
    """The task of published rows, with the source and licence of their tables.

    Counts (parameters, FLOPs) are exact metrics.

    Args:
        tables: The tables that have to be here, names of `store.known_tables`.
        space: What is searched.
        rows: What is looked up.
        name: The task's.
        citation: The publication, or several.
        family: See `Origin`.

    The others are those of `Table`.
    """
    names = (tables,) if isinstance(tables, str) else tuple(tables)
    citations = (citation,) if isinstance(citation, str) else tuple(citation)
    files = [store.known(table) for table in names]
    return Table(
        space,
        rows,
        name=name,
        objectives=objectives,
        reported=reported,
        build=build,
        example_input=example_input,
        exact=[m for m in rows.metrics if m.startswith(("params", "flops", "macs"))],
        evaluate=evaluate,
        prepare=prepare,
        description=description,
        origin=Origin(
            _each(file.source for file in files),
            _each(file.licence for file in files),
            _each(citations),
            ", ".join(names),
            family,
        ),
    )


def sample(rows: AveragedRows, **options: Any) -> Table:
    """The task of a published sample: a pool of the networks that are listed.

    Args:
        rows: Of the sample.
        options: Those of `benchmark`.
    """
    return benchmark(rows.table, Pool(rows.space, rows), rows, **options)


def cell_numbers(table: str, space: Space) -> ParquetRows:
    """Architecture → ``{"number": …}``, its ``arch_index`` in a known table.

    Other tables list an architecture by that number.
    """
    return rows_of(table, space, {"number": "arch_index"})


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
