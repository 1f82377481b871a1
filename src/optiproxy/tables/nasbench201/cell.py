"""What the tasks on NAS-Bench-201's cells share: the space, its networks and its accuracies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from optiproxy.spaces import NB201_OPERATIONS, Architecture, Cell
from optiproxy.tables.benchmark import rows_of
from optiproxy.tables.parquet_rows import ParquetRows

if TYPE_CHECKING:
    from torch import nn

#: As the columns of the tables spell the data sets, and their titles.
DATA_SETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet16_120": "ImageNet16-120",
}
# Of each data set, and so of its networks' outputs.
CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet16_120": 120}
TABLE, SHORT_TABLE = "nb201_accuracy", "nb201_accuracy_12epochs"
SHORT, FULL = 12, 200
CITATION = "Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326"


def space() -> Cell:
    """The 15,625 cells."""
    return Cell(nodes=4, operations=NB201_OPERATIONS)


def build(data_set: str) -> Callable[[Architecture], nn.Module]:
    """What makes the networks that are trained on a data set."""
    return partial(space().build, classes=CLASSES[data_set])


def name(kind: str, data_set: str, device: str = "") -> str:
    """A task's name, such as ``hwnas-imagenet16-120-fpga``."""
    parts = (kind, data_set.replace("_", "-"), device)
    return "-".join(part for part in parts if part)


def accuracies(data_set: str, epochs: int = FULL) -> ParquetRows:
    """``val_accuracy`` and ``test_accuracy`` in %, after 200 epochs or the training of 12."""
    table, suffix = (TABLE, "") if epochs == FULL else (SHORT_TABLE, f"_{SHORT}ep")
    columns = {
        f"{split}_accuracy": f"{data_set}_{split}_accuracy{suffix}" for split in ("val", "test")
    }
    return rows_of(table, space(), columns)
