"""SpikeNAS-Bench: spiking networks on CIFAR-10, looked up.

A cell like NAS-Bench-201's, with convolutions behind leaky integrate-and-fire neurons of a low,
middle or high threshold. Accuracies are in %, of a single training on half of the training images;
the other half is the validation set.

What guides is the validation accuracy after the last epoch, not the best of all epochs: the test
accuracy belongs to the weights after the last epoch too, and a maximum over noisy epochs favours
the 690 cells that were trained for 200 epochs instead of 100.

A low fidelity is an epoch of the full training's own curve, when its learning rate is still high.
The 690 cells count as trained for 100 epochs.

Reference: Sun et al., SpikeNAS-Bench, IEEE Transactions on Artificial Intelligence 6(6), 2025,
https://doi.org/10.1109/TAI.2025.3534136.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optiproxy.spaces import Architecture, Cell
from optiproxy.tasks._benchmark import benchmark
from optiproxy.tasks._short import TwoTables
from optiproxy.tasks.table import Table

TABLE = "spikenas_cifar10"
# Epochs of the learning curves that a search may learn from.
SHORT, FULL = (1, 5, 10, 25, 50), 100

# In the order of the benchmark's numbers 0 to 4.
OPERATIONS = ("none", "skip", "lif_low_conv3x3", "lif_mid_conv3x3", "lif_high_conv3x3")

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
    short = {n: _table({"val_accuracy": f"val_accuracy_epoch_{n}"}) for n in SHORT}
    columns = {"val_accuracy": "final_val_accuracy", "test_accuracy": "test_accuracy"}
    return TwoTables(_table(columns), FULL, short)


def _table(accuracies: Mapping[str, str]) -> Table:
    return benchmark(
        TABLE,
        SpikeCell(),
        name="spikenas-cifar10",
        key="arch",
        columns={**accuracies, "params": "params"},
        objectives={"val_accuracy": "max"},
        reported=[metric for metric in accuracies if metric == "test_accuracy"],
        description=(
            "SpikeNAS-Bench on CIFAR-10: accuracy in % after the last epoch (not the best one), "
            "one training; parameters"
        ),
        citation=_CITATION,
    )
