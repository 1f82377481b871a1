"""Models of LightGBM without LightGBM: the text that its boosters are saved and pickled as.

Lines of ``key=value``: first what holds for the model, then a block for each tree, from ``Tree=0``
on, then ``end of trees``; what follows (importances, parameters) is not needed. A tree of n leaves
has n - 1 inner nodes; a child is an inner node's number or, negative, the complement of a leaf's.
A leaf's value has the learning rate in it, and the first tree's have the mean. Layout and rules:
microsoft/LightGBM at v2.3.1, src/boosting/gbdt_model_text.cpp, src/io/tree.cpp, and
include/LightGBM/tree.h (NumericalDecision).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import within
from optiproxy.tables.originals._trees import Model, Tree, checked

_END = "\nend of trees"
_NEXT = "\nTree="
# Of a node's decision: whether it is one between categories, and what counts as missing.
_CATEGORICAL, _MISSING, _ZERO = 1, 0b1100, 0b0100
# What must hold for a model that predicts the plain sum of its trees.
_PLAIN = {
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "objective": "regression",
}


def read(text: str, best_iteration: int = 0) -> Model:
    """The model in a booster's text; thresholds and leaves in double precision.

    LightGBM goes left at ``value <= threshold``, and `Tree` at ``value < threshold``: here each
    threshold is the next larger double, which is the same for every value.

    Args:
        text: What ``Booster.model_to_string`` returns.
        best_iteration: How many trees predict, as the booster says; all if not positive.

    Raises:
        DataError: It is cut short, altered, no regression, or splits in a way that is not read.
    """
    content, end, _ = text.partition(_END)
    if not content.startswith("tree\n"):
        raise DataError("it is no model of LightGBM in its text layout")
    if not end:
        raise DataError("the model is cut short")
    head, *blocks = content.split(_NEXT)
    settings = _entries(head)
    for key, wanted in _PLAIN.items():
        if settings.get(key) != wanted:
            raise DataError(f"its {key} is {settings.get(key)!r}; only {wanted!r} is read")
    if "average_output" in settings:
        raise DataError("its trees are averaged (a random forest), and only a sum is read")
    sizes = settings.get("tree_sizes", "").split()
    if not blocks or len(sizes) != len(blocks):
        raise DataError(f"it is cut short or altered: {len(blocks)} of {len(sizes)} trees")
    trees = [_tree(number, block) for number, block in enumerate(blocks)]
    return Model(0.0, trees[: best_iteration if best_iteration > 0 else None])


def _entries(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.split("\n"))
    return {key: value for key, _, value in pairs if key}


def _tree(number: int, block: str) -> Tree:
    first, _, rest = block.partition("\n")
    if first != str(number):
        raise DataError(f"it is altered: tree {first!r} is where tree {number} should be")
    entries = _entries(rest)
    with within(fault=f"tree {number} is altered"):
        try:
            return _read(number, entries)
        except KeyError as error:
            raise DataError(f"tree {number} is cut short: it has no {error.args[0]}") from None


def _read(number: int, entries: Mapping[str, str]) -> Tree:
    leaves = _numbers(entries, "leaf_value", np.float64)
    if len(leaves) != int(entries["num_leaves"]):
        raise DataError(f"tree {number} is cut short: it has not all leaves")
    if entries.get("is_linear", "0") != "0":
        raise DataError(f"tree {number} has linear models in its leaves, which are not read")
    if len(leaves) == 1:
        # Nothing else is written of a tree without a split, or nothing but empty lists.
        entries = {**dict.fromkeys(_SPLITS, ""), "leaf_value": entries["leaf_value"]}
    feature = _numbers(entries, "split_feature", np.int64)
    threshold = _numbers(entries, "threshold", np.float64)
    decision = _numbers(entries, "decision_type", np.int64)
    children = [_numbers(entries, side, np.int64) for side in ("left_child", "right_child")]
    inner = len(leaves) - 1
    if {len(part) for part in (feature, threshold, decision, *children)} != {inner}:
        raise DataError(f"tree {number} is cut short: it has not all splits")
    if (decision & _CATEGORICAL).any():
        raise DataError(f"tree {number} splits on categories, which is not read")
    if ((decision & _MISSING) == _ZERO).any():
        raise DataError(f"tree {number} takes 0 for missing, which is not read")
    if not (np.isfinite(leaves).all() and np.isfinite(threshold).all()):
        raise DataError(f"tree {number} is altered: a threshold or leaf is no finite number")
    # Inner nodes first, then the leaves; each but the root must be somebody's child, once.
    places = [np.where(child < 0, inner + ~child, child) for child in children]
    if sorted(np.concatenate(places).tolist()) != list(range(1, inner + len(leaves))):
        raise DataError(f"tree {number} is none: one of its nodes leads nowhere")
    no_child = np.full(len(leaves), -1)
    return checked(
        number,
        Tree(
            np.concatenate([feature, no_child]),
            np.concatenate([np.nextafter(threshold, np.inf), leaves]),
            *(np.concatenate([place, no_child]) for place in places),
        ),
    )


_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")


def _numbers(entries: Mapping[str, str], key: str, kind: type[Any]) -> NDArray[Any]:
    return np.array(entries[key].split(), dtype=kind)
