"""The network of the embedded task: a stem, two cells with a pooling between, a linear head."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

# Few channels, so that a cell's wiring decides how far the network comes.
CHANNELS = 8
NODES = 4
CLASSES = 10


def _convolution(width: int, dilation: int) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv1d(
            CHANNELS,
            CHANNELS,
            width,
            padding=dilation * (width // 2),
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm1d(CHANNELS),
    )


def operation(name: object) -> nn.Module:
    """An operation of the space as a layer that keeps the shape, (B, 8, L) → (B, 8, L)."""
    if name == "skip":
        return nn.Identity()
    if name == "conv_3":
        return _convolution(3, dilation=1)
    if name == "conv_5_dilated":
        return _convolution(5, dilation=2)
    assert name == "max_pool_3", name
    return nn.MaxPool1d(3, stride=1, padding=1)


class Cell(nn.Module):
    """A node is the sum of its incoming edges; the last one is the output.

    Edges that no path from input to output passes are left out: they would cost and not count.
    """

    def __init__(self, operations: Mapping[str, object]) -> None:
        super().__init__()
        used = useful([edge for edge, name in operations.items() if name != "none"])
        self.edges = nn.ModuleDict({f"{i}_{j}": operation(operations[f"{i}>{j}"]) for i, j in used})
        self.wiring = used

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = {0: x}
        for i, j in self.wiring:
            y = self.edges[f"{i}_{j}"](nodes[i])
            nodes[j] = nodes[j] + y if j in nodes else y
        return nodes.get(NODES - 1, torch.zeros_like(x))


def useful(edges: list[str]) -> list[tuple[int, int]]:
    """The edges on a path from node 0 to the last node, in an order in which they can be run."""
    pairs = sorted((tuple(map(int, edge.split(">"))) for edge in edges), key=lambda e: e[::-1])
    from_input, to_output = {0}, {NODES - 1}
    for i, j in pairs:
        if i in from_input:
            from_input.add(j)
    for i, j in reversed(pairs):
        if j in to_output:
            to_output.add(i)
    return [(i, j) for i, j in pairs if i in from_input and j in to_output]


class Network(nn.Module):
    """A classifier of MNIST-1D: (B, 1, 40) → (B, 10) logits.

    Args:
        operations: Edge → operation, the same for both cells.
    """

    def __init__(self, operations: Mapping[str, object]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(1, CHANNELS, 3, stride=2, padding=1, bias=False),  # (B, 8, 20)
            nn.BatchNorm1d(CHANNELS),
        )
        self.first = Cell(operations)
        self.pool = nn.MaxPool1d(2)  # (B, 8, 10)
        self.second = Cell(operations)
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.pool(self.first(self.stem(x))))
        # The mean over positions: a digit may stand anywhere.
        return self.head(torch.relu(x).mean(dim=2))  # type: ignore[no-any-return]
