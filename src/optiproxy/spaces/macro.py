"""NAS-Bench-Macro: eight layers of three kinds.

Reference: Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021,
https://doi.org/10.1109/CVPR46437.2021.01082.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optiproxy.spaces.architecture import Architecture, Indices
from optiproxy.spaces.chain import Chain

if TYPE_CHECKING:
    from torch import nn

LAYERS = 8
# In the order of the benchmark's digits 0, 1, 2: MobileNetV2 blocks of expansion 3 and 6.
MACRO_BLOCKS = ("identity", "mb3_k3", "mb6_k5")
# Neighbouring layers that keep the shape, so that an identity changes places with the other block.
# The first layer of a stage changes the shape, and the first stage has only two layers.
FREE_PAIRS = ((3, 4), (6, 7))


class Macro(Chain):
    """Eight blocks in a row, written as the benchmark does: ``22212220``, a digit for each.

    >>> space = Macro()
    >>> space.count
    6561
    >>> space.architecture("22212220")["layer4"]
    'mb3_k3'
    """

    def __init__(self) -> None:
        super().__init__({f"layer{layer}": MACRO_BLOCKS for layer in range(1, LAYERS + 1)})

    def canonical(self, indices: Indices) -> Indices:
        """Puts an identity before the block that it can change places with: 3,969 networks."""
        rows = indices.copy()
        for a, b in FREE_PAIRS:
            later = (rows[:, b] == 0) & (rows[:, a] != 0)
            rows[later, b], rows[later, a] = rows[later, a], 0
        return rows

    def build(self, arch: Architecture, *, classes: int = 10) -> nn.Module:
        """The benchmark's network for 32 x 32 images, (B, 3, 32, 32) → (B, classes)."""
        from optiproxy.spaces.networks.macro import network

        return network([str(block) for block in self.architecture(arch).values()], classes)

    def to_text(self, arch: Architecture) -> str:
        return "".join(str(MACRO_BLOCKS.index(str(block))) for block in arch.values())

    def parse_text(self, text: str) -> Mapping[str, Any]:
        digits = text.strip()
        if digits[:1] in ("{", "[", "("):
            return super().parse_text(text)
        if len(digits) != LAYERS or set(digits) - set("012"):
            raise ValueError(f"write {LAYERS} digits, each 0, 1 or 2")
        blocks = [MACRO_BLOCKS[int(digit)] for digit in digits]
        return dict(zip(self.names, blocks, strict=True))

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """Reads a list too: digits or blocks."""
        if not isinstance(form, list):
            return super().parse_form(form)
        if len(form) != LAYERS:
            raise ValueError(f"it has {len(form)} layers; list {LAYERS}")
        blocks = [MACRO_BLOCKS[int(b)] if str(b) in ("0", "1", "2") else b for b in form]
        return dict(zip(self.names, blocks, strict=True))
