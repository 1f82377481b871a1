"""Parameters and FLOPs of known networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from optiproxy.hardware import count_costs, count_flops, count_parameters

X = torch.zeros(1, 3)


def test_parameters_are_counted_once() -> None:
    linear = nn.Linear(3, 3)
    assert count_parameters(nn.Sequential(linear, linear, nn.BatchNorm1d(3))) == 12 + 6


def test_multiply_add_counts_as_two() -> None:
    assert count_flops(nn.Linear(3, 5, bias=False), X) == 2 * 3 * 5
    convolution = nn.Conv1d(2, 4, 3, padding=1)
    assert count_flops(convolution, torch.zeros(1, 2, 10)) == 2 * (2 * 4 * 3) * 10


def test_network_of_two_inputs_is_counted_and_left_as_it_was() -> None:
    class Two(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            assert not self.training
            return a @ b

    two = Two()
    assert count_flops(two, (torch.zeros(2, 3), torch.zeros(3, 4))) == 2 * 2 * 3 * 4
    assert two.training
    assert torch.is_grad_enabled()


def test_costs_are_counted_in_one_pass_also_without_weights() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1),
        nn.ReLU(inplace=True), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 64, 10),
    )  # fmt: skip
    x = torch.zeros(1, 3, 8, 8)
    costs = count_costs(network, x)
    assert costs["params"] == count_parameters(network)
    assert costs["flops"] == count_flops(network, x)
    assert costs["activations"] == 64 * (16 + 8) + 10
    weights = 4 * count_parameters(network) + 2 * 8 * 4 + 8  # Running means, and a counter.
    assert costs["weights_mb"] == weights / 1e6
    # The most is in use when the first ReLU puts out as much as it reads, beside the input.
    assert costs["memory_mb"] == (weights + 4 * 64 * (3 + 16 + 16)) / 1e6
    assert count_costs(network.to("meta"), x.to("meta")) == costs


class _Attention(nn.MultiheadAttention):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


class _Product(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.view(1, 10, 2, 4).transpose(1, 2)  # Two heads.
        return nn.functional.scaled_dot_product_attention(x, x, x)


PRODUCTS = 2 * (2 * 10 * 10 * 8)  # Of queries with keys, and of weights with values.
PROJECTIONS = 2 * 10 * (8 * 24 + 8 * 8)


@pytest.mark.parametrize(
    ("network", "flops"),
    [
        (_Product(), PRODUCTS),
        (_Attention(8, 2, batch_first=True), PROJECTIONS + PRODUCTS),
        (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
            PROJECTIONS + PRODUCTS + 2 * 10 * (2 * 8 * 16),
        ),
        (nn.LSTM(8, 4, batch_first=True), 2 * 10 * 16 * (8 + 4)),
        (nn.LSTM(8, 4, 2, bidirectional=True), 2 * 2 * 10 * 16 * (8 + 4 + 8 + 4)),
        (nn.GRU(8, 4, batch_first=True), 2 * 10 * 12 * (8 + 4)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_fused_operations_are_counted_as_what_they_compute(network: nn.Module, flops: int) -> None:
    x = torch.zeros(1, 10, 8)
    x = x.transpose(0, 1) if not getattr(network, "batch_first", True) else x
    costs = count_costs(network, x)
    assert costs["flops"] == count_flops(network, x) == flops
    meta = count_costs(network.to("meta"), x.to("meta"))
    assert {name: costs[name] for name in ("flops", "activations")} == {
        name: meta[name] for name in ("flops", "activations")
    }


def test_inference_mode_changes_no_count() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 8, 2), nn.Flatten(2), nn.Linear(49, 8),
        _Attention(8, 2, batch_first=True), nn.TransformerEncoderLayer(8, 2, batch_first=True),
        nn.LSTM(8, 8, batch_first=True),
    )  # fmt: skip
    x = torch.zeros(1, 3, 8, 8)
    costs = count_costs(network, x)

    class Inferring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                out: torch.Tensor = self.network(x)[0]
                return out

    assert count_costs(Inferring(), x) == costs
    with torch.inference_mode():
        assert count_costs(network, x) == costs


def test_packed_sequences_are_counted_by_their_lengths() -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTM(8, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            lengths = torch.tensor([10, 3])[: len(x)]
            packed = pack_padded_sequence(x, lengths, batch_first=True)
            output: torch.Tensor = self.cell(packed)[0].data
            return output

    each = 2 * 16 * (8 + 4)
    assert count_flops(Packed(), torch.zeros(2, 10, 8)) == 13 * each
    assert count_flops(Packed(), torch.zeros(1, 10, 8)) == 10 * each


class _Of(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor], *shape: int) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(self.weight, *inputs)


@pytest.mark.parametrize(
    ("network", "shapes", "flops", "activations"),
    [
        (_Of(lambda w, x: w @ x, 6, 8), [(8,)], 2 * 6 * 8, 6),
        (_Of(lambda w, x: x @ w, 8), [(3, 2, 5, 8)], 2 * 3 * 2 * 5 * 8, 30),
        (_Of(lambda w, x: x @ w, 8), [(8,)], 2 * 8, 1),
        (_Of(lambda w, x: torch.addmv(x[:6], w, x), 6, 8), [(8,)], 2 * 6 * 8, 6),
        (_Of(lambda w, x: torch.addbmm(x[0, :, :6], x, w), 3, 8, 6), [(3, 5, 8)], 1440, 30),
        (_Of(lambda w, x: torch.conv_tbc(x, w, w[0, 0]), 3, 4, 5), [(10, 1, 4)], 960, 40),
        (nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], 2 * 2 * 5 * (3 * 4 + 4), 10),
        (nn.Bilinear(3, 4, 5), [(2, 7, 3), (2, 7, 4)], 2 * 14 * 5 * (3 * 4 + 4), 70),
    ],
)
def test_products_that_torch_has_no_formula_for_are_counted(
    network: nn.Module, shapes: list[tuple[int, ...]], flops: int, activations: int
) -> None:
    inputs = tuple(torch.ones(shape) for shape in shapes)
    costs = count_costs(network, inputs)
    assert (costs["flops"], costs["activations"]) == (flops, activations)
    assert count_costs(network.to("meta"), tuple(x.to("meta") for x in inputs)) == costs


def test_a_part_may_be_a_frozen_script() -> None:
    part = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(8, 6), nn.ReLU()).eval()))
    network = nn.Sequential(part, nn.Linear(6, 3)).train()
    assert count_flops(network, torch.ones(1, 8)) == 2 * (8 * 6 + 6 * 3)
    assert network[1].training


@pytest.mark.parametrize("csr", [False, True])
def test_products_of_sparse_matrices_are_counted_by_their_entries(csr: bool) -> None:
    network = _Of(lambda w, x: network.graph @ (x @ w), 8, 5)
    graph = torch.eye(20)
    network.register_buffer("graph", graph.to_sparse_csr() if csr else graph.to_sparse())
    assert count_flops(network, torch.ones(20, 8)) == 2 * 20 * 8 * 5 + 2 * 20 * 5
    costs = count_costs(network, torch.ones(20, 8))
    assert (costs["flops"], costs["activations"]) == (2 * 20 * 8 * 5 + 2 * 20 * 5, 200)


class Flexible(nn.Module):
    """Attention of 16 channels in one head, over 8 steps."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.write = nn.Linear(4, 48), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flex = pytest.importorskip("torch.nn.attention.flex_attention")
        queries, keys, values = self.read(x)[:, None].chunk(3, -1)
        mixed: torch.Tensor = self.write(flex.flex_attention(queries, keys, values)[:, 0])
        return mixed


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.more = nn.Sequential(nn.Linear(4, 32), nn.Linear(32, 8))
        self.less = nn.Linear(4, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.cond(x.sum() > 0, self.more.forward, self.less.forward, (x,))
        return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not hasattr(torch.compiler, "set_stance"), reason="an older torch")
def test_operators_that_call_functions_are_counted_by_what_these_do() -> None:
    linear = 2 * 8 * 4 * 48 + 2 * 8 * 16 * 2
    assert count_flops(Flexible(), torch.zeros(1, 8, 4)) == linear + 2 * (2 * 8 * 8 * 16)
    more = 2 * (4 * 32 + 32 * 8)
    for x in (torch.ones(1, 4), -torch.ones(1, 4)):  # The limit holds for either branch.
        counted = count_costs(Branches(), x)
        assert (counted["flops"], counted["activations"]) == (more, 32 + 8)
        assert counted == count_costs(Branches().to("meta"), x.to("meta"))
    compiled = torch.compile(nn.Linear(4, 8), backend="eager", fullgraph=True)
    assert count_flops(compiled, torch.ones(1, 4)) == 2 * 4 * 8
