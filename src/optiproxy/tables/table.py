"""A table of measured architectures as a task: a query is a look-up."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError, invalid, unknown
from optiproxy.metrics import Constraints, Metric, Objectives
from optiproxy.spaces import Architecture, Option, Space
from optiproxy.tables._own_rows import rows_of_file, source_of
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.joined_rows import JoinedRows
from optiproxy.tables.rows import ListedRows, Rows
from optiproxy.tasks.evaluation import Evaluator
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.task import Task
from optiproxy.tasks.training_free import Features

if TYPE_CHECKING:
    from torch import nn


class Table(Task):
    """A task whose evaluations were all measured before, one row for each architecture.

    >>> import optiproxy as op
    >>> space = op.spaces.Chain({"depth": [1, 2], "width": [16, 32]})
    >>> task = op.tasks.Table(space, "measured.parquet",
    ...                       key=["depth", "width"],
    ...                       columns={"val_accuracy": "top1", "latency_ms": "pixel3_ms"},
    ...                       constraints={"latency_ms": "<= 5"})  # doctest: +SKIP

    The table is read and checked before any query. An architecture that has no row, or whose cell
    is empty or NaN in an objective or a limited metric, is a failed evaluation.

    Args:
        space: Whose architectures the rows are.
        parquet: The file: Parquet, CSV, TSV, JSON or JSON lines, by its ending; or a function that
            finds it, which is called when the table is first needed (`prepare`); or rows that
            are read in another way (`tables.rows`), which need no `key`, `columns`, `sha256`,
            `rows`, `where`, `scale` or `averaged`.
        key: The column with the space's own text form of the architecture (`Space.to_text`); or a
            column for each choice, as a list (of the choices' names, or in their order) or as a
            mapping, choice → column. There 3, 3.0 and "3" are the same option where the space has
            only one of them.
        columns: Metric → column, or the names of columns that are called as their metrics.
        name: By default the file's name without its suffix.
        objectives: By default the first metric that is not only reported, maximised.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``, in the metric's unit.
        reported: Metrics that are printed and never shown to the optimiser.
        sha256: The file's checksum in hexadecimal, where it is pinned.
        rows: How many rows it must have, where that is known.
        where: Column → value, for a file that holds several tables: only the rows that have these
            values are read. `rows` counts them all.
        scale: Metric → the factor from its column's unit to its own, such as 100 for an accuracy
            in % where the column holds fractions. Limits and answers are in the metric's unit.
        averaged: Whether several rows of an architecture, such as trainings with other seeds, are
            averaged; else they are an error. Empty cells are left out of a mean.
        build: ``build(arch) → nn.Module``, by default the space's.
        example_input: One input of its networks; see `Task`.
        distinct: Whether architectures of the same network are evaluated once; by default where no
            two rows are the same network.
        features: Scores that need no training; see `Task`.
        exact: Metrics that cost nothing, such as a count of parameters: a search looks them up for
            every candidate, and proposes none that breaks a limit on them.
        evaluate: The evaluator, where a query does more than look up its row; see `Task`.
        prepare: Makes ready what `evaluate` needs; see `Task`.
        files: The user's files that the rows are read from.
        description: One line for ``optiproxy tasks``.
        origin: Where the numbers come from.

    Raises:
        InvalidValueError: An argument can't be used.
        DataError: The file is missing, not readable, not what `sha256` and `rows` say, lacks
            a column, has a key that is no architecture of the space, or an architecture twice.
    """

    def __init__(
        self,
        space: Space,
        parquet: str | os.PathLike[str] | Callable[[], Path] | Rows,
        *,
        key: str | Sequence[str] | Mapping[str, str] | None = None,
        columns: Mapping[str, str] | Sequence[str] | str | None = None,
        name: str | None = None,
        objectives: Objectives | None = None,
        constraints: Constraints = None,
        reported: Sequence[str] = (),
        sha256: str | None = None,
        rows: int | None = None,
        where: Mapping[str, Option] | None = None,
        scale: Mapping[str, float] | None = None,
        averaged: bool = False,
        build: Callable[[Architecture], nn.Module] | None = None,
        example_input: Callable[[], Any] | None = None,
        distinct: bool | None = None,
        features: Features = (),
        exact: Sequence[str] = (),
        evaluate: Evaluator | None = None,
        prepare: Callable[[], object] | None = None,
        files: Sequence[Path] = (),
        description: str = "",
        origin: Origin | None = None,
    ) -> None:
        if not isinstance(space, Space):
            raise invalid("Table: space", space, "give a search space, such as spaces.Cell(...)")
        space.check_lists("Table: space")
        if isinstance(parquet, Rows):
            own: Rows = parquet
        else:
            source = source_of(parquet)
            if isinstance(source, Path):  # The user's own; what a function finds is pinned by it.
                name, files = name or source.stem, (source,)
            own = rows_of_file(
                space,
                source,
                key=key,
                columns=columns,
                sha256=sha256,
                rows=rows,
                where=where,
                scale=scale,
                averaged=averaged,
            )
        if isinstance(exact, str) or not isinstance(exact, Sequence):
            raise invalid("Table: exact", exact, "give a list of metrics")
        for argument, names in (("reported", reported), ("exact", exact)):
            for metric in names:
                if metric not in own.metrics:
                    raise unknown(f"Table: {argument}", metric, own.metrics)
        visible = [metric for metric in own.metrics if metric not in reported]
        if objectives is None and not visible:
            raise invalid("Table: reported", list(reported), "leave a metric to be an objective")
        super().__init__(
            name or "table",
            space,
            evaluate,
            objectives={visible[0]: "max"} if objectives is None else objectives,
            constraints=constraints,
            reported=reported,
            metrics=[_metric(own, metric, metric in exact) for metric in own.metrics],
            build=build,
            example_input=example_input,
            prepare=prepare,
            fidelities=own.fidelities if isinstance(own, FidelityRows) else (),
            distinct=distinct,
            features=features,
            rows=own,
            files=files,
            description=description,
            origin=origin,
        )
        if not isinstance(parquet, Rows) and files:
            self.prepare()
            values = own.values()
            for metric in self.needed:
                if not np.isfinite(values.get(metric, 0.0)).any():
                    raise DataError(
                        f"{files[0]}: {metric!r} has no number in any row; choose another column"
                    )

    def joined(self, other: Table, *, name: str, description: str = "", family: str = "") -> Table:
        """This task with the metrics of another table of the same architectures beside its own.

        Objectives and constraints stay this table's; what either only reports stays reported. An
        architecture that one of the tables lacks is a failed evaluation. Where a table has
        fidelities, its full trainings are joined.

        Args:
            other: A table of the same space.
            name: The new task's.
            description: One line for ``optiproxy tasks``.
            family: A name for tasks that are listed together.

        Raises:
            InvalidValueError: The spaces differ, a metric is in both tables, or a table does not
                say which architectures its rows are.
        """
        if other.space.fingerprint != self.space.fingerprint:
            raise invalid("joined: space", other.space, f"join a table of {self.space!r}")
        ours, theirs = self._listed_rows, other._listed_rows
        twice = [metric for metric in theirs.metrics if metric in ours.metrics]
        if twice:
            raise invalid("joined: metric", twice[0], "name it differently in one of the tables")
        return Table(
            self.space,
            JoinedRows(ours, theirs),
            name=name,
            objectives=self.objectives,
            constraints=self.constraints,
            reported=(*self.reported, *other.reported),
            build=self._build,
            example_input=self.example_input,
            distinct=self._distinct,
            features=self._features,
            exact=[*self.exact, *other.exact],
            files=(*self.files, *other.files),
            description=description,
            origin=self.origin.joined(other.origin, family),
        )

    @property
    def _listed_rows(self) -> ListedRows:
        rows = self.rows.full if isinstance(self.rows, FidelityRows) else self.rows
        if not isinstance(rows, ListedRows):
            raise invalid("joined", self.name, "its rows are not listed by architecture")
        return rows

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric of every row, (rows,), in its unit; NaN where a cell is empty.

        Raises:
            InvalidValueError: The table has no such metric.
            DataError: The table can't be read.
        """
        assert self.rows is not None
        if metric not in self.rows.metrics:
            raise unknown("metric", metric, self.rows.metrics)
        return self.rows.values()[metric]

    def quantile(self, metric: str, q: float) -> float:
        """The `q`-quantile of a metric over the table's rows, in its unit; empty cells left out.

        >>> limit = task.quantile("latency_ms", 0.1)   # the fastest tenth  # doctest: +SKIP
        """
        if not 0 <= q <= 1:
            raise invalid("quantile: q", q, "give a share between 0 and 1")
        return float(np.nanquantile(self.values(metric), q))


def _metric(rows: Rows, metric: str, exact: bool) -> str | Metric:
    return Metric(metric, partial(_cell, rows, metric), exact=True) if exact else metric


def _cell(rows: Rows, metric: str, arch: Architecture) -> float:
    return rows(arch)[metric]
