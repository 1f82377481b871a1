"""Models of xgboost without xgboost: a JSON snapshot, or the binary layout of the versions 1.x.

A pickled booster holds one of the two. The binary one begins with ``CONFIG-offset:`` and the number
of bytes of the model; then come ``binf``, the parameters, the names of objective and booster, and
the trees, each as its parameters, nodes and statistics. All numbers are little-endian, texts have
their length before them. Layouts: dmlc/xgboost at v1.2.0, src/learner.cc (LearnerModelParamLegacy),
src/gbm/gbtree_model.h (GBTreeModelParam), include/xgboost/tree_model.h (TreeParam, Node, Stat).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import within
from optiproxy.tables.originals._trees import Model, Tree, checked

_CONFIG = b"CONFIG-offset:"
_BINARY = b"binf"
_NODE = np.dtype([("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"),
                  ("value", "<f4")])  # fmt: skip
_LEARNER, _MODEL, _TREE, _STATISTICS = 136, 160, 148, 16
# Of a node's split: the highest bit says where missing values go.
_FEATURE = 0x7FFFFFFF
# A model of more trees or nodes is a broken one.
_MOST = 10_000_000


def read(content: bytes) -> Model:
    """The model in a booster's buffer.

    Raises:
        DataError: It is cut short, in another layout, no regression, or has no trees.
    """
    with within(fault="it is cut short or no model of xgboost"):
        if content.startswith(_CONFIG):
            objective, booster, base, trees, weights = _binary(content[len(_CONFIG) + 8 :])
        elif content[:1] == b"{" and content[1:2] in (b'"', b" ", b"\n"):
            objective, booster, base, trees, weights = _json(content)
        else:
            raise DataError(
                "the model is in a layout that is neither the binary one of xgboost 1.x nor JSON; "
                "load it in a trusted place and pickle it again with xgboost 1.2"
            )
    if booster not in ("gbtree", "dart"):
        raise DataError(f"a booster of the kind {booster!r} has no trees")
    if objective not in ("reg:squarederror", "reg:linear"):
        raise DataError(f"its objective is {objective!r}, not a regression's")
    if weights is not None and len(weights) != len(trees):
        raise DataError("its trees and their weights differ in number")
    trees = [checked(number, tree) for number, tree in enumerate(trees)]
    if weights is not None:
        trees = [_weighted(*pair) for pair in zip(trees, weights, strict=True)]
    return Model(base, trees)


_Parts = tuple[str, str, float, list[Tree], "list[float] | None"]


def _json(content: bytes) -> _Parts:
    snapshot = json.loads(content)
    learner = (snapshot.get("Model") or snapshot)["learner"]
    booster = learner["gradient_booster"]
    kind, weights = str(booster["name"]), None
    if kind == "dart":
        weights, booster = [float(w) for w in booster["weight_drop"]], booster["gbtree"]
    trees = [
        Tree(
            np.array(tree["split_indices"], np.int64),
            np.array(tree["split_conditions"], np.float32),
            np.array(tree["left_children"], np.int64),
            np.array(tree["right_children"], np.int64),
        )
        for tree in booster["model"]["trees"]
    ] if kind in ("gbtree", "dart") else []  # fmt: skip
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    return str(learner["objective"]["name"]), kind, base, trees, weights


def _binary(content: bytes) -> _Parts:
    reader = _Reader(content)
    if reader.take(len(_BINARY)) != _BINARY:
        raise DataError("the model is in an older layout than that of xgboost 1.x")
    base = float(np.frombuffer(reader.take(_LEARNER), "<f4", 1)[0])
    objective, booster = reader.text(), reader.text()
    trees: list[Tree] = []
    weights = None
    if booster in ("gbtree", "dart"):
        count = reader.number(_MODEL, 0)
        trees = [tree for _ in range(count) for tree in _tree(reader)]
        reader.take(4 * count)  # Each tree's group; a regression has one.
        if booster == "dart" and count:
            size = int(np.frombuffer(reader.take(8), "<u8")[0])
            if size != count:
                raise DataError("its trees and their weights differ in number")
            weights = np.frombuffer(reader.take(4 * count), "<f4").tolist()
    return objective, booster, base, trees, weights


def _tree(reader: _Reader) -> Iterator[Tree]:
    nodes = reader.number(_TREE, 1)
    found = np.frombuffer(reader.take(_NODE.itemsize * nodes), _NODE)
    reader.take(_STATISTICS * nodes)
    yield Tree(
        (found["split"] & _FEATURE).astype(np.int64),
        found["value"].copy(),
        found["left"].astype(np.int64),
        found["right"].astype(np.int64),
    )


class _Reader:
    """Bytes that are taken one after another."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, size: int) -> bytes:
        part = self._content[self._at : self._at + size]
        if len(part) < size:
            raise DataError("the model is cut short")
        self._at += size
        return part

    def number(self, size: int, place: int) -> int:
        """The integer at a place of a block of parameters: how many there are of something."""
        value = int(np.frombuffer(self.take(size), "<i4")[place])
        if not 0 <= value <= _MOST:
            raise DataError(f"the model is altered: {value} is no number of trees or nodes")
        return value

    def text(self) -> str:
        size = int(np.frombuffer(self.take(8), "<u8")[0])
        if size > 1000:
            raise DataError("the model is altered: a name is too long")
        return self.take(size).decode("ascii")


def _weighted(tree: Tree, weight: float) -> Tree:
    value = np.where(tree.left < 0, tree.value * np.float32(weight), tree.value)
    return Tree(tree.feature, value, tree.left, tree.right)
