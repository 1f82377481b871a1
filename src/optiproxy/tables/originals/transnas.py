"""TransNAS-Bench-101: ``transnas-bench_v10141024.pth``, seven tasks on two spaces.

The file has, for each network and each task, every metric by epoch. The table has a row for each
network. What its authors rank by is the best epoch on the validation images; the test value is that
of the same epoch. Classification is in %, the scores of the others as published.

Reference: Duan et al., TransNAS-Bench-101, CVPR 2021, https://arxiv.org/abs/2105.11871.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import within
from optiproxy.tables.originals._unpickling import load_torch, plain
from optiproxy.tables.originals.base import Progress, Sheets, head

TABLE = "transnas_bench_101"

# Task → the metric that it is ranked by.
TASKS = {
    "class_scene": "top1", "class_object": "top1", "room_layout": "neg_loss", "jigsaw": "top1",
    "segmentsemantic": "mIoU", "normal": "ssim", "autoencoder": "ssim",
}  # fmt: skip
# In the publisher's units, which its documents do not name.
_COSTS = {"params": "model_params", "flops": "model_FLOPs", "inference_time": "inference_time"}

COLUMNS = {
    "space": "string",
    "arch": "string",
    **{
        f"{task}_{metric}": "float64"
        for task in TASKS for metric in ("val_score", "test_score", "epoch", *_COSTS)
    },
}  # fmt: skip


def looks_right(path: Path) -> bool:
    """Whether the file begins as one of ``torch.save``'s does."""
    return head(path, 2) in (b"PK", b"\x80\x02")


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads both spaces and writes the table.

    Raises:
        DataError: The file is cut short, names what could run code, or is another one.
    """
    progress("reading", 0.0)
    with open(path, "rb") as file:
        whole = load_torch(file)
    if not isinstance(whole, dict) or not isinstance(whole.get("data"), dict):
        raise DataError("it has no data: not TransNAS-Bench-101's file")
    sheet = sheets.new(TABLE, COLUMNS)
    for done, (space, networks) in enumerate(whole["data"].items()):
        for arch, results in networks.items():
            with within(str(arch), "it is not as the benchmark's are"):
                cells = [value for task in TASKS for value in _task(results[task], TASKS[task])]
            sheet.add(str(space), str(arch), *cells)
        progress("networks", (done + 1) / len(whole["data"]))


def _task(result: Any, metric: str) -> list[float | None]:
    metrics, info = result["metrics"], result["model_info"]
    validation = [float(value) for value in plain(metrics[f"valid_{metric}"])]
    best = max(range(len(validation)), key=validation.__getitem__)
    test = float(plain(metrics[f"test_{metric}"])[best])
    return [validation[best], test, best + 1, *(float(info[name]) for name in _COSTS.values())]
