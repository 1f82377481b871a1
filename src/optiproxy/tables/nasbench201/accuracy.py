"""NAS-Bench-201 as three tasks: accuracy after 200 epochs, looked up.

Validation accuracy guides the search; test accuracy is only reported. Both are in %, means over the
training seeds. CIFAR-10's validation accuracy comes from training on half of the training images,
its test accuracy from training on all of them.

A low fidelity of 12 epochs is a training of its own with a schedule of its own and one seed
(NAS-Bench-201 v1.1), not the twelfth epoch of the full one. A training's seconds are proportional
to its epochs, so an architecture's short training costs 12/200 of its full one.

Reference: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

from optiproxy.tables.fidelity_rows import TwoTables
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.table import Table

SHORT_TABLE = "nb201_accuracy_12epochs"
SHORT, FULL = 12, 200


def cifar10() -> Table:
    """NAS-Bench-201 on CIFAR-10."""
    return _task("cifar10")


def cifar100() -> Table:
    """NAS-Bench-201 on CIFAR-100."""
    return _task("cifar100")


def imagenet16_120() -> Table:
    """NAS-Bench-201 on ImageNet16-120."""
    return _task("imagenet16_120")


def _task(data_set: str) -> Table:
    def table(file: str, suffix: str) -> Table:
        title = cell.DATA_SETS[data_set]
        return cell.accuracies(
            data_set,
            file,
            suffix=suffix,
            name=f"nb201-{data_set.replace('_', '-')}",
            description=f"NAS-Bench-201 on {title}: accuracy after 200 epochs, looked up",
            family="nb201",
        )

    return TwoTables(table(cell.TABLE, ""), FULL, {SHORT: table(SHORT_TABLE, f"_{SHORT}ep")})
