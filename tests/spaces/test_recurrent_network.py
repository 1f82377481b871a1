"""NAS-Bench-NLP's cells as modules: what a recipe computes, published numbers of parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyarrow import parquet
from torch import nn

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Recurrent

SPACE = Recurrent()
WORDS, EMBEDDING, HIDDEN = 33_278, 400, 600  # WikiText-2, and the benchmark's settings


def _cell(recipe: dict[str, Any], inputs: int = 3, width: int = 4) -> nn.Module:
    return SPACE.build(SPACE.architecture(json.dumps(recipe)), inputs=inputs, width=width)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


LSTM = {
    **{gate: {"op": "linear", "input": ["x", "h_prev_0"]} for gate in ("i", "f", "o", "c")},
    **{f"{gate}_": {"op": "activation_sigm", "input": [gate]} for gate in ("i", "f", "o")},
    "c_": {"op": "activation_tanh", "input": ["c"]},
    "kept": {"op": "elementwise_prod", "input": ["f_", "h_prev_1"]},
    "new": {"op": "elementwise_prod", "input": ["i_", "c_"]},
    "h_new_1": {"op": "elementwise_sum", "input": ["kept", "new"]},
    "out": {"op": "activation_tanh", "input": ["h_new_1"]},
    "h_new_0": {"op": "elementwise_prod", "input": ["o_", "out"]},
}


def test_the_recipe_of_an_lstm_is_torch_s_lstm() -> None:
    cell, theirs = _cell(LSTM), nn.LSTMCell(3, 4)
    linear = [name for name, op, _ in cell.steps if op == "linear"]
    # Which of the linear nodes is which gate is read off the node that reads it.
    reader = {read[0]: (name, op) for name, op, read in cell.steps if read[0] in linear}
    product = {source: name for name, op, read in cell.steps if "prod" in op for source in read}
    cell_gate = next(node for node in linear if reader[node][1] == "activation_tanh")
    kept = next(name for name, _, read in cell.steps if "h_prev_1" in read)
    gate = {"c": cell_gate}
    for node in linear:
        if node == cell_gate:
            continue
        target = product[reader[node][0]]
        gate["o" if target == "h_new_0" else "f" if target == kept else "i"] = node
    with torch.no_grad():
        for number, name in enumerate("ifco"):  # torch's order
            rows = slice(4 * number, 4 * number + 4)
            ours = cell.linear[gate[name]]
            ours.weight.copy_(torch.cat([theirs.weight_ih[rows], theirs.weight_hh[rows]], 1))
            ours.bias.copy_(theirs.bias_ih[rows] + theirs.bias_hh[rows])
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    states, (h, c) = None, (torch.zeros(2, 4), torch.zeros(2, 4))
    for step in x:
        output, states = cell(step, states)
        h, c = theirs(step, (h, c))
    torch.testing.assert_close(output, h)
    torch.testing.assert_close(states[0], h)
    torch.testing.assert_close(states[1], c)


def test_blends_and_linear_maps_of_three() -> None:
    recipe = {
        "f": {"op": "linear", "input": ["x", "h_prev_0", "h_prev_0"]},
        "g": {"op": "activation_leaky_relu", "input": ["f"]},
        "h_new_0": {"op": "blend", "input": ["g", "h_prev_0", "f"]},
    }
    cell = _cell(recipe)
    assert _parameters(cell) == (3 + 4 + 4) * 4 + 4
    x, h = torch.randn(2, 3), torch.randn(2, 4)
    f = cell.linear["node_1"](torch.cat([x, h, h], 1))
    g = nn.functional.leaky_relu(f)
    torch.testing.assert_close(cell(x, [h])[0], g * h + (1 - g) * f)


def test_every_operation_runs_and_every_weight_gets_a_gradient() -> None:
    used = set()
    for arch in SPACE.sample(40, seed=0):
        cell = SPACE.build(arch, inputs=6, width=6)
        used |= {op for _, op, _ in cell.steps}
        states = None
        for word in torch.randn(3, 2, 6, generator=torch.Generator().manual_seed(1)):
            output, states = cell(word, states)
        assert output.shape == (2, 6)
        assert [state.shape for state in states] == [(2, 6)] * cell.states
        assert cell.states == sum(arch[f"h_new_{j}"] is not None for j in range(3))
        if any(op == "linear" for _, op, _ in cell.steps):
            sum(state.sum() for state in states).backward()
        assert all(weight.grad is not None for weight in cell.parameters())
    published = {"linear", "blend", "elementwise_sum", "elementwise_prod"}
    assert used == published | {f"activation_{a}" for a in ("tanh", "sigm", "leaky_relu")}


def test_equal_cells_compute_the_same() -> None:
    """In the canonical form other names, the same numbers: where no map has two inputs to sort."""
    rows = SPACE.random_indices(60, np.random.default_rng(2))
    pairs = zip(SPACE.from_indices(rows), SPACE.from_indices(SPACE.canonical(rows)), strict=True)
    for arch, canonical in pairs:
        cells = [SPACE.build(a, inputs=5, width=5) for a in (arch, canonical)]
        assert _parameters(cells[0]) == _parameters(cells[1])
        for cell in cells:
            for weight in cell.parameters():
                nn.init.constant_(weight, 0.1)
        words = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(3))
        outputs = []
        for cell in cells:
            states = None
            for word in words:
                output, states = cell(word, states)
            outputs.append(output)
        torch.testing.assert_close(*outputs)


def test_language_models_have_the_published_parameters(published: Path) -> None:
    """Three cells between an embedding and a classifier that shares its weights; all 345 agree."""
    columns = ["recipe", "num_params"]
    table = parquet.read_table(published / "nasbench_nlp_wikitext2.parquet", columns=columns)
    widths = ((EMBEDDING, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, EMBEDDING))
    for row in table.to_pylist()[::12]:
        arch = SPACE.architecture(row["recipe"])
        with torch.device("meta"):
            cells = [SPACE.build(arch, inputs=i, width=w) for i, w in widths]
        total = WORDS * EMBEDDING + WORDS + sum(map(_parameters, cells))
        assert total == row["num_params"]


def test_an_input_that_is_read_as_it_is_must_be_as_wide_as_the_states() -> None:
    recipe = {
        "f": {"op": "elementwise_sum", "input": ["x", "h_prev_0"]},
        "h_new_0": {"op": "activation_tanh", "input": ["f"]},
    }
    with pytest.raises(InvalidValueError, match="build: width: got 4; give width=3 too: node_1"):
        _cell(recipe)
    assert _cell(recipe, 4, 4)(torch.ones(2, 4))[0].shape == (2, 4)
