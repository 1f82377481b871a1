"""NAS-Bench-MR: multi-resolution networks on eight settings of four vision problems.

A network is 27 numbers: the channels of two first convolutions; four stages, each with its number
of blocks, and of units and channels for each of its resolutions (stage s has s of them); the
channels of the last layer. The table is a sample of 2,507, so the tasks are pools. Every network
was trained once in each setting; scores are in %, on the setting's validation set.

Reference: Ding et al., Learning Versatile Neural Architectures by Propagating Network Codes, ICLR
2022, https://arxiv.org/abs/2103.13253.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optiproxy.spaces import Architecture, Chain
from optiproxy.tables.averaged_rows import AveragedRows, from_texts
from optiproxy.tables.benchmark import sample
from optiproxy.tables.table import Table

TABLE = "nasbench_mr"
NETWORKS = 2507

CHANNELS = tuple(range(8, 129, 8))
UNITS = (1, 2, 3, 4)

# Setting → what it is, and the columns of the score that is the objective and of the others.
SETTINGS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "cls-50-1000": ("ImageNet-50, 1,000 images a class", "top1", ("top5",)),
    "cls-50-100": ("ImageNet-50, 100 images a class", "top1", ("top5",)),
    "cls-10-1000": ("ImageNet-10, 1,000 images a class", "top1", ("top5",)),
    "cls-10c": ("ImageNet-10, the setting 10c", "top1", ("top5",)),
    "seg": ("Cityscapes segmentation", "miou", ("macc", "aacc")),
    "seg-4x": ("Cityscapes segmentation at a quarter of the resolution", "miou", ("macc", "aacc")),
    "video": ("HMDB51 action recognition", "top1", ("top5",)),
    "video-p": ("HMDB51 action recognition, pretrained", "top1", ("top5",)),
}

_CITATION = (
    "Ding et al., Learning Versatile Neural Architectures by Propagating Network Codes, ICLR 2022, "
    "https://arxiv.org/abs/2103.13253"
)


class MultiResolution(Chain):
    """The 27 choices, written as the benchmark does: numbers with commas between them.

    >>> text = "128,128,2,4,128,2,4,4,128,128,2,4,4,4,128,128,128,2,4,4,4,4,128,128,128,128,128"
    >>> space = MultiResolution()
    >>> arch = space.architecture(text)
    >>> arch["stage2_units1"], space.to_text(arch) == text
    (4, True)
    """

    def __init__(self) -> None:
        choices: dict[str, tuple[int, ...]] = {"stem1": CHANNELS, "stem2": CHANNELS}
        for stage in range(1, 5):
            branches = range(1, stage + 1)
            choices[f"stage{stage}_blocks"] = UNITS
            choices |= {f"stage{stage}_units{branch}": UNITS for branch in branches}
            choices |= {f"stage{stage}_channels{branch}": CHANNELS for branch in branches}
        choices["last"] = CHANNELS
        super().__init__(choices)

    def to_text(self, arch: Architecture) -> str:
        return ",".join(str(number) for number in arch.values())

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if text.lstrip().startswith("{"):
            return super().parse_text(text)
        numbers = [number.strip() for number in text.split(",")]
        if len(numbers) != len(self.names) or not all(number.isdigit() for number in numbers):
            raise ValueError(f"write {len(self.names)} whole numbers with commas between them")
        return dict(zip(self.names, map(int, numbers), strict=True))


def task(setting: str) -> Table:
    """NAS-Bench-MR in one of its `SETTINGS`."""
    title, score, others = SETTINGS[setting]
    column = setting.replace("-", "_")
    names = {"top1": "val_accuracy", "top5": "val_top5"}
    columns = {names.get(s, f"val_{s}"): f"{column}_{s}" for s in (score, *others)}
    objective = next(iter(columns))
    rows = AveragedRows(
        MultiResolution(),
        TABLE,
        key=["embedding"],
        read=from_texts,
        columns={**columns, "params_m": "params_m", "flops_g": "flops_g"},
        count=NETWORKS,
    )
    return sample(
        rows,
        name=f"nasbench-mr-{setting}",
        objectives={objective: "max"},
        description=(
            f"NAS-Bench-MR, {title}: {objective} in %, one training; parameters in millions, GFLOPs"
        ),
        citation=_CITATION,
        family="nasbench-mr",
    )
