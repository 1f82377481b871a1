"""NAS-Bench-301: the published surrogates of DARTS cells on CIFAR-10.

A query is a prediction: the mean of the XGBoost ensemble's members, in %, of the validation
accuracy after 100 epochs (without the noise that the benchmark's own software may add). Where the
LightGBM ensemble of run times is here too, its mean is ``train_seconds``: the seconds of that
training on the benchmark's GPUs. The trees are read from the authors' files; their features are
those of the configuration space that both were trained on: the operation of each edge, and each
node's pair of inputs; -1 for an edge that is not there.

Reference: Zela et al., Surrogate NAS Benchmarks, ICLR 2022, https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.errors import DataError
from optiproxy.spaces import DARTS_OPERATIONS, Architecture, Darts
from optiproxy.spaces.architecture import Indices
from optiproxy.tables import store
from optiproxy.tables.arrow import buffers, read_columns
from optiproxy.tasks.origin import Origin
from optiproxy.tasks.task import Task

TABLE = "nasbench301_xgb"
RUNTIMES = "nasbench301_lgb_runtime"
SECONDS = "train_seconds"
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
        # Single precision in xgboost, double in LightGBM, as the libraries themselves compare.
        self._threshold = columns["threshold"]
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


class Surrogate(ComputedOnce):
    """An evaluator: the ensembles' means. Loads the trees when they are first needed."""

    def __init__(self, space: Darts) -> None:
        self.space = space

    def __call__(self, arch: Architecture) -> dict[str, float]:
        x = features(self.space, self.space.to_indices([arch]))
        return {metric: float(t.predict(x).mean()) for metric, t in self._trees.items()}

    def load(self) -> None:
        """Reads the trees once: of accuracies, and of run times where they are here.

        Raises:
            DataError: The accuracies' are missing; or any are broken, or another surrogate's.
        """
        _ = self._trees

    def load_seconds(self) -> None:
        """Reads the trees once, those of run times too.

        Raises:
            DataError: Any are missing, broken, or another surrogate's.
        """
        if SECONDS not in self._trees:
            self._trees[SECONDS] = _read(RUNTIMES)

    @cached_property
    def _trees(self) -> dict[str, Trees]:
        trees = {"val_accuracy": _read(TABLE)}
        if store.status(RUNTIMES).path is not None:
            trees[SECONDS] = _read(RUNTIMES)
        return trees


class Predicted(Task):
    """The task of a `Surrogate`, whose run times must be here only if the search asks for them."""

    def prepare(self) -> None:
        super().prepare()
        if SECONDS in self.needed and isinstance(self.evaluator, Surrogate):
            self.evaluator.load_seconds()


def _read(table: str) -> Trees:
    path = store.find(table)
    columns = read_columns(path, _TREE_COLUMNS)
    try:
        return Trees({name: _column(columns[name]) for name in _TREE_COLUMNS})
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _column(column: Any) -> NDArray[Any]:
    """A column without empty cells in its own type."""
    kinds: dict[str, type[np.generic]] = {
        "int16": np.int16, "int32": np.int32, "double": np.float64,
    }  # fmt: skip
    kind = kinds.get(str(column.type), np.float32)
    return buffers(column, kind)


def cifar10() -> Task:
    """NAS-Bench-301 on CIFAR-10."""
    space = Darts()
    surrogate = Surrogate(space)
    file = store.known(TABLE)
    return Predicted(
        "nb301-cifar10",
        space,
        surrogate,
        objectives={"val_accuracy": "max"},
        metrics=["val_accuracy", SECONDS],
        prepare=surrogate.load,
        in_memory=True,
        description=(
            "NAS-Bench-301 on CIFAR-10: validation accuracy in % as its XGBoost surrogate predicts "
            "it, mean of the ensemble; where the one of run times is here, seconds of training"
        ),
        origin=Origin(file.source, file.licence, _CITATION, TABLE),
    )
