"""A table of measured architectures as a task: a query is a look-up."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError, invalid, unknown, whole_number
from optiproxy.metrics import Function
from optiproxy.spaces import Architecture, Option, Space
from optiproxy.tables.joined_rows import Joined
from optiproxy.tables.parquet_rows import Lookup
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.task import Task

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
    is empty or NaN in a metric that is asked for, is a failed evaluation.

    Args:
        space: Whose architectures the rows are.
        parquet: The file; or a function that finds it, which is called when the table is first
            needed (`prepare`).
        key: The column with the space's own text form of the architecture (`Space.to_text`); or a
            column for each choice, as a list in the choices' order or as a mapping, choice →
            column. There 3, 3.0 and "3" are the same option where the space has only one of them.
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
        build: ``build(arch) → nn.Module``, by default the space's.
        example_input: One input of its networks; see `Task`.
        distinct: Whether architectures that come to the same network are asked for once; by
            default where no two rows are the same network.
        features: Scores that cost no training; see `Task`.
        exact: Metrics that cost nothing, such as a count of parameters: a search looks them up for
            every candidate, and asks for none that breaks a limit on them.
        description: One line for ``optiproxy tasks``.
        origin: Where the numbers come from.

    Raises:
        InvalidValueError: An argument can't be used.
        DataError: The file is missing, no readable Parquet, not what `sha256` and `rows` say, lacks
            a column, has a key that is no architecture of the space, or an architecture twice.
    """

    # Whether the rows decide what is distinct: nobody has said, and they can tell.
    _by_rows = False

    def __init__(
        self,
        space: Space,
        parquet: str | os.PathLike[str] | Callable[[], Path],
        *,
        key: str | Sequence[str] | Mapping[str, str],
        columns: Mapping[str, str] | Sequence[str] | str,
        name: str | None = None,
        objectives: Mapping[str, str] | Sequence[str] | str | None = None,
        constraints: Mapping[str, str] | Sequence[str] | str | None = None,
        reported: Sequence[str] = (),
        sha256: str | None = None,
        rows: int | None = None,
        where: Mapping[str, Option] | None = None,
        scale: Mapping[str, float] | None = None,
        build: Callable[[Architecture], nn.Module] | None = None,
        example_input: Callable[[], Any] | None = None,
        distinct: bool | None = None,
        features: Mapping[str, Function] = MappingProxyType({}),
        exact: Sequence[str] = (),
        description: str = "",
        origin: Origin | None = None,
    ) -> None:
        if not isinstance(space, Space):
            raise invalid("Table: space", space, "give a search space, such as spaces.Cell(...)")
        if callable(parquet):
            source: Path | Callable[[], Path] = parquet
            name = name or "table"
        elif isinstance(parquet, str | os.PathLike):
            # Absolute: a worker process may have another current directory.
            source = Path(parquet).expanduser().absolute()
            name = name or source.stem
        else:
            raise invalid("Table: parquet", parquet, "give the path of a Parquet file")
        if sha256 is not None and not (isinstance(sha256, str) and len(sha256) == 64):
            raise invalid("Table: sha256", sha256, "give 64 hexadecimal digits, or leave it out")
        if rows is not None:
            rows = whole_number("Table: rows", rows)
        metrics = _columns(columns)
        for metric in reported:
            if metric not in metrics:
                raise unknown("Table: reported", metric, metrics)
        if isinstance(exact, str) or not isinstance(exact, Sequence):
            raise invalid("Table: exact", exact, "give a list of metrics")
        for metric in exact:
            if metric not in metrics:
                raise unknown("Table: exact", metric, metrics)
        guiding = [metric for metric in metrics if metric not in reported]
        if objectives is None and not guiding:
            raise invalid("Table: reported", list(reported), "leave a metric to guide the search")
        self._lookup: Lookup | Joined = Lookup(
            space,
            source,
            key=_key(space, key),
            one_per_choice=not isinstance(key, str),
            columns=metrics,
            sha256=sha256,
            rows=rows,
            where=_where(where),
            scale=_scale(scale, metrics),
        )
        super().__init__(
            name,
            space,
            self._lookup,
            objectives={guiding[0]: "max"} if objectives is None else objectives,
            constraints=constraints,
            reported=reported,
            metrics=tuple(metrics),
            build=build,
            example_input=example_input,
            prepare=self._lookup.load,
            in_memory=True,
            distinct=distinct,
            features=features,
            description=description,
            origin=origin,
        )
        self.exact = looked_up(self._lookup, exact)
        self._by_rows = distinct is None
        if isinstance(source, Path):  # The user's own; what a function finds is pinned by it.
            self.files = (source,)
            self.prepare()
            values = self._lookup.values()
            for metric in self.needed:
                if not np.isfinite(values.get(metric, 0.0)).any():
                    raise DataError(
                        f"{source}: {metric!r} has no number in any row; choose another column"
                    )

    def prepare(self) -> None:
        super().prepare()
        if self._by_rows:
            self.distinct = self._lookup.one_per_network

    def joined(self, other: Table, *, name: str, description: str = "", family: str = "") -> Table:
        """This task with the metrics of another table of the same architectures beside its own.

        Objectives and constraints stay this table's; what either only reports stays reported. An
        architecture that one of the tables lacks is a failed evaluation. Of a table with fidelities
        it has the full trainings alone: of the other's metrics there are no short ones.

        Args:
            other: A table of the same space.
            name: The new task's.
            description: One line for ``optiproxy tasks``.
            family: A name for tasks that are listed together.

        Raises:
            InvalidValueError: The spaces differ, or a metric is in both tables.
        """
        if other.space.fingerprint != self.space.fingerprint:
            raise invalid("joined: space", other.space, f"join a table of {self.space!r}")
        twice = [metric for metric in other.metrics if metric in self.metrics]
        if twice:
            raise invalid("joined: metric", twice[0], "name it differently in one of the tables")
        task = self.replaced()
        assert isinstance(task, Table)
        task._lookup = Joined(self._lookup, other._lookup)
        task.evaluate, task._prepare = task._lookup, task._lookup.load
        task.fidelities, task.low_fidelity = (), None
        task.reference = None  # By it another process would find this table without the other.
        task.files = (*self.files, *other.files)
        task.metrics = (*self.metrics, *other.metrics)
        task.reported = (*self.reported, *other.reported)
        task.exact = {**self.exact, **other.exact}
        task.name, task.description = name, description
        task.origin = self.origin.joined(other.origin, family)
        return task

    def training_free(self, metric: str) -> Function | None:
        return (lambda arch: self._lookup(arch)[metric]) if metric in self.metrics else None

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric of every row, (rows,), in its unit; NaN where a cell is empty.

        Raises:
            InvalidValueError: The table has no such metric.
            DataError: The table can't be read.
        """
        if metric not in self.metrics:
            raise unknown("metric", metric, self.metrics)
        return self._lookup.values()[metric]

    def quantile(self, metric: str, q: float) -> float:
        """The `q`-quantile of a metric over the table's rows, in its unit; empty cells left out.

        >>> limit = task.quantile("latency_ms", 0.1)   # the fastest tenth  # doctest: +SKIP
        """
        if not 0 <= q <= 1:
            raise invalid("quantile: q", q, "give a share between 0 and 1")
        return float(np.nanquantile(self.values(metric), q))

    @cached_property
    def optimum(self) -> float | None:
        """The best feasible value of the first objective in the table; None if nothing is feasible.

        Raises:
            DataError: The table can't be read.
        """
        values = self.objective_values()[:, 0]
        sign = self.objectives[0].sign
        return float(sign * (sign * values).max()) if len(values) else None

    def objective_values(self) -> NDArray[np.float64]:
        values = self._lookup.values()
        objectives = np.stack([values[objective.metric] for objective in self.objectives], 1)
        feasible = np.ones(len(objectives), dtype=bool)
        for metric in self.needed:
            feasible &= np.isfinite(values[metric])
        for constraint in self.resolved().constraints:
            feasible &= constraint.sign * (values[constraint.metric] - constraint.bound) <= 0
        return objectives[feasible]


def looked_up(
    lookup: Callable[[Architecture], dict[str, float]], metrics: Iterable[str]
) -> dict[str, Function]:
    """Exact metrics, each a function of an architecture."""
    return {metric: partial(_cell, lookup, metric) for metric in metrics}


def _cell(
    lookup: Callable[[Architecture], dict[str, float]], metric: str, arch: Architecture
) -> float:
    return lookup(arch)[metric]


def _columns(columns: Mapping[str, str] | Sequence[str] | str) -> dict[str, str]:
    """Metric → column."""
    if isinstance(columns, str):
        columns = [columns]
    if not isinstance(columns, Mapping | Sequence) or not columns:
        raise invalid("Table: columns", columns, "give metric → column, or a list of columns")
    pairs = columns if isinstance(columns, Mapping) else {column: column for column in columns}
    for metric, column in pairs.items():
        if not isinstance(metric, str) or not isinstance(column, str) or not metric:
            raise invalid("Table: columns", columns, "give names: metric → column")
    return dict(pairs)


def _key(space: Space, key: str | Sequence[str] | Mapping[str, str]) -> tuple[str, ...]:
    """The key columns, in the choices' order."""
    remedy = "give a column's name, a list with a column for each choice, or choice → column"
    if isinstance(key, str):
        return (key,)
    if isinstance(key, Mapping):
        for choice in key:
            if choice not in space.choices:
                raise unknown("Table: key: choice", choice, space.names)
        missing = [choice for choice in space.names if choice not in key]
        if missing:
            raise invalid("Table: key", dict(key), f"name a column for {', '.join(missing)} too")
        key = [key[choice] for choice in space.names]
    if not isinstance(key, Sequence) or not all(isinstance(column, str) for column in key):
        raise invalid("Table: key", key, remedy)
    if len(key) != len(space):
        raise invalid(
            "Table: key", list(key), f"give {len(space)} columns, for {', '.join(space.names)}"
        )
    if len(set(key)) < len(key):
        raise invalid("Table: key", list(key), "a column stands twice; name one for each choice")
    return tuple(key)


def _where(where: Mapping[str, Option] | None) -> dict[str, Option]:
    if where is None:
        return {}
    if not isinstance(where, Mapping) or not all(isinstance(column, str) for column in where):
        raise invalid("Table: where", where, "give column → value")
    for column, value in where.items():
        if not isinstance(value, str | int | float):
            raise invalid(f"Table: where: {column}", value, "give a text, a number or a boolean")
    return dict(where)


def _scale(scale: Mapping[str, float] | None, metrics: Mapping[str, str]) -> dict[str, float]:
    if scale is None:
        return {}
    if not isinstance(scale, Mapping):
        raise invalid("Table: scale", scale, "give metric → factor")
    for metric, factor in scale.items():
        if metric not in metrics:
            raise unknown("Table: scale", metric, metrics)
        known = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not known or not math.isfinite(factor) or factor == 0:
            raise invalid(f"Table: scale: {metric}", factor, "give a finite number other than 0")
    return {metric: float(factor) for metric, factor in scale.items()}
