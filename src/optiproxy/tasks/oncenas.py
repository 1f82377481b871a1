"""OnceNAS-Bench: DARTS cells on CIFAR-10 after 10 and 50 epochs, with the latency of four devices.

A sample of 545 rows, of 526 different networks (others list a node's two inputs in the other
order; they are averaged), so the task is a pool. Its cells may have ``none`` as an operation. The
benchmark has no test set of its own: its test accuracies repeat the validation ones. Its latencies
have no stated unit.

Reference: OnceNAS-Bench, https://github.com/OnceNAS-Bench/OnceNAS-Bench.
"""

from __future__ import annotations

from optiproxy.spaces import DARTS_OPERATIONS, Darts
from optiproxy.tasks._listed import Listed, as_written, pool_task
from optiproxy.tasks.table import Table

TABLE = "oncenas_darts_545"
NETWORKS = 526

_CITATION = "OnceNAS-Bench, https://github.com/OnceNAS-Bench/OnceNAS-Bench"


def cifar10() -> Table:
    """OnceNAS-Bench on CIFAR-10."""
    listed = Listed(
        Darts((*DARTS_OPERATIONS, "none")),
        TABLE,
        key=["architecture"],
        read=as_written,
        columns={
            "val_accuracy": "valid_accuracy_50_epochs",
            "val_accuracy_10_epochs": "valid_accuracy_10_epochs",
            "params_m": "params_m",
            "flops_m": "flops_m",
            **{f"latency_{d}": f"{d}_latency" for d in ("gpu", "rasp", "fpga", "mcu")},
            "train_seconds": "train_seconds_50",
        },
    )
    return pool_task(
        listed,
        NETWORKS,
        name="oncenas-cifar10",
        objectives={"val_accuracy": "max"},
        description=(
            "OnceNAS-Bench on CIFAR-10: validation accuracy in % after 50 epochs, one training; "
            "after 10 epochs; parameters and FLOPs in millions, latencies without a stated unit"
        ),
        citation=_CITATION,
    )
