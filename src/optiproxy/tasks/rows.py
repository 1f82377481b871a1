"""Evaluators that answer from stored rows, as a task needs them; see `optiproxy.tables.rows`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optiproxy.metrics import Constraint, Objective
from optiproxy.spaces import Architecture


@runtime_checkable
class Rows(Protocol):
    """Rows of measured architectures: an evaluator whose answers can all be listed.

    They are read when they are first needed. To another process goes what to read, not what was
    read.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of a row, known before the rows are read."""

    def load(self, epochs: int | None = None) -> None:
        """Reads and checks the rows, once.

        Args:
            epochs: Also those of a low fidelity, where the rows have several fidelities.

        Raises:
            DataError: They are missing or broken.
        """

    def __call__(self, arch: Architecture) -> dict[str, float]:
        """The metrics of an architecture.

        Raises:
            EvaluationFailed: It has no row.
        """

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Metric → its value in each row, (rows,); NaN where a cell is empty."""

    def one_per_network(self) -> bool:
        """Whether a search may ask for each network (`Space.canonical`) once."""


def feasible_values(
    rows: Rows, objectives: Sequence[Objective], constraints: Iterable[Constraint]
) -> NDArray[np.float64]:
    """The objectives of every row that has them all and meets all limits, (feasible, M)."""
    values = rows.values()
    found = np.stack([values[objective.metric] for objective in objectives], 1)
    feasible = np.isfinite(found).all(1)
    for c in constraints:
        column = values[c.metric]
        feasible &= np.isfinite(column) & (c.excess(column) <= 0)
    return found[feasible]
