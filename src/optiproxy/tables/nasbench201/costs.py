"""More of NAS-Bench-201: the training of 12 epochs, single trainings, and costs.

- ``nb201-12epochs-*``: the separate training of 12 epochs with a schedule of its own (not epoch 12
  of the long one), one seed.
- ``nb201-runs-*``: one training of 200 epochs, drawn by the study's seed and the architecture from
  the two or three that were measured: a search under the noise of training. On CIFAR-10 it is the
  validation accuracy; on the others that of the validation and test images together, which is all
  that is known of single trainings.
- ``nb201-costs-*``: the accuracies of the ``nb201-*`` tasks, short trainings included, with
  parameters, training seconds and two scores that need no training (NASWOT, LogSynflow; higher is
  better). An epoch of a short training takes as long as one of the full training.

Reference: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.spaces import Architecture, Cell
from optiproxy.tables import store
from optiproxy.tables.arrow import buffers, floats, read_columns
from optiproxy.tables.benchmark import benchmark, cell_numbers, rows_of
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.joined_rows import JoinedRows
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.nasbench201.cell import DATA_SETS, FULL, SHORT
from optiproxy.tables.table import Table
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.task import Task

RUNS, COSTS = "nb201_seed_runs", "nb201_cost_proxies"

#: The mean of all trainings of a cell.
MEAN = "mean_accuracy"


def twelve_epochs(data_set: str) -> Table:
    """NAS-Bench-201 after the training of 12 epochs."""
    return benchmark(
        cell.SHORT_TABLE,
        cell.space(),
        cell.accuracies(data_set, SHORT),
        name=cell.name("nb201-12epochs", data_set),
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=cell.build(data_set),
        description=(
            f"NAS-Bench-201 on {DATA_SETS[data_set]}: accuracy in % after the training of 12 "
            "epochs, one seed"
        ),
        citation=cell.CITATION,
        family="nb201-12epochs",
    )


def costs(data_set: str) -> Table:
    """NAS-Bench-201 with costs, and scores that need no training."""
    columns = {
        "params_m": f"{data_set}_params_m",
        "train_seconds": f"{data_set}_search_train_seconds_200_epochs",
        "naswot": f"{data_set}_naswot",
        "logsynflow": f"{data_set}_logsynflow",
    }
    if data_set == "cifar100":  # The others' FLOPs are not in the table.
        columns["flops_m"] = "cifar100_flops_m"

    def trained(epochs: int) -> JoinedRows:
        scale = {"train_seconds": epochs / FULL}
        return JoinedRows(
            cell.accuracies(data_set, epochs), rows_of(COSTS, cell.space(), columns, scale=scale)
        )

    return benchmark(
        (cell.TABLE, COSTS),
        cell.space(),
        FidelityRows(trained(FULL), FULL, {SHORT: trained(SHORT)}),
        name=cell.name("nb201-costs", data_set),
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=cell.build(data_set),
        description=(
            f"NAS-Bench-201 on {DATA_SETS[data_set]}: accuracy in % after 200 epochs, mean over "
            "seeds; parameters in millions, seconds of training, NASWOT, LogSynflow"
        ),
        citation=cell.CITATION,
        family="nb201-costs",
    )


def runs(data_set: str) -> Task:
    """NAS-Bench-201, one training of each query."""
    metric = "val_accuracy" if data_set == "cifar10" else "valtest_accuracy"
    single = SingleRuns(cell.space(), f"{data_set}_{metric}", metric)
    images = "validation" if data_set == "cifar10" else "validation and test"
    file = store.known(RUNS)
    return Task(
        cell.name("nb201-runs", data_set),
        single.space,
        single,
        objectives={metric: "max"},
        metrics=[metric, MEAN],
        reported=[MEAN],
        noise="repeat",
        noiseless=MEAN,
        build=cell.build(data_set),
        prepare=single.load,
        in_memory=True,
        description=(
            f"NAS-Bench-201 on {DATA_SETS[data_set]}: accuracy in % on the {images} images after "
            "200 epochs, of one training that the seed draws; the mean of all is reported"
        ),
        origin=Origin(
            file.source, file.licence, cell.CITATION, f"{RUNS}, {cell.TABLE}", "nb201-runs"
        ),
    )


class SingleRuns(ComputedOnce):
    """An evaluator: the accuracy of one of a cell's trainings, drawn by `seed`, and their mean.

    Args:
        space: NAS-Bench-201's.
        column: Of the table of single trainings.
        metric: What it is called.
    """

    def __init__(self, space: Cell, column: str, metric: str) -> None:
        self.space = space
        self._column, self._metric = column, metric
        # Single trainings are listed by a cell's number; the other table says which cell that is.
        self._numbers = cell_numbers(cell.TABLE, space)

    def __call__(self, arch: Architecture, *, seed: int) -> dict[str, float]:
        starts, values = self._tables
        number = int(self._numbers(arch)["number"])
        trainings = values[starts[number] : starts[number + 1]]
        return {
            self._metric: float(trainings[seed % len(trainings)]),
            MEAN: float(trainings.mean()),
        }

    def optimum(self) -> float:
        """The best mean of a cell's trainings."""
        starts, values = self._tables
        counts = np.diff(starts)
        sums = np.add.reduceat(values, starts[:-1][counts > 0])
        return float((sums / counts[counts > 0]).max())

    def load(self) -> None:
        """Reads both tables, once.

        Raises:
            DataError: One is missing or broken.
        """
        self._numbers.load()
        _ = self._tables

    @cached_property
    def _tables(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Where each cell's trainings begin, (cells + 1,), and all trainings by cell."""
        import pyarrow as pa

        table = read_columns(store.find(RUNS), ("arch_index", self._column))
        numbers = buffers(table["arch_index"].cast(pa.int64()), np.int64)
        values = floats(table[self._column])
        order = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[order], np.arange(numbers.max() + 2))
        return starts.astype(np.int64), values[order]
