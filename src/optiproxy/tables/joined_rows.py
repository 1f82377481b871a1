"""Two tables of the same architectures, read as one."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError
from optiproxy.spaces import Architecture
from optiproxy.tables.parquet_rows import Lookup


class Joined:
    """An evaluator: the metrics of an architecture in both tables; it fails where one lacks it.

    Args:
        first: A look-up, or two that are joined already.
        second: Another one of the same space, with other metrics.
    """

    def __init__(self, first: Lookup | Joined, second: Lookup | Joined) -> None:
        self._first = first
        self._second = second

    def __call__(self, arch: Architecture) -> dict[str, float]:
        return {**self._first(arch), **self._second(arch)}

    def load(self) -> None:
        """Reads and checks both, once.

        Raises:
            DataError: One is missing, broken, or not a table of the space's architectures; or they
                have none in common.
        """
        self._first.load()
        self._second.load()
        if not self._rows[0]:
            raise DataError(
                "joined tables: no architecture is in both; join tables of the same ones"
            )

    @property
    def one_per_network(self) -> bool:
        """Whether no two rows of either are the same network."""
        return self._first.one_per_network and self._second.one_per_network

    def row_of(self) -> dict[bytes, int]:
        """Option numbers of an architecture, as bytes → its row in `values`."""
        return self._rows[0]

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Metric → its values by row, (rows,), of the architectures that both have."""
        first, second = self._rows[1], self._rows[2]
        return {
            **{metric: column[first] for metric, column in self._first.values().items()},
            **{metric: column[second] for metric, column in self._second.values().items()},
        }

    @cached_property
    def _rows(self) -> tuple[dict[bytes, int], NDArray[np.int64], NDArray[np.int64]]:
        first, second = self._first.row_of(), self._second.row_of()
        both = [key for key in first if key in second]
        return (
            {key: row for row, key in enumerate(both)},
            np.array([first[key] for key in both], dtype=np.int64),
            np.array([second[key] for key in both], dtype=np.int64),
        )

    def __getstate__(self) -> dict[str, object]:
        return {"_first": self._first, "_second": self._second}
