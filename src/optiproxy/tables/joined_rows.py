"""Two tables of the same architectures, read as one."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.errors import DataError
from optiproxy.spaces import Architecture
from optiproxy.tables.rows import ListedRows


class JoinedRows(ComputedOnce):
    """The metrics of an architecture in both tables; a query fails where one of them lacks it.

    Args:
        first: Rows.
        second: Rows of the same space with other metrics.
    """

    def __init__(self, first: ListedRows, second: ListedRows) -> None:
        self._first = first
        self._second = second

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*self._first.metrics, *self._second.metrics)

    def __call__(self, arch: Architecture) -> dict[str, float]:
        return {**self._first(arch), **self._second(arch)}

    def load(self, epochs: int | None = None) -> None:
        """Reads and checks both, once.

        Raises:
            DataError: One is missing or broken, or they have no architecture in common.
        """
        self._first.load()
        self._second.load()
        if not self._places[0]:
            raise DataError(
                "joined tables: no architecture is in both; join tables of the same ones"
            )

    def one_per_network(self) -> bool:
        return self._first.one_per_network() and self._second.one_per_network()

    def row_of(self) -> dict[bytes, int]:
        return self._places[0]

    def values(self) -> dict[str, NDArray[np.float64]]:
        _, first, second = self._places
        return {
            **{metric: column[first] for metric, column in self._first.values().items()},
            **{metric: column[second] for metric, column in self._second.values().items()},
        }

    @cached_property
    def _places(self) -> tuple[dict[bytes, int], NDArray[np.int64], NDArray[np.int64]]:
        """Architecture in both tables → row; and each row's number in the first and the second."""
        first, second = self._first.row_of(), self._second.row_of()
        both = [key for key in first if key in second]
        return (
            {key: row for row, key in enumerate(both)},
            np.array([first[key] for key in both], dtype=np.int64),
            np.array([second[key] for key in both], dtype=np.int64),
        )
