"""Published tables of short and full trainings as one task with fidelities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from optiproxy.spaces import Architecture
from optiproxy.tables.table import Table
from optiproxy.tasks.task import Task


class TwoTables(Table):
    """A table of full trainings beside tables of shorter ones, with the same metrics.

    The tables of short trainings are read when a search wants them (`Task.low_fidelity`): they need
    not be here otherwise.

    Args:
        full: The table of full trainings: its objectives, its optimum.
        epochs: Of a full training.
        short: Epochs → table.
    """

    def __init__(self, full: Table, epochs: int, short: Mapping[int, Table]) -> None:
        self.__dict__.update(full.__dict__)
        self._short = dict(short)
        self.evaluate = _AtEpochs({**short, epochs: full})
        self.fidelities = (*sorted(short), epochs)

    def prepare(self) -> None:
        super().prepare()
        if self.low_fidelity is not None:
            self._short[self.low_fidelity].prepare()


class _AtEpochs:
    """The evaluator: the row of the table of so many epochs."""

    def __init__(self, tables: Mapping[int, Task]) -> None:
        self._tables = dict(tables)

    def __call__(self, arch: Architecture, *, epochs: int) -> dict[str, float]:
        return cast(dict[str, float], self._tables[epochs].evaluate(arch))
