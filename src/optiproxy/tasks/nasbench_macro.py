"""NAS-Bench-Macro: eight layers of three kinds on CIFAR-10, looked up.

The benchmark has no validation split: what guides a search is the test accuracy (in %, mean of
three training seeds), and it is called that. Scores from here say how well a method searches, not
how well what it finds would generalise. Parameters and FLOPs are plain counts.

Layers 4 and 5, and layers 7 and 8, may change places where one of them is the identity: the table
lists both, with the same numbers, so that its 6,561 rows are 3,969 networks.

Reference: Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021,
https://doi.org/10.1109/CVPR46437.2021.01082.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optiproxy.spaces import Architecture, Chain
from optiproxy.tasks._benchmark import benchmark
from optiproxy.tasks.table import Table

TABLE = "nasbench_macro"

LAYERS = 8
# In the order of the benchmark's digits 0, 1, 2: MobileNetV2 blocks of expansion 3 and 6.
BLOCKS = ("identity", "mb3_k3", "mb6_k5")

_CITATION = (
    "Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, "
    "https://doi.org/10.1109/CVPR46437.2021.01082"
)


class MacroChain(Chain):
    """Eight blocks in a row, written as the benchmark does: ``22212220``, a digit for each.

    >>> space = MacroChain()
    >>> space.count
    6561
    >>> space.architecture("22212220")["layer4"]
    'mb3_k3'
    """

    def __init__(self) -> None:
        super().__init__({f"layer{layer}": BLOCKS for layer in range(1, LAYERS + 1)})

    def to_text(self, arch: Architecture) -> str:
        return "".join(str(BLOCKS.index(str(block))) for block in arch.values())

    def parse_text(self, text: str) -> Mapping[str, Any]:
        digits = text.strip()
        if digits.startswith("{"):
            return super().parse_text(text)
        if len(digits) != LAYERS or set(digits) - set("012"):
            raise ValueError(f"write {LAYERS} digits, each 0, 1 or 2")
        return {name: BLOCKS[int(digit)] for name, digit in zip(self.names, digits, strict=True)}


def cifar10() -> Table:
    """NAS-Bench-Macro on CIFAR-10."""
    return benchmark(
        TABLE,
        MacroChain(),
        name="nasbench-macro",
        key="arch",
        columns={"test_accuracy": "test_accuracy_mean", "params": "params", "flops": "flops"},
        objectives={"test_accuracy": "max"},
        description=(
            "NAS-Bench-Macro on CIFAR-10: test accuracy in %, mean of 3 seeds (there is no "
            "validation split, so the test accuracy itself guides); parameters and FLOPs"
        ),
        citation=_CITATION,
    )
