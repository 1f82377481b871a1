"""OnceNAS-Bench: DARTS cells on CIFAR-10 after 10 and 50 epochs, with the latency of four devices.

A sample of 545 rows, of 526 different networks (others list a node's two inputs in the other
order; they are averaged), so the task is a pool. Its cells may have ``none`` as an operation. The
benchmark has no test set of its own: its test accuracies repeat the validation ones. Its latencies
have no stated unit.

The low fidelity of 10 epochs took a fifth of the seconds of the 50, which is what it costs of a
budget.

Reference: OnceNAS-Bench, https://github.com/OnceNAS-Bench/OnceNAS-Bench.
"""

from __future__ import annotations

from collections.abc import Mapping

from optiproxy.spaces import DARTS_OPERATIONS, Darts, Pool
from optiproxy.tables.averaged_rows import AveragedRows, as_written
from optiproxy.tables.benchmark import benchmark
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.table import Table

TABLE = "oncenas_darts_545"
NETWORKS = 526
SHORT, FULL = 10, 50

_CITATION = "OnceNAS-Bench, https://github.com/OnceNAS-Bench/OnceNAS-Bench"


def cifar10() -> Table:
    """OnceNAS-Bench on CIFAR-10."""
    full = _rows(FULL, {"val_accuracy_10_epochs": "valid_accuracy_10_epochs"})
    return benchmark(
        TABLE,
        Pool(full.space, full),
        FidelityRows(full, FULL, {SHORT: _rows(SHORT, {})}),
        name="oncenas-cifar10",
        objectives={"val_accuracy": "max"},
        description=(
            "OnceNAS-Bench on CIFAR-10: validation accuracy in % after 50 epochs, one training; "
            "after 10 epochs; parameters and FLOPs in millions, latencies without a stated unit"
        ),
        citation=_CITATION,
    )


def _rows(epochs: int, also: Mapping[str, str]) -> AveragedRows:
    """The accuracies after so many epochs, and further columns."""
    return AveragedRows(
        Darts((*DARTS_OPERATIONS, "none")),
        TABLE,
        key=["architecture"],
        read=as_written,
        columns={
            "val_accuracy": f"valid_accuracy_{epochs}_epochs",
            **also,
            "params_m": "params_m",
            "flops_m": "flops_m",
            **{f"latency_{d}": f"{d}_latency" for d in ("gpu", "rasp", "fpga", "mcu")},
            "train_seconds": f"train_seconds_{epochs}",
        },
        count=NETWORKS,
    )
