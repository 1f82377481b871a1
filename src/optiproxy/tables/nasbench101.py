"""NAS-Bench-101 on CIFAR-10: its whole table, and a small sample.

The whole table is made from the authors' own file (``optiproxy data fetch nasbench101``).
Accuracies are in %, after 108 epochs, means over three trainings; the objective is that of the
validation images, that of the test images is only reported. A graph is looked up by the published
hash, so that every numbering of it finds its row.

The sample of 143 rows (97 different graphs, averaged) does not say whether its accuracy is of the
validation or the test images, nor of which training: it is for trying things out.

Reference: Ying et al., NAS-Bench-101, ICML 2019, https://arxiv.org/abs/1902.09635.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.errors import DataError, EvaluationFailed
from optiproxy.spaces import NB101_OPERATIONS, Architecture, Graph, Pool, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.tables import store
from optiproxy.tables.arrow import buffers, floats, read_columns
from optiproxy.tables.averaged_rows import AveragedRows
from optiproxy.tables.benchmark import benchmark
from optiproxy.tables.table import Table

TABLE, SAMPLE = "nasbench101", "nb101_sample"
GRAPHS = 97
EPOCHS = 108

_CITATION = "Ying et al., NAS-Bench-101, ICML 2019, https://arxiv.org/abs/1902.09635"
_COLUMNS = {
    "val_accuracy": "val_accuracy",
    "test_accuracy": "test_accuracy",
    "params": "params",
    "train_seconds": "train_seconds",
}


def space() -> Graph:
    """Seven vertices, at most nine edges, three operations.

    >>> space().names[-1]
    'op5'
    """
    return Graph(7, NB101_OPERATIONS, max_edges=9)


def cifar10() -> Table:
    """NAS-Bench-101 on CIFAR-10, all 423,624 graphs."""
    graph = space()
    return benchmark(
        TABLE,
        graph,
        HashedRows(graph, TABLE, EPOCHS, _COLUMNS),
        name="nb101-cifar10",
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        description=(
            "NAS-Bench-101 on CIFAR-10, 423,624 graphs: accuracy in % after 108 epochs, mean of "
            "3 trainings; parameters, training seconds"
        ),
        citation=_CITATION,
    )


def sample() -> Table:
    """A random sample of NAS-Bench-101."""
    rows = AveragedRows(
        space(),
        SAMPLE,
        key=["adjacency_bits", "op1", "op2", "op3", "op4", "op5"],
        read=_from_bits,
        columns={
            "accuracy": "cifar10_accuracy_108_epochs",
            "accuracy_36_epochs": "cifar10_accuracy_36_epochs",
            "accuracy_12_epochs": "cifar10_accuracy_12_epochs",
        },
        count=GRAPHS,
    )
    return benchmark(
        SAMPLE,
        Pool(rows.space, rows),
        rows,
        name="nb101-sample",
        objectives={"accuracy": "max"},
        description=(
            "NAS-Bench-101 on CIFAR-10, a random sample: accuracy in % after 108 epochs (its "
            "source does not say of which images or training), and after 36 and 12"
        ),
        citation=_CITATION,
    )


def _from_bits(keys: Mapping[str, list[Any]], graph: Space) -> Indices:
    """The upper triangle as a text of 0 and 1, and five operations; canonical, (rows, C)."""
    bits, *operations = keys.values()
    edges = np.array([[int(bit) for bit in text] for text in bits], dtype=np.int64)
    number = {operation: i for i, operation in enumerate(NB101_OPERATIONS)}
    ops = np.array([[number[op] for op in column] for column in operations], dtype=np.int64).T
    return graph.canonical(np.concatenate([edges, ops], axis=1))


class HashedRows(ComputedOnce):
    """Rows that are found by NAS-Bench-101's hash of a graph, in whatever numbering it is.

    Args:
        space: Has the hash.
        table: A name of `store.known_tables`.
        epochs: Of the trainings that are looked up.
        columns: Metric → column.
    """

    def __init__(self, space: Graph, table: str, epochs: int, columns: Mapping[str, str]) -> None:
        self._space = space
        self._table = table
        self._columns = dict(columns)
        self._epochs = epochs

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def one_per_network(self) -> bool:
        """False: rows are found by the hash of their graph, not by `Space.canonical`."""
        return False

    def __call__(self, arch: Architecture) -> dict[str, float]:
        hashes, values = self._tables
        digest = self._space.hash(arch)
        high, low = np.frombuffer(bytes.fromhex(digest), ">u8").astype(np.uint64)
        # The first half of a hash is nearly always one row's; the second one decides.
        near = np.flatnonzero(hashes[:, 0] == high)
        rows = near[hashes[near, 1] == low]
        if not len(rows):
            raise EvaluationFailed(f"the table has no graph with the hash {digest}")
        return {metric: float(column[rows[0]]) for metric, column in values.items()}

    def load(self, epochs: int | None = None) -> None:
        _ = self._tables

    def values(self) -> dict[str, NDArray[np.float64]]:
        return self._tables[1]

    @cached_property
    def _tables(self) -> tuple[NDArray[np.uint64], dict[str, NDArray[np.float64]]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        path = store.find(self._table)
        table = read_columns(path, ("epochs", "hash_high", "hash_low", *self._columns.values()))
        table = table.filter(pc.equal(table["epochs"], self._epochs)).combine_chunks()
        if not len(table):
            raise DataError(f"{path}: no graph was trained for {self._epochs} epochs")
        halves = [
            buffers(table[half].cast(pa.uint64()), np.uint64) for half in ("hash_high", "hash_low")
        ]
        values = {metric: floats(table[name]) for metric, name in self._columns.items()}
        return np.stack(halves, axis=1), values
