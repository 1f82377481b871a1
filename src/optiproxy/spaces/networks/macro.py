"""The network that NAS-Bench-Macro trains: MobileNetV2 blocks in three stages of 2, 3, 3 layers.

Reference: Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021,
https://arxiv.org/abs/2103.11922, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

STAGES = (2, 3, 3)
CHANNELS = 32  # of the stem; each stage doubles it and halves the resolution
LAST_CHANNELS = 1280
# Block → (expansion, kernel).
BLOCKS = {"mb3_k3": (3, 3), "mb6_k5": (6, 5)}


def _normalised(
    channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Module:
    convolution = nn.Conv2d(
        channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(out))


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; with a shortcut where the shape is kept."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        wide = expansion * channels
        self.layers = nn.Sequential(
            _normalised(channels, wide, 1),
            nn.ReLU(),
            _normalised(wide, wide, kernel, stride, groups=wide),
            nn.ReLU(),
            _normalised(wide, out, 1),
        )
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


def _layer(block: str, channels: int, out: int, stride: int) -> nn.Module:
    if block in BLOCKS:
        return InvertedResidual(channels, out, stride, *BLOCKS[block])
    if stride == 1 and channels == out:
        return nn.Identity()
    # An identity that changes the shape is a projection.
    return _normalised(channels, out, 1, stride)


def network(blocks: Sequence[str], classes: int) -> nn.Sequential:
    """The whole network, (B, 3, 32, 32) → (B, classes), from the names of its eight blocks."""
    layers: list[nn.Module] = [_normalised(3, CHANNELS, 3), nn.ReLU()]
    channels, names = CHANNELS, iter(blocks)
    for depth in STAGES:
        for place in range(depth):
            out = channels if place else 2 * channels
            layers.append(_layer(next(names), channels, out, 1 if place else 2))
            channels = out
    layers += [_normalised(channels, LAST_CHANNELS, 1), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(LAST_CHANNELS, classes))
