"""Parameters and FLOPs of known networks."""

from __future__ import annotations

import torch
from torch import nn

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
