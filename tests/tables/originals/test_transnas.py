"""TransNAS-Bench-101's file, written here in the published layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from optiproxy.errors import DataError
from optiproxy.tables import originals
from optiproxy.tables.originals.transnas import TASKS

MICRO, MACRO = "64-41414-1_02_333", "64-1234-basic"


def result(metric: str, best: float) -> dict[str, Any]:
    """One network on one task: the best validation is in the second of three epochs."""
    return {
        "total_epochs": 3,
        "model_info": {
            "inference_time": 0.01, "encoder_params": 1.0, "model_params": 2.5,
            "model_FLOPs": 3.5, "encoder_FLOPs": 1.0,
        },
        "metrics": {
            f"valid_{metric}": [best - 2, best, best - 1],
            f"test_{metric}": [best + 3, best - 5, best + 9],
            "time_elapsed": [1.0, 1.0, 1.0],
        },
    }  # fmt: skip


def whole() -> dict[str, Any]:
    return {
        "metrics_dict": {task: [f"valid_{m}", f"test_{m}"] for task, m in TASKS.items()},
        "info_names": ["inference_time", "model_params"],
        "task_list": list(TASKS),
        "data": {
            "macro": {MACRO: {t: result(m, 10.0 + i) for i, (t, m) in enumerate(TASKS.items())}},
            "micro": {MICRO: {t: result(m, 50.0 + i) for i, (t, m) in enumerate(TASKS.items())}},
        },
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transnas-bench_v10141024.pth"


@pytest.mark.parametrize("zipped", [True, False])
def test_the_best_validated_epoch_counts(path: Path, convert, zipped: bool) -> None:
    torch.save(whole(), path, _use_new_zipfile_serialization=zipped)
    assert originals.recognise(path) == originals.original("transnas-bench-101")
    macro, micro = convert("transnas-bench-101", path)["transnas_bench_101"]
    assert (macro["space"], macro["arch"]) == ("macro", MACRO)
    assert (micro["space"], micro["arch"]) == ("micro", MICRO)
    for i, task in enumerate(TASKS):
        assert micro[f"{task}_val_score"] == 50 + i
        assert micro[f"{task}_test_score"] == 45 + i
        assert micro[f"{task}_epoch"] == 2
        assert micro[f"{task}_params"] == 2.5


def test_hostile_truncated_and_other_files_are_refused(
    path: Path, convert, hostile, nothing_left, tmp_path: Path
) -> None:
    torch.save({**whole(), "task_list": hostile}, path)
    with pytest.raises(DataError, match="could run code"):
        convert("transnas-bench-101", path)
    assert not (tmp_path / "it-ran").exists()
    torch.save(whole(), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"cut short|written by torch\.save"):
        convert("transnas-bench-101", path)
    broken = whole()
    del broken["data"]["micro"][MICRO]["jigsaw"]
    for content, message in (([1], "it has no data"), (broken, f"{MICRO}: it is not .*'jigsaw'")):
        torch.save(content, path)
        with pytest.raises(DataError, match=message):
            convert("transnas-bench-101", path)
    assert nothing_left()
