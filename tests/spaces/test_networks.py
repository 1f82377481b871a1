"""The published networks: exact numbers of parameters, shapes, and gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pyarrow import parquet
from torch import nn

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import (
    DARTS_OPERATIONS,
    NB101_OPERATIONS,
    NB201_OPERATIONS,
    Cell,
    Darts,
    Graph,
    Macro,
)
from optiproxy.spaces.networks.darts import Halve
from optiproxy.spaces.networks.nb101 import vertex_channels

NB201 = Cell(4, NB201_OPERATIONS)
NB101 = Graph(7, NB101_OPERATIONS, max_edges=9)
DARTS = Darts()
WITH_NONE = Darts([*DARTS_OPERATIONS, "none"])
CONV3, CONV1, POOL = NB101_OPERATIONS


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.slow
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


def test_operations_without_a_layer_are_reported_together() -> None:
    space = Cell(3, ["none", "conv9", "pool7"])
    with pytest.raises(InvalidValueError, match=r"build: operations: got \['conv9', 'pool7'\]"):
        space.build(space.sample(1)[0])


@pytest.mark.slow
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


@pytest.mark.slow
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


# ---- NAS-Bench-101 ----


def _nb101(edges: str, operations: list[str]) -> nn.Module:
    """The network of a cell whose edges are written ``"01 12"``, an edge i → j each."""
    n = len(operations) + 2
    matrix = np.zeros((n, n), int)
    for i, j in edges.split():
        matrix[int(i), int(j)] = 1
    return NB101.build(NB101.cell(matrix, ["in", *operations, "out"]))


@pytest.mark.parametrize(
    ("edges", "operations", "parameters"),
    [
        # The first cell of the published files, and the one of the published example.
        ("01 04 05 12 23 26 35 45 56", [CONV3, POOL, CONV3, CONV3, CONV1], 8_555_530),
        ("01 02 03 05 16 26 34 46 56", [CONV1, CONV3, CONV3, CONV3, POOL], 2_694_282),
    ],
)
def test_nb101_networks_have_the_published_parameters(
    edges: str, operations: list[str], parameters: int
) -> None:
    assert _parameters(_nb101(edges, operations)) == parameters


def test_nb101_vertices_share_the_output_channels() -> None:
    """128 channels for three vertices: 43, 43 and 42; one read by another has as many as that."""
    edges = [(0, 1), (0, 2), (0, 3), (1, 5), (2, 5), (3, 5), (0, 4), (4, 1), (4, 3)]
    assert vertex_channels(edges, 6, 128) == [0, 43, 43, 42, 43, 128]


def test_nb101_networks_run_and_train() -> None:
    rows = NB101.random_indices(6, np.random.default_rng(0))
    alone = NB101.cell([[0, 1], [0, 0]], ["in", "out"])
    for arch in [alone, *NB101.from_indices(rows)]:
        network = NB101.build(arch, classes=7, channels=8, modules=1)
        y = network(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
        assert y.shape == (2, 7)
        y.square().sum().backward()
        assert all(p.grad is not None for p in network.parameters())


def test_nb101_operations_without_a_layer_are_reported() -> None:
    space = Graph(3, ["maxpool3x3", "conv9"])
    with pytest.raises(InvalidValueError, match=r"build: operations: got \['conv9'\]"):
        space.build(space.sample(1)[0])


# ---- DARTS ----


def test_the_published_darts_cell_has_its_published_parameters() -> None:
    """DARTS_V2 with 36 channels and 20 cells: 3,349,342, without the auxiliary tower."""
    arch = DARTS.architecture(
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
        "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
        "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
        "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
        "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
        "reduce_concat=[2, 3, 4, 5])"
    )
    assert _parameters(DARTS.build(arch)) == 3_349_342


@pytest.mark.slow
def test_darts_networks_have_the_parameters_of_a_published_table(published: Path) -> None:
    """All 545 agree; the largest and the smallest, and five others."""
    columns = ["architecture", "params_m"]
    table = parquet.read_table(published / "oncenas_darts_545.parquet", columns=columns).to_pylist()
    table.sort(key=lambda row: row["params_m"])
    for row in [table[0], table[-1], *table[50:545:100]]:
        network = WITH_NONE.build(WITH_NONE.architecture(row["architecture"]))
        assert _parameters(network) == round(row["params_m"] * 1e6)


@pytest.mark.parametrize("operation", WITH_NONE.operations)
def test_darts_networks_of_one_operation_run_and_train(operation: str) -> None:
    first = {name: options[0] for name, options in WITH_NONE.choices.items()}
    same = {name: operation for name in WITH_NONE.choices if "_op" in name}
    arch = WITH_NONE.architecture({**first, **same})
    network = WITH_NONE.build(arch, classes=7, channels=4, cells=4)
    y = network(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert y.shape == (2, 7)
    y.square().sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(g.isfinite().all() for g in gradients)


def test_a_darts_cell_adds_two_operations_and_joins_its_nodes() -> None:
    """Skips alone: each node is the sum of the two maps it reads."""
    first = {name: options[0] for name, options in DARTS.choices.items()}
    skips = {name: "skip_connect" for name in DARTS.choices if "_op" in name}
    arch = DARTS.architecture({**first, **skips, "normal_inputs3": "2+4"})
    cell = DARTS.build(arch, channels=2, cells=4).eval().cells[0]
    x = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b, y = cell.first(x), cell.second(x), cell(x, x)
    # Nodes 0 to 2 read 0 and 1; node 3 reads node 0 and node 2.
    torch.testing.assert_close(y, torch.cat([a + b, a + b, a + b, 2 * (a + b)], 1))


def test_halving_reads_even_and_odd_pixels() -> None:
    halve = Halve(1, 2).eval()
    for convolution in (halve.even, halve.odd):
        nn.init.ones_(convolution.weight)
    x = torch.arange(1.0, 26.0).view(1, 1, 5, 5)
    with torch.no_grad():
        even, odd = halve(x)[0] * (1 + halve.norm.eps) ** 0.5
    torch.testing.assert_close(even, x[0, 0, ::2, ::2])
    torch.testing.assert_close(odd[:2, :2], x[0, 0, 1::2, 1::2])
    assert (odd[2] == 0).all()


def test_darts_operations_without_a_layer_are_reported() -> None:
    space = Darts(["skip_connect", "conv9"])
    with pytest.raises(InvalidValueError, match=r"build: operations: got \['conv9'\]"):
        space.build(space.sample(1)[0])
