"""SpikeNAS-Bench: spiking networks on CIFAR-10, looked up.

A cell like NAS-Bench-201's, with convolutions behind leaky integrate-and-fire neurons of a low,
middle or high threshold. Accuracies are in %, of a single training on half of the training images;
the other half is the validation set.

The objective is the validation accuracy after the last epoch, not the best of all epochs: the test
accuracy belongs to the weights after the last epoch too, and a maximum over noisy epochs favours
the 690 cells that were trained for 200 epochs instead of 100.

A low fidelity is an epoch of the full training's own curve, when its learning rate is still high.
The 690 cells count as trained for 100 epochs. ``spikenas-curves-cifar10`` reports these curves as a
running training does: one that falls behind is stopped, and costs the part that it ran.

Reference: Sun et al., SpikeNAS-Bench, IEEE Transactions on Artificial Intelligence 6(6), 2025,
https://doi.org/10.1109/TAI.2025.3534136.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.spaces import Architecture, Cell
from optiproxy.tables import store
from optiproxy.tables.arrow import read_columns
from optiproxy.tables.benchmark import benchmark, cell_numbers, rows_of
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.parquet_rows import ParquetRows
from optiproxy.tables.table import Table

TABLE, CURVES = "spikenas_cifar10", "spikenas_cifar10_val_curves"
# Epochs of the learning curves that are low fidelities.
SHORT, FULL = (1, 5, 10, 25, 50), 100

# In the order of the benchmark's numbers 0 to 4.
OPERATIONS = ("none", "skip", "lif_low_conv3x3", "lif_mid_conv3x3", "lif_high_conv3x3")

_FINAL = {"val_accuracy": "final_val_accuracy", "test_accuracy": "test_accuracy"}

_CITATION = (
    "Sun et al., SpikeNAS-Bench, IEEE Transactions on Artificial Intelligence 6(6), 2025, "
    "https://doi.org/10.1109/TAI.2025.3534136"
)


class SpikeCell(Cell):
    """A cell of four nodes, written as the table does: ``op~0>1|op~0>2|…``, by source.

    >>> space = SpikeCell()
    >>> space.count
    15625
    >>> text = "skip~0>1|none~0>2|skip~0>3|lif_low_conv3x3~1>2|none~1>3|skip~2>3"
    >>> space.to_text(space.architecture(text)) == text
    True
    """

    def __init__(self) -> None:
        super().__init__(nodes=4, operations=OPERATIONS)

    def to_text(self, arch: Architecture) -> str:
        # By source, as the benchmark numbers its edges; the choices are in the order of targets.
        return "|".join(f"{arch[edge]}~{edge}" for edge in sorted(self.names))

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if ">" not in text or text.lstrip().startswith("{"):
            return super().parse_text(text)
        mapping: dict[str, str] = {}
        for part in text.strip().split("|"):
            operation, _, edge = part.partition("~")
            if edge not in self.choices or edge in mapping:
                raise ValueError(
                    f"{part!r} is no edge, or one twice; write operation~source>target"
                )
            mapping[edge] = operation
        return mapping


def cifar10() -> Table:
    """SpikeNAS-Bench on CIFAR-10."""
    space = SpikeCell()
    lower = {n: _rows(space, {"val_accuracy": f"val_accuracy_epoch_{n}"}) for n in SHORT}
    return benchmark(
        TABLE,
        space,
        FidelityRows(_rows(space, _FINAL), FULL, lower),
        name="spikenas-cifar10",
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        description=(
            "SpikeNAS-Bench on CIFAR-10: accuracy in % after the last epoch (not the best one), "
            "one training; parameters"
        ),
        citation=_CITATION,
    )


def curves_cifar10() -> Table:
    """SpikeNAS-Bench on CIFAR-10, where each training reports its learning curve."""
    space = SpikeCell()
    rows = _rows(space, _FINAL)
    training = _Training(rows)
    return benchmark(
        (TABLE, CURVES),
        space,
        rows,
        name="spikenas-curves-cifar10",
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        evaluate=training,
        prepare=training.load,
        description=(
            "SpikeNAS-Bench on CIFAR-10 with the learning curves of its trainings: those that fall "
            "behind are stopped, and cost the part that they ran"
        ),
        citation=_CITATION,
    )


def _rows(space: SpikeCell, accuracies: Mapping[str, str]) -> ParquetRows:
    return rows_of(TABLE, space, {**accuracies, "params": "params"})


class _Training(ComputedOnce):
    """An evaluator: reports every epoch of a training, and answers with its last.

    Args:
        final: Architecture → metrics after the last epoch.
    """

    def __init__(self, final: Callable[..., Any]) -> None:
        self._final = final
        # Curves are listed by a cell's number; the other table says which cell that is.
        self._numbers = cell_numbers(TABLE, SpikeCell())

    def __call__(
        self, arch: Architecture, *, report: Callable[[int, float], None]
    ) -> dict[str, float]:
        metrics: dict[str, float] = self._final(arch)
        curve = self._curves[int(self._numbers(arch)["number"])]
        for epoch, value in enumerate(curve.tolist(), start=1):
            report(epoch, value)
        return metrics

    def load(self) -> None:
        """Reads both tables, once.

        Raises:
            DataError: A table is missing or broken.
        """
        self._numbers.load()
        _ = self._curves

    @cached_property
    def _curves(self) -> NDArray[np.float64]:
        """The validation accuracy in % of each cell after each epoch, (cells, FULL)."""
        epochs = tuple(f"e{n}" for n in range(1, FULL + 1))
        table = read_columns(store.find(CURVES), ("arch_index", *epochs))
        order = np.argsort(table["arch_index"].to_numpy())
        columns = [table[epoch].to_numpy()[order] for epoch in epochs]
        return np.stack(columns, axis=1) / 1000.0  # The table has thousandths of a %.
