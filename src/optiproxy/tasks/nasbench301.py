"""NAS-Bench-301: the published XGBoost surrogate of DARTS cells on CIFAR-10.

A query is a prediction: the mean of the ensemble's members, in %, of the validation accuracy after
100 epochs (without the noise that the benchmark's own software may add). The surrogate's trees are
read from the authors' file; its features are those of the configuration space it was trained on:
the operation of each edge, and each node's pair of inputs; -1 for an edge that is not there.

Reference: Zela et al., Surrogate NAS Benchmarks, ICLR 2022, https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError
from optiproxy.spaces import DARTS_OPERATIONS, Architecture, Darts
from optiproxy.spaces.base import Indices
from optiproxy.tasks import data
from optiproxy.tasks._listed import read_columns
from optiproxy.tasks._parquet import _array
from optiproxy.tasks.base import Task
from optiproxy.tasks.origin import Origin

TABLE = "nasbench301_xgb"
FEATURES = 56
_TREE_COLUMNS = ("member", "node", "feature", "threshold", "left", "right", "base_score")

# Where features stand in the vector: hyper-parameters of the benchmark's configspace.json, those
# without conditions first, each part sorted by name ("edge_normal_10" before "edge_normal_2").
_CELLS = ("normal", "reduce")
_FIRST_EDGES = {"normal": 10, "reduce": 12}
_INPUTS = {"normal": 15, "reduce": 18}
_LATER_EDGES = {"normal": 32, "reduce": 44}
_LATER = sorted(range(2, 14), key=str)

_CITATION = "Zela et al., Surrogate NAS Benchmarks, ICLR 2022, https://arxiv.org/abs/2008.09777"


def edge_feature(cell: str, edge: int) -> int:
    """The place of an edge's operation; edges are numbered by node, then by input."""
    if edge < 2:
        return _FIRST_EDGES[cell] + edge
    return _LATER_EDGES[cell] + _LATER.index(edge)


def features(space: Darts, rows: Indices) -> NDArray[np.float32]:
    """The surrogate's vectors of architectures (B, C); (B, `FEATURES`).

    Places that no architecture changes (settings of the training) are 0.
    """
    out = np.zeros((len(rows), FEATURES), np.float32)
    b = np.arange(len(rows))
    # From our operations' numbers to the published ones.
    published = np.array([DARTS_OPERATIONS.index(op) for op in space.operations])
    for cell in _CELLS:
        for edge in range(14):
            out[:, edge_feature(cell, edge)] = -1
        edges = 0
        for node in range(4):
            sources = list(itertools.combinations(range(node + 2), 2))
            pairs = np.zeros(len(rows), np.int64)
            if node:
                pairs = rows[:, space.names.index(f"{cell}_inputs{node}")]
                out[:, _INPUTS[cell] + node - 1] = pairs
            place = np.array([[edge_feature(cell, edges + s) for s in pair] for pair in sources])
            for side, letter in enumerate("ab"):
                ops = rows[:, space.names.index(f"{cell}_op{node}{letter}")]
                out[b, place[pairs, side]] = published[ops]
            edges += node + 2
    return out


class Trees:
    """An ensemble of boosted trees, as `originals.nasbench301` writes it; all walked at once.

    Args:
        columns: Column → values, of the table's rows in their order.

    Raises:
        DataError: The trees split on what is no feature of an architecture.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        member, node = columns["member"], columns["node"]
        self._feature = columns["feature"].astype(np.int16)
        self._threshold = columns["threshold"].astype(np.float32)
        # A tree's nodes follow each other; its root is node 0.
        self._roots = np.flatnonzero(node == 0).astype(np.int32)
        here = np.arange(len(node), dtype=np.int32)
        leaf = self._feature < 0
        root = here - node.astype(np.int32)
        # A leaf leads to itself.
        self._left = np.where(leaf, here, root + columns["left"].astype(np.int32))
        self._right = np.where(leaf, here, root + columns["right"].astype(np.int32))
        self._member = member[self._roots]
        _, first = np.unique(self._member, return_index=True)
        self._base = columns["base_score"][self._roots[first]].astype(np.float64)
        used = set(np.flatnonzero(np.bincount(self._feature[~leaf])).tolist())
        searched = {edge_feature(c, e) for c in _CELLS for e in range(14)}
        searched |= {_INPUTS[c] + n for c in _CELLS for n in range(3)}
        if used - searched:
            raise DataError(
                f"its trees split on the features {sorted(used - searched)}, which are settings of "
                "the training and not of an architecture: another surrogate than the published one"
            )

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """The members' predictions for vectors (B, `FEATURES`); (B, members)."""
        rows = np.arange(len(x))[:, None]
        at = np.tile(self._roots, (len(x), 1))
        while True:
            feature = self._feature[at]
            inner = feature >= 0
            if not inner.any():
                break
            value = x[rows, np.where(inner, feature, 0)]
            left = value < self._threshold[at]
            at = np.where(inner, np.where(left, self._left[at], self._right[at]), at)
        leaves = self._threshold[at].astype(np.float64)
        sums = np.zeros((len(x), len(self._base)))
        for member in range(len(self._base)):
            sums[:, member] = leaves[:, self._member == member].sum(1)
        predictions: NDArray[np.float64] = sums + self._base
        return predictions


class Surrogate:
    """An evaluator: the ensemble's mean. Loads the trees when they are first needed."""

    def __init__(self, space: Darts) -> None:
        self.space = space
        self._trees: Trees | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_trees": None}

    def __call__(self, arch: Architecture) -> dict[str, float]:
        x = features(self.space, self.space.to_indices([arch]))
        return {"val_accuracy": float(self.load().predict(x).mean())}

    def load(self) -> Trees:
        """The trees, read once.

        Raises:
            DataError: They are missing, broken, or another surrogate's.
        """
        if self._trees is None:
            path = data.find(TABLE)
            table = read_columns(path, _TREE_COLUMNS)
            columns = {name: _column(table[name]) for name in _TREE_COLUMNS}
            try:
                self._trees = Trees(columns)
            except DataError as error:
                raise DataError(f"{path}: {error}") from None
        return self._trees


def _column(column: Any) -> NDArray[Any]:
    """A column without empty cells in its own type."""
    kinds: dict[str, type[np.generic]] = {"int16": np.int16, "int32": np.int32}
    kind = kinds.get(str(column.type), np.float32)
    return np.concatenate([_array(chunk, kind) for chunk in column.chunks])


def cifar10() -> Task:
    """NAS-Bench-301 on CIFAR-10."""
    space = Darts()
    surrogate = Surrogate(space)
    file = data.known(TABLE)
    return Task(
        "nb301-cifar10",
        space,
        surrogate,
        objectives={"val_accuracy": "max"},
        metrics=["val_accuracy"],
        prepare=surrogate.load,
        in_memory=True,
        description=(
            "NAS-Bench-301 on CIFAR-10: validation accuracy in % as its XGBoost surrogate predicts "
            "it, mean of the ensemble"
        ),
        origin=Origin(file.source, file.licence, _CITATION, TABLE),
    )
