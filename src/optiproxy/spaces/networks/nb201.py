"""The network that NAS-Bench-201 trains: 16 channels, three stages of five cells.

Reference: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326, section 2.1
and figure 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

Edge = tuple[int, int]


def _convolution(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Module:
    """ReLU, convolution, batch norm: the benchmark's order."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    )


# Layers by the benchmark's names of operations; an edge with "none" has no layer.
LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "skip_connect": lambda _: nn.Identity(),
    "skip": lambda _: nn.Identity(),
    "nor_conv_1x1": lambda channels: _convolution(channels, channels, 1),
    "nor_conv_3x3": lambda channels: _convolution(channels, channels, 3),
    "avg_pool_3x3": lambda _: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}
NONE = "none"


class CellLayer(nn.Module):
    """One cell, (B, channels, H, W) → the same shape: a node is the sum of its edges.

    Args:
        operations: Edge (i, j) → name, for every pair i < j.
        channels: Channels of each feature map.
    """

    def __init__(self, operations: Mapping[Edge, str], channels: int) -> None:
        super().__init__()
        self.nodes = 1 + max(j for _, j in operations)
        self.layers = nn.ModuleDict(
            {f"{i}>{j}": LAYERS[op](channels) for (i, j), op in operations.items() if op != NONE}
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for j in range(1, self.nodes):
            edges = [(i, f"{i}>{j}") for i in range(j) if f"{i}>{j}" in self.layers]
            terms = [self.layers[edge](nodes[i]) for i, edge in edges]
            nodes.append(torch.stack(terms).sum(0) if terms else torch.zeros_like(x))
        return nodes[-1]


class Reduction(nn.Module):
    """A residual block of stride 2, (B, c, H, W) → (B, out, H/2, W/2)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            _convolution(channels, out, 3, stride=2), _convolution(out, out, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + self.shortcut(x)  # type: ignore[no-any-return]


def network(
    operations: Mapping[Edge, str], classes: int, channels: int, cells: int
) -> nn.Sequential:
    """The whole network, (B, 3, H, W) → (B, classes).

    Args:
        operations: Edge (i, j) → name, as in `CellLayer`.
        classes: Number of classes.
        channels: Channels of the first stage; the second and third have twice and four times as
            many.
        cells: Cells in each stage.
    """
    stages: Sequence[int] = (channels, 2 * channels, 4 * channels)
    layers: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
    ]
    for before, width in zip((None, *stages), stages, strict=False):
        if before is not None:
            layers.append(Reduction(before, width))
        layers += [CellLayer(operations, width) for _ in range(cells)]
    head = (nn.BatchNorm2d(stages[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, *head, nn.Linear(stages[-1], classes))
