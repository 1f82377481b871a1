"""The published networks: exact numbers of parameters, shapes, and gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pyarrow import parquet
from torch import nn

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import NB201_OPERATIONS, Cell, Macro

NB201 = Cell(4, NB201_OPERATIONS)


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("data_set", "classes"), [("cifar10", 10), ("cifar100", 100), ("imagenet16_120", 120)]
)
def test_nb201_networks_have_the_published_parameters(
    published: Path, data_set: str, classes: int
) -> None:
    """In 150 of the 15,625 rows the table is one convolution off, so that 1 of 12 may differ."""
    column = f"{data_set}_params_m"
    table = parquet.read_table(published / "nb201_cost_proxies.parquet", columns=["arch", column])
    rows = np.random.default_rng(classes).choice(15625, 12, replace=False)
    exact = 0
    for row in table.take(rows).to_pylist():
        network = NB201.build(NB201.architecture(row["arch"]), classes=classes)
        exact += _parameters(network) == round(row[column] * 1e6)
    assert exact >= 11


def test_nb201_network_of_a_documented_cell() -> None:
    """The first cell of the benchmark has 129,306 parameters on CIFAR-10, known without a table."""
    arch = NB201.architecture(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    assert _parameters(NB201.build(arch)) == 129_306


@pytest.mark.parametrize("operation", NB201_OPERATIONS)
def test_nb201_cells_of_one_operation_run_and_train(operation: str) -> None:
    arch = NB201.architecture(dict.fromkeys(NB201.choices, operation))
    network = NB201.build(arch, classes=7, channels=4, cells=1)
    y = network(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert y.shape == (2, 7)
    y.square().sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in gradients)
    assert gradients


def test_an_nb201_cell_adds_up_its_edges() -> None:
    """Against the definition: skips along all edges give each node the sum of those before it."""
    arch = NB201.architecture(dict.fromkeys(NB201.choices, "skip_connect"))
    cell = NB201.build(arch, channels=4, cells=1)[1]
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cell(x), 4 * x)  # 1, 1, 2, 4 times the input
    cut = NB201.architecture({**arch, "0>3": "none", "2>3": "none"})
    torch.testing.assert_close(NB201.build(cut, channels=4, cells=1)[1](x), x)


def test_operations_without_a_layer_are_told_together() -> None:
    space = Cell(3, ["none", "conv9", "pool7"])
    with pytest.raises(InvalidValueError, match=r"build: operations: got \['conv9', 'pool7'\]"):
        space.build(space.sample(1)[0])


def test_macro_networks_have_the_published_parameters_and_flops(published: Path) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    table = parquet.read_table(published / "nasbench_macro.parquet")
    rows = np.random.default_rng(0).choice(6561, 6, replace=False)
    for row in table.take(rows).to_pylist():
        network = Macro().build(Macro().architecture(row["arch"])).eval()
        assert _parameters(network) == row["params"]
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
        # The table counts a multiplication and an addition as one.
        assert counter.get_total_flops() == 2 * row["flops"]


def test_the_macro_network_of_identities_has_the_parameters_of_its_parts() -> None:
    """Stem 928, changes of shape 2,176 + 8,448 + 33,280, last layer 330,240, classifier 12,810."""
    assert _parameters(Macro().build(Macro().architecture("00000000"))) == 387_882


def test_macro_has_3969_networks_and_equal_ones_have_equal_parameters(published: Path) -> None:
    space = Macro()
    canonical = space.canonical(space.all_indices)
    names = [space.to_text(arch) for arch in space.from_indices(canonical)]
    assert len(set(names)) == 3969
    table = parquet.read_table(published / "nasbench_macro.parquet").to_pylist()
    figures = {
        row["arch"]: (row["params"], row["flops"], row["test_accuracy_mean"]) for row in table
    }
    for arch, name in zip(space.enumerate(), names, strict=True):
        assert figures[space.to_text(arch)] == figures[name]
