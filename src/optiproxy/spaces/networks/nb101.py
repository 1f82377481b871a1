"""The network that NAS-Bench-101 trains: three stacks of three equal modules.

Reference: Ying et al., NAS-Bench-101, ICML 2019, https://arxiv.org/abs/1902.09635, section 2.1 and
appendix S1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STACKS = 3


def _convolution(channels: int, out: int, kernel: int) -> nn.Module:
    """Convolution, batch norm, ReLU: the benchmark's order and constants."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out, eps=1e-5, momentum=0.003),
        nn.ReLU(),
    )


def _layer(name: str, channels: int) -> nn.Module:
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return _convolution(channels, channels, 3 if name == "conv3x3-bn-relu" else 1)


LAYERS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


def vertex_channels(edges: Sequence[tuple[int, int]], vertices: int, out: int) -> list[int]:
    """The number of channels of each vertex.

    Vertices that the output reads share its channels, the first ones having one more where they
    don't divide; any other vertex has as many as the largest one that reads it.
    """
    last = vertices - 1
    channels = [0] * vertices
    channels[last] = out
    shared = [i for i, j in edges if j == last and i > 0]
    for place, v in enumerate(sorted(shared)):
        channels[v] = out // len(shared) + (place < out % len(shared))
    for v in range(last - 1, 0, -1):
        if v not in shared:
            channels[v] = max(channels[j] for i, j in edges if i == v)
    return channels


class Module(nn.Module):
    """One cell, (B, channels, H, W) → (B, out, H, W).

    A vertex sums its inputs, truncated to its channels; the module's input is projected to them.
    The output concatenates its inputs, and adds the projected module's input if it reads that.

    Args:
        edges: Pairs (i, j) of a pruned graph, the edge i → j; 0 is the input, the last the output.
        operations: Of the inner vertices.
        channels: Channels of the input.
        out: Channels of the output.
    """

    def __init__(
        self, edges: Sequence[tuple[int, int]], operations: Sequence[str], channels: int, out: int
    ) -> None:
        super().__init__()
        self.last = len(operations) + 1
        self.above = [sorted(i for i, j in edges if j == v) for v in range(self.last + 1)]
        self.channels = vertex_channels(edges, self.last + 1, out)
        self.layers = nn.ModuleDict(
            {str(v): _layer(op, self.channels[v]) for v, op in enumerate(operations, start=1)}
        )
        self.projections = nn.ModuleDict(
            {
                str(v): _convolution(channels, self.channels[v], 1)
                for v in range(1, self.last + 1)
                if 0 in self.above[v]
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for v in range(1, self.last):
            read = [values[i][:, : self.channels[v]] for i in self.above[v] if i > 0]
            if 0 in self.above[v]:
                read.append(self.projections[str(v)](x))
            values.append(self.layers[str(v)](torch.stack(read).sum(0)))
        joined = [values[i] for i in self.above[self.last] if i > 0]
        if not joined:
            return self.projections[str(self.last)](x)  # type: ignore[no-any-return]
        y = torch.cat(joined, 1)
        return y + self.projections[str(self.last)](x) if 0 in self.above[self.last] else y


def network(
    edges: Sequence[tuple[int, int]],
    operations: Sequence[str],
    classes: int,
    channels: int,
    modules: int,
) -> nn.Sequential:
    """The whole network, (B, 3, H, W) → (B, classes).

    Args:
        edges: Edges of the pruned graph, as in `Module`.
        operations: Of its inner vertices.
        classes: Number of classes.
        channels: Channels of the first stack; each further one has twice as many at half the
            resolution.
        modules: Modules in each stack.
    """
    layers: list[nn.Module] = [_convolution(3, channels, 3)]
    width = channels
    for stack in range(STACKS):
        if stack:
            layers.append(nn.MaxPool2d(2))
        out = channels * 2**stack
        for _ in range(modules):
            layers.append(Module(edges, operations, width, out))
            width = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
