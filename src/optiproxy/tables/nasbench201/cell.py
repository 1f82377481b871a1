"""What the tasks on NAS-Bench-201's cells share: the space, and the table of accuracies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from optiproxy.spaces import NB201_OPERATIONS, Architecture, Cell
from optiproxy.tables.benchmark import benchmark
from optiproxy.tables.nasbench201.devices import DATA_SETS
from optiproxy.tables.table import Table

if TYPE_CHECKING:
    from torch import nn

# Of each data set, and so of its networks' outputs.
CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet16_120": 120}
TABLE = "nb201_accuracy"
CITATION = "Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326"

__all__ = ["CITATION", "DATA_SETS", "TABLE", "accuracies", "build", "space"]


def space() -> Cell:
    """The 15,625 cells."""
    return Cell(nodes=4, operations=NB201_OPERATIONS)


def build(data_set: str) -> Callable[[Architecture], nn.Module]:
    """What makes the networks that are trained on a data set."""
    return partial(space().build, classes=CLASSES[data_set])


def accuracies(
    data_set: str,
    table: str = TABLE,
    *,
    suffix: str = "",
    name: str = "accuracy",
    description: str = "",
    family: str = "",
) -> Table:
    """Validation accuracy guides, test accuracy is only reported, both in %.

    Args:
        data_set: One of `DATA_SETS`.
        table: By default that of the ``nb201-*`` tasks: after 200 epochs, means over the seeds.
        suffix: Of the table's columns.
        name: The task's; by default a part that costs are joined to.
        description: The task's.
        family: See `Origin`.
    """
    return benchmark(
        table,
        space(),
        name=name,
        key="arch",
        columns={
            "val_accuracy": f"{data_set}_val_accuracy{suffix}",
            "test_accuracy": f"{data_set}_test_accuracy{suffix}",
        },
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=build(data_set),
        description=description,
        citation=CITATION,
        family=family,
    )
