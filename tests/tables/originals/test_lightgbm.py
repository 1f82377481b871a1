"""The text of a model that LightGBM 2.3.1 wrote, and what may be wrong with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optiproxy.errors import DataError
from optiproxy.tables.originals._lightgbm import read
from optiproxy.tables.originals._trees import Model

TEXT = (Path(__file__).parent / "lightgbm-2.3.1.txt").read_text("utf-8")
# Features 12, 15, 40, and what LightGBM 2.3.1 predicted for them.
PREDICTED = [
    ((5, 5, 6), 4719.728637028679),
    ((5, 3, 0), 4813.510889591445),
    ((5, 1, 2), 4813.510889591445),
    ((1, 4, -1), 4204.275167660718),
    ((-1, 5, 6), 3995.4791681677957),
]


def walk(model: Model, vector: np.ndarray) -> float:
    total = model.base_score
    for tree in model.trees:
        node = 0
        while tree.feature[node] >= 0:
            goes_left = vector[tree.feature[node]] < tree.value[node]
            node = (tree.left if goes_left else tree.right)[node]
        total += tree.value[node]
    return float(total)


def test_predictions_are_lightgbm_s() -> None:
    model = read(TEXT)
    assert [len(tree.feature) for tree in model.trees] == [9, 9, 9]
    for values, expected in PREDICTED:
        vector = np.zeros(56)
        vector[[12, 15, 40]] = values
        assert walk(model, vector) == pytest.approx(expected, rel=1e-15)


def test_a_value_on_the_threshold_goes_left() -> None:
    text = TEXT.replace("threshold=2.5000000000000004 ", "threshold=3 ", 1)
    tree = read(text).trees[0]
    # Left is below the value: 3 is, the next double is not.
    assert tree.value[0] == np.nextafter(3.0, 4)


def test_the_best_iteration_s_trees_and_a_tree_of_one_leaf() -> None:
    assert len(read(TEXT, best_iteration=2).trees) == 2
    assert len(read(TEXT, best_iteration=-1).trees) == 3
    begin, end = TEXT.index("\nTree=1") + len("\nTree=1\n"), TEXT.index("\n\n\nTree=2")
    # The versions since 3 write empty lists.
    for lists in ("", "split_feature=\nthreshold=\nleft_child=\n"):
        text = f"{TEXT[:begin]}num_leaves=1\nnum_cat=0\n{lists}leaf_value=-2.5{TEXT[end:]}"
        tree = read(text).trees[1]
        assert (tree.feature.tolist(), tree.value.tolist()) == ([-1], [-2.5])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\n", "forest\n", "no model of LightGBM"),
        ("num_class=1", "num_class=3", "num_class is '3'; only '1'"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=2", "is '2'; only '1'"),
        ("objective=regression", "objective=regression sqrt", "'regression sqrt'; only 'regr"),
        ("objective=regression", "objective=poisson", "'poisson'; only 'regression'"),
        ("objective=regression\n", "", "objective is None"),
        ("label_index=0", "average_output", "averaged"),
        ("tree_sizes=545 551 550", "tree_sizes=545 551 550 560", "3 of 4 trees"),
        ("Tree=1", "Tree=2", "tree '2' is where tree 1 should be"),
        ("decision_type=2 2", "decision_type=2 1", "tree 0 splits on categories"),
        ("decision_type=2 2", "decision_type=2 6", "tree 0 takes 0 for missing"),
        ("shrinkage=1", "is_linear=1", "tree 0 has linear models"),
        ("num_leaves=5", "num_leaves=6", "has not all leaves"),
        ("num_leaves=5", "num_leaves=five", "tree 0 is altered"),
        ("num_leaves=5\n", "", "it has no num_leaves"),
        ("left_child=2 -2 -1 -4\n", "", "it has no left_child"),
        ("left_child=2 -2 -1 -4", "left_child=2 -2 -1", "has not all splits"),
        ("left_child=2 -2 -1 -4", "left_child=0 -2 -1 -4", "leads nowhere"),
        ("left_child=2 -2 -1 -4", "left_child=2 -2 2 -4", "leads nowhere"),
        ("left_child=2 -2 -1 -4", "left_child=2 -2 -1 -9", "leads nowhere"),
        ("left_child=2 -2 -1 -4", "left_child=2 -2 -1 99999999999999999999", "tree 0 is altered"),
        ("split_feature=12", "split_feature=40000", "splits on a feature that no vector has"),
        ("split_feature=12", "split_feature=-1", "splits on a feature that no vector has"),
        ("threshold=2.5", "threshold=nan 2.5", "has not all splits"),
        ("threshold=2.5000000000000004", "threshold=nan", "no finite number"),
        ("leaf_value=4227.3000472757085", "leaf_value=1e999", "no finite number"),
        ("leaf_value=4227.3000472757085", "leaf_value=__import__", "tree 0 is altered"),
    ],
)
def test_what_is_not_read_is_told(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(DataError, match=message):
        read(TEXT.replace(old, new, 1))


def test_every_truncation_is_told() -> None:
    end = TEXT.index("end of trees") + len("end of trees")
    assert len(read(TEXT[:end]).trees) == 3
    for size in range(end):
        with pytest.raises(DataError, match=r"cut short|no model of LightGBM"):
            read(TEXT[:size])
