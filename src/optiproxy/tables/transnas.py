"""TransNAS-Bench-101: two spaces on seven vision tasks, from the authors' own file.

The micro space is a cell with one of four operations on each of six edges, 4,096 networks. The
macro space is a chain of four to six modules, each of which may double the channels, halve the
resolution, both or neither; 3,256 of its combinations were trained.

The objective is the score of the best epoch on the validation images, and the test score is of that
epoch: top-1 in % for classification and jigsaw, mIoU in % for segmentation, SSIM for normals and
autoencoding, the negated loss for room layouts. One training each. Sizes are in the publisher's
units.

Reference: Duan et al., TransNAS-Bench-101, CVPR 2021, https://arxiv.org/abs/2105.11871.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optiproxy.spaces import Architecture, Cell, Chain, Option, Pool, Space
from optiproxy.tables.averaged_rows import AveragedRows, from_texts
from optiproxy.tables.benchmark import benchmark, rows_of
from optiproxy.tables.rows import Rows
from optiproxy.tables.table import Table

TABLE = "transnas_bench_101"
MACRO_NETWORKS = 3256

# In the order of the benchmark's digits 0 to 3.
OPERATIONS = ("none", "skip", "conv1x1", "conv3x3")
# 1 to 4 as the benchmark numbers them; a chain of fewer modules ends earlier.
MODULES = ("normal", "channels_x2", "resolution_half", "both")

TASKS = {
    "class_scene": "scene classification, top-1 in %",
    "class_object": "object classification, top-1 in %",
    "room_layout": "room layout, negated loss",
    "jigsaw": "jigsaw, top-1 in %",
    "segmentsemantic": "semantic segmentation, mIoU in %",
    "normal": "surface normals, SSIM",
    "autoencoder": "autoencoding, SSIM",
}

_CITATION = "Duan et al., TransNAS-Bench-101, CVPR 2021, https://arxiv.org/abs/2105.11871"
_MICRO_PREFIX = "64-41414-"


class MicroCell(Cell):
    """A cell of four nodes, written as the benchmark does: ``64-41414-1_02_333``.

    >>> space = MicroCell()
    >>> arch = space.architecture("64-41414-1_02_333")
    >>> arch["0>1"], arch["1>2"], space.count
    ('skip', 'conv1x1', 4096)
    """

    def __init__(self) -> None:
        super().__init__(nodes=4, operations=OPERATIONS)

    def to_text(self, arch: Architecture) -> str:
        digits = [str(OPERATIONS.index(str(op))) for op in arch.values()]
        return _MICRO_PREFIX + "_".join(["".join(digits[:1]), *map("".join, _groups(digits[1:]))])

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if text.lstrip()[:1] in ("{", "|"):
            return super().parse_text(text)
        groups = text.strip().removeprefix(_MICRO_PREFIX).split("_")
        digits = "".join(groups)
        if [len(group) for group in groups] != [1, 2, 3] or set(digits) - set("0123"):
            raise ValueError(f"write {_MICRO_PREFIX}a_bc_def, each letter a digit from 0 to 3")
        return {name: OPERATIONS[int(d)] for name, d in zip(self.names, digits, strict=True)}


class MacroChain(Chain):
    """Four to six modules in a row, written as the benchmark does: ``64-1234-basic``.

    >>> space = MacroChain()
    >>> arch = space.architecture("64-1234-basic")
    >>> arch["module4"], arch["module5"], space.to_text(arch)
    ('both', None, '64-1234-basic')
    """

    def __init__(self) -> None:
        choices: dict[str, tuple[Option, ...]] = {
            f"module{number}": MODULES if number <= 4 else (None, *MODULES)
            for number in range(1, 7)
        }
        super().__init__(choices)

    def to_text(self, arch: Architecture) -> str:
        digits = [str(MODULES.index(str(m)) + 1) for m in arch.values() if m is not None]
        return f"64-{''.join(digits)}-basic"

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if text.lstrip().startswith("{"):
            return super().parse_text(text)
        digits = text.strip().removeprefix("64-").removesuffix("-basic")
        if not 4 <= len(digits) <= 6 or set(digits) - set("1234"):
            raise ValueError("write 64-DIGITS-basic, four to six digits from 1 to 4")
        modules = [MODULES[int(digit) - 1] for digit in digits]
        return dict(zip(self.names, [*modules, None, None], strict=False))


def micro(vision: str) -> Table:
    """The micro space on one of `TASKS`."""
    space = MicroCell()
    rows = rows_of(TABLE, space, _columns(vision), where={"space": "micro"})
    return _task(space, rows, "micro", vision)


def macro(vision: str) -> Table:
    """The macro space on one of `TASKS`."""
    rows = AveragedRows(
        MacroChain(),
        TABLE,
        key=["arch"],
        read=from_texts,
        where={"space": "macro"},
        columns=_columns(vision),
        count=MACRO_NETWORKS,
    )
    return _task(Pool(rows.space, rows), rows, "macro", vision)


def _task(space: Space, rows: Rows, kind: str, vision: str) -> Table:
    return benchmark(
        TABLE,
        space,
        rows,
        name=f"transnas-{kind}-{vision.replace('_', '-')}",
        objectives={"val_score": "max"},
        reported=["test_score"],
        description=(
            f"TransNAS-Bench-101, {kind} space, {TASKS[vision]}: the best epoch of one training; "
            "parameters, FLOPs and inference time in the publisher's units"
        ),
        citation=_CITATION,
        family=f"transnas-{kind}",
    )


def _groups(digits: list[str]) -> list[list[str]]:
    return [digits[:2], digits[2:]]


def _columns(vision: str) -> dict[str, str]:
    metrics = ("val_score", "test_score", "params", "flops", "inference_time")
    return {metric: f"{vision}_{metric}" for metric in metrics}
