"""Tables of low-fidelity and full trainings of the same architectures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces import Architecture
from optiproxy.tables.rows import ListedRows


class FidelityRows:
    """The row of a training of so many epochs. What is listed are the full trainings.

    Args:
        full: Of the full trainings.
        epochs: Of a full training.
        lower: Epochs → rows of shorter trainings, read only by a search that uses them
            (`Task.low_fidelity`), so that their files may be missing otherwise.
    """

    def __init__(self, full: ListedRows, epochs: int, lower: Mapping[int, ListedRows]) -> None:
        self.full = full
        self.fidelities = (*sorted(lower), epochs)
        self._rows = {**lower, epochs: full}

    @property
    def metrics(self) -> tuple[str, ...]:
        return self.full.metrics

    def __call__(self, arch: Architecture, *, epochs: int | None = None) -> dict[str, float]:
        return self.full(arch) if epochs is None else self._rows[epochs](arch)

    def load(self, epochs: int | None = None) -> None:
        self.full.load()
        if epochs is not None:
            self._rows[epochs].load()

    def one_per_network(self) -> bool:
        return self.full.one_per_network()

    def row_of(self) -> dict[bytes, int]:
        return self.full.row_of()

    def values(self) -> dict[str, NDArray[np.float64]]:
        return self.full.values()
