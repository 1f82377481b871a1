"""A table of the embedded task: 400 of its networks, really trained and measured, shipped with us.

To try out a search, a comparison, a latency limit or a low fidelity in seconds, without any
download. The networks are a random sample, so the task is a pool. Each was trained once, for 2
and for 10 epochs; the latency is that of the machine that the file's metadata name. Made by
``scripts/mnist1d_table.py``.
"""

from __future__ import annotations

from pathlib import Path

from optiproxy.spaces import Cell, Pool
from optiproxy.tables.averaged_rows import AveragedRows, as_written
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.parquet_rows import ParquetRows
from optiproxy.tables.table import Table
from optiproxy.tasks.mnist1d import FIDELITIES, OPERATIONS, build, example_input
from optiproxy.tasks.origin import Origin

NETWORKS = 400


def file() -> Path:
    """Where the table is."""
    return Path(__file__).with_name("mnist1d_400.parquet")


def task() -> Table:
    """MNIST-1D, 400 trained networks: accuracies in %, training seconds, latency in ms."""
    cell = Cell(nodes=4, operations=OPERATIONS)
    listed = AveragedRows(
        cell, "mnist1d_400", key=["architecture"], read=as_written, columns={}, count=NETWORKS,
        find=file,
    )  # fmt: skip
    pool = Pool(cell, listed)
    *lower, full = FIDELITIES
    return Table(
        pool,
        FidelityRows(_rows(pool, full), full, {epochs: _rows(pool, epochs) for epochs in lower}),
        name="mnist1d-table",
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=build,
        example_input=example_input,
        exact=["params", "flops"],
        description=(
            "400 networks of mnist1d, trained for 10 epochs and for 2: no download and no waiting, "
            "to try out searches, comparisons, limits and low fidelities"
        ),
        origin=Origin(
            source="trained and measured by OptiProxy (scripts/mnist1d_table.py)",
            licence="Apache-2.0",
            citation="Greydanus and Kobak, MNIST-1D, ICML 2024, https://arxiv.org/abs/2011.14439",
        ),
    )


def _rows(pool: Pool, epochs: int) -> ParquetRows:
    return ParquetRows(
        pool,
        file,
        key=("architecture",),
        one_per_choice=False,
        columns={
            "val_accuracy": f"val_accuracy_{epochs}_epochs",
            "test_accuracy": f"test_accuracy_{epochs}_epochs",
            "params": "params",
            "flops": "flops",
            "latency_ms": "latency_ms",
            "train_seconds": f"train_seconds_{epochs}_epochs",
        },
        sha256=None,
        rows=None,
    )
