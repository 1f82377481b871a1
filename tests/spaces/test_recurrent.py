"""Recurrent: NAS-Bench-NLP's recipes both ways, and what can be trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Recurrent

SPACE = Recurrent()
GRU_LIKE = {
    "z": {"op": "linear", "input": ["x", "h_prev_0"]},
    "h_new_0": {"op": "blend", "input": ["z_act", "h_prev_0", "c"]},
    "z_act": {"op": "activation_sigm", "input": ["z"]},
    "c": {"op": "activation_tanh", "input": ["z"]},
}


def test_a_recipe_in_any_order_is_read_and_written() -> None:
    arch = SPACE.architecture(json.dumps(GRU_LIKE))
    assert arch["h_new_0"] == "node_4"
    assert arch["h_new_1"] is None
    assert SPACE.recipe(arch) == {
        "node_1": {"op": "linear", "input": ["x", "h_prev_0"]},
        "node_2": {"op": "activation_sigm", "input": ["node_1"]},
        "node_3": {"op": "activation_tanh", "input": ["node_1"]},
        "h_new_0": {"op": "blend", "input": ["node_2", "h_prev_0", "node_3"]},
    }
    assert SPACE.architecture(json.dumps(SPACE.recipe(arch))) == arch
    assert SPACE.picture(arch).splitlines()[-1] == "h_new_0 = blend(node_2, h_prev_0, node_3)"


def _without_names(recipe: dict[str, Any]) -> dict[str, Any]:
    """Each node as the whole expression it stands for; equal for recipes that differ in names."""

    def expression(name: str) -> Any:
        node = recipe.get(name)
        return name if node is None else [node["op"], *(expression(i) for i in node["input"])]

    return {name: expression(name) for name in ("h_new_0", "h_new_1", "h_new_2") if name in recipe}


@pytest.mark.slow
def test_every_published_recipe_goes_there_and_back(published: Path) -> None:
    """The 345 runs have 291 different texts, of 277 cells that differ in more than names."""
    from pyarrow import parquet

    table = parquet.read_table(published / "nasbench_nlp_wikitext2.parquet", columns=["recipe"])
    texts = sorted(set(table["recipe"].to_pylist()))
    archs = [SPACE.architecture(text) for text in texts]
    for arch, text in zip(archs, texts, strict=True):
        theirs, ours = json.loads(text), SPACE.recipe(arch)
        assert len(ours) == len(theirs)
        assert _without_names(ours) == _without_names(theirs)
        assert SPACE.architecture(json.dumps(ours)) == arch
    assert (len(texts), len(set(archs))) == (291, 277)


def test_the_canonical_form_sorts_out_names_order_and_what_is_not_needed() -> None:
    renamed = {
        "q": {"op": "activation_tanh", "input": ["p"]},
        "p": {"op": "linear", "input": ["h_prev_0", "x"]},
        "unused": {"op": "activation_tanh", "input": ["x"]},
        "r": {"op": "activation_sigm", "input": ["p"]},
        "h_new_0": {"op": "blend", "input": ["r", "h_prev_0", "q"]},
    }
    swapped = {**renamed, "h_new_0": {"op": "blend", "input": ["r", "q", "h_prev_0"]}}
    rows = SPACE.to_indices(
        [SPACE.architecture(json.dumps(r)) for r in (GRU_LIKE, renamed, swapped)]
    )
    canonical = SPACE.canonical(rows)
    np.testing.assert_array_equal(canonical[0], canonical[1])
    assert (canonical[0] != canonical[2]).any()  # a blend's inputs have an order
    assert len(SPACE.recipe(SPACE.from_indices(canonical)[1])) == 4


def test_canonical_rows_compute_what_the_rows_do() -> None:
    space = Recurrent(nodes=6, hidden=2)
    rows = space.random_indices(200, np.random.default_rng(0))
    pairs = zip(space.from_indices(rows), space.from_indices(space.canonical(rows)), strict=True)
    for arch, canonical in pairs:
        assert _sorted(_without_names(space.recipe(arch))) == _sorted(
            _without_names(space.recipe(canonical))
        )


def _sorted(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _sorted(value) for name, value in node.items()}
    if not isinstance(node, list):
        return node
    inner = [_sorted(part) for part in node[1:]]
    return [node[0], *(inner if node[0] == "blend" else sorted(inner, key=str))]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"h_new_1": {"op": "activation_tanh", "input": ["x"]}}, "h_new_0 is missing"),
        ({"h_new_0": {"op": "tanh", "input": ["x"]}}, "no operation 'tanh' of 1"),
        ({"h_new_0": {"op": "linear", "input": ["x"]}}, "no operation 'linear' of 1"),
        ({"h_new_0": {"op": "activation_tanh", "input": ["y"]}}, "reads 'y', which does not exist"),
        ({"h_new_0": {"op": "activation_tanh", "input": ["h_new_0"]}}, "a cycle among h_new_0"),
        ({"h_new_0": {"op": "activation_tanh"}}, "needs a list of names"),
        ({"h_new_0": {"op": "activation_tanh", "input": ["h_prev_0"]}}, "does not allow"),
        ({"h_new_0": {"op": "linear", "input": ["x", "h_prev_1"]}}, "does not allow"),
        ({f"n{i}": {"op": "activation_tanh", "input": ["x"]} for i in range(16)}, "has 16 nodes"),
    ],
    ids=range(9),
)
def test_a_broken_recipe_is_reported(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        SPACE.architecture(json.dumps(recipe))


def test_bad_numbers_are_reported_together() -> None:
    with pytest.raises(InvalidValueError, match=r"nodes: got 0; .*hidden: got True"):
        Recurrent(nodes=0, hidden=True)
    with pytest.raises(InvalidValueError, match="each state is a different one of the 2 nodes"):
        Recurrent(nodes=2, hidden=3)
