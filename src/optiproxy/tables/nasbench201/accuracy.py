"""NAS-Bench-201 as three tasks: accuracy after 200 epochs, looked up.

The objective is the validation accuracy; test accuracy is only reported. Both are in %, means over
the training seeds. CIFAR-10's validation accuracy comes from training on half of the training
images, its test accuracy from training on all of them.

A low fidelity of 12 epochs is a training of its own with a schedule of its own and one seed
(NAS-Bench-201 v1.1), not the twelfth epoch of the full one. A training's seconds are proportional
to its epochs, so an architecture's short training costs 12/200 of its full one.

Reference: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

from optiproxy.tables.benchmark import benchmark
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.table import Table


def task(data_set: str) -> Table:
    """NAS-Bench-201 on a data set."""
    lower = {cell.SHORT: cell.accuracies(data_set, cell.SHORT)}
    return benchmark(
        cell.TABLE,
        cell.space(),
        FidelityRows(cell.accuracies(data_set), cell.FULL, lower),
        name=cell.name("nb201", data_set),
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=cell.build(data_set),
        description=(
            f"NAS-Bench-201 on {cell.DATA_SETS[data_set]}: accuracy after 200 epochs, looked up"
        ),
        citation=cell.CITATION,
        family="nb201",
    )
