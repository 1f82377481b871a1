"""NAS-Bench-201 and NATS-Bench as their authors' own files have them: nine tasks.

``nats-tss-*`` are of NATS-Bench's topology space, ``nb201-v1-1-*`` and ``nb201-v1-0-*`` of
NAS-Bench-201's two editions. They hold the same cells, and differ in how many trainings a mean is
of; none is the table of the ``nb201-*`` tasks. Accuracies are in %, after 200 epochs, means over
all trainings in the file. CIFAR-10 is validated after training on half of the training images and
tested after training on all of them. Costs are those of the network that is tested; latency is for
a batch of 256.

References: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326; Dong et al.,
NATS-Bench, TPAMI 2021, https://arxiv.org/abs/2009.00437.
"""

from __future__ import annotations

from optiproxy.tables.benchmark import benchmark, rows_of
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.nasbench201.cell import DATA_SETS
from optiproxy.tables.table import Table

# Table → the tasks' name, and the edition's.
EDITIONS = {
    "nats_tss": ("nats-tss", "NATS-Bench, topology space"),
    "nb201_v1_1": ("nb201-v1-1", "NAS-Bench-201 v1.1"),
    "nb201_v1_0": ("nb201-v1-0", "NAS-Bench-201 v1.0"),
}

_CITATION = (
    f"{cell.CITATION}; Dong et al., NATS-Bench, TPAMI 2021, https://arxiv.org/abs/2009.00437"
)


def task(table: str, data_set: str) -> Table:
    """One edition on one data set."""
    name, edition = EDITIONS[table]
    columns = {
        "val_accuracy": f"{data_set}_val_accuracy_200epochs",
        "test_accuracy": f"{data_set}_test_accuracy_200epochs",
        "params_m": f"{data_set}_params_m",
        "flops_m": f"{data_set}_flops_m",
        "latency_ms": f"{data_set}_latency_ms",
        "train_seconds": f"{data_set}_train_seconds_200epochs",
    }
    return benchmark(
        table,
        cell.space(),
        rows_of(table, cell.space(), columns),
        name=cell.name(name, data_set),
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=cell.build(data_set),
        description=(
            f"{edition}, on {DATA_SETS[data_set]}: accuracy in % after 200 epochs, mean over the "
            "trainings; parameters and FLOPs in millions, latency in ms"
        ),
        citation=_CITATION,
        family=name,
    )
