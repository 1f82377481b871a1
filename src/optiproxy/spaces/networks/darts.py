"""The network that DARTS trains on CIFAR: a stem, normal cells, two reduction cells among them.

Reference: Liu et al., DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055, section 3.1 and appendix
A.1; without its auxiliary tower and without dropped paths, which are means of training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

STEM_FACTOR = 3  # channels of the stem per channel of the first cells

# Two pairs (operation, feature map that it reads) for each node, in order.
Pairs = Sequence[tuple[str, int]]


def _convolution(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))


class Halve(nn.Module):
    """Half the resolution, (B, c, H, W) → (B, out, H/2, W/2): even and odd pixels separately."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(channels, out // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels, out - out // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        # Shifted by one pixel, with a row of zeros at the border for odd sizes.
        shifted = nn.functional.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))  # type: ignore[no-any-return]


class Zero(nn.Module):
    """Zeros, in the shape of the input at the given stride."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


def _filter(channels: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    """ReLU, a filter of each channel, a mixture of channels, batch norm."""
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(
            channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    ]


def _separable(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda c, stride: nn.Sequential(
        *_filter(c, kernel, stride, 1), *_filter(c, kernel, 1, 1)
    )


def _dilated(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda c, stride: nn.Sequential(*_filter(c, kernel, stride, 2))


# (channels, stride) → layer, by the published names.
LAYERS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda c, stride: Zero(stride),
    "max_pool_3x3": lambda c, stride: nn.MaxPool2d(3, stride, padding=1),
    "avg_pool_3x3": lambda c, stride: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
    "skip_connect": lambda c, stride: nn.Identity() if stride == 1 else Halve(c, c),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
}


class DartsCell(nn.Module):
    """One cell: the outputs of the two cells before → (B, nodes · channels, H, W).

    Args:
        pairs: Two for each node.
        before: Channels of the two inputs.
        channels: Channels of each node.
        reduces: Whether the cell halves the resolution.
        halve_first: Whether the first input still has twice the resolution of the second.
    """

    def __init__(
        self,
        pairs: Pairs,
        before: tuple[int, int],
        channels: int,
        reduces: bool,
        halve_first: bool,
    ) -> None:
        super().__init__()
        first = Halve if halve_first else _convolution
        self.first = first(before[0], channels)
        self.second = _convolution(before[1], channels)
        self.sources = [source for _, source in pairs]
        self.layers = nn.ModuleList(
            LAYERS[op](channels, 2 if reduces and source < 2 else 1) for op, source in pairs
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        maps = [self.first(x), self.second(y)]
        for k in range(0, len(self.sources), 2):
            a, b = (self.layers[i](maps[self.sources[i]]) for i in (k, k + 1))
            maps.append(a + b)
        return torch.cat(maps[2:], 1)


class DartsNetwork(nn.Module):
    """The whole network, (B, 3, H, W) → (B, classes).

    Args:
        normal: Two pairs for each node of the normal cell.
        reduce: Two pairs for each node of the reduction cell, placed at 1/3 and 2/3 of the depth.
        classes: Number of classes.
        channels: Channels of the first cells; each reduction doubles them.
        cells: Number of cells.
    """

    def __init__(
        self, normal: Pairs, reduce: Pairs, classes: int, channels: int, cells: int
    ) -> None:
        super().__init__()
        stem = STEM_FACTOR * channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem)
        )
        before, halved = (stem, stem), False
        self.cells = nn.ModuleList()
        for place in range(cells):
            reduces = place in (cells // 3, 2 * cells // 3)
            channels *= 1 + reduces
            pairs = reduce if reduces else normal
            self.cells.append(DartsCell(pairs, before, channels, reduces, halved))
            before, halved = (before[1], len(pairs) // 2 * channels), reduces
        self.classifier = nn.Linear(before[1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = y = self.stem(x)
        for cell in self.cells:
            x, y = y, cell(x, y)
        return self.classifier(y.mean((2, 3)))  # type: ignore[no-any-return]
