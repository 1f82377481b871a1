"""Boosted trees, as the models of xgboost and of LightGBM both come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError

# The features' numbers are stored in 16 bits.
_FEATURES = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Tree:
    """One tree. In a leaf `left` and `right` are -1, and `value` is what it predicts.

    Attributes:
        feature: (nodes,), what an inner node splits on; -1 in a leaf.
        value: (nodes,), below which the left child is taken.
        left: (nodes,).
        right: (nodes,).
    """

    feature: NDArray[np.int64]
    value: NDArray[Any]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """An ensemble of trees whose predictions are added to `base_score`."""

    base_score: float
    trees: list[Tree]


def checked(number: int, tree: Tree) -> Tree:
    """The tree whose nodes with a negative `left` are leaves, if every walk down it ends in one.

    Raises:
        DataError: A node leads nowhere, back, or splits on what no vector has.
    """
    size = len(tree.left)
    leaf = tree.left < 0
    here = np.arange(size)
    sound = size > 0 and len(tree.right) == len(tree.feature) == len(tree.value) == size
    if sound:
        # A child comes after its parent, so that every walk ends.
        for child in (tree.left, tree.right):
            sound &= bool((leaf | ((child > here) & (child < size))).all())
    if not sound:
        raise DataError(f"tree {number} is none: one of its nodes leads nowhere")
    feature = np.where(leaf, -1, tree.feature)
    if ((tree.feature < 0) & ~leaf).any() or feature.max() > _FEATURES:
        raise DataError(f"tree {number} is none: it splits on a feature that no vector has")
    return Tree(feature, tree.value, np.where(leaf, -1, tree.left), np.where(leaf, -1, tree.right))
