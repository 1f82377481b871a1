"""NAS-Bench-NLP's logs, written here in the published layout."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import DataError
from optiproxy.tables import originals
from optiproxy.tables.originals.nasbench_nlp import SPACE

RECIPE = (
    '{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, '
    '"h_new_0": {"op": "activation_tanh", "input": ["f"]}}'
)


def log(number: int, losses: list[float], status: str = "OK", data: str = "data/ptb") -> bytes:
    """As `main_one_model_train.py` writes it."""
    content: dict[str, Any] = {
        "data": data, "recepie_id": number, "recepies_list_path": "data/recepies.json",
        "cuda": True, "batch_size": 20, "nhid": 600, "epochs": 3, "lr": 0.001, "recepie": RECIPE,
        "experiment_id": 999_000 + number, "init_time": "2020-05-01_10-00-00",
        "num_params": 4_000_000 + number, "wall_times": [10.0] * len(losses),
        "train_losses": losses, "val_losses": losses, "test_losses": [x - 0.5 for x in losses],
        "status": status,
    }  # fmt: skip
    return json.dumps(content).encode()


def zipped(path: Path, logs: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in logs.items():
            archive.writestr(name, content)
    return path


LOGS = {
    "logs/log_stats_model_7_x_1.json": log(7, [6.0, 5.0, 5.5]),
    "logs/log_stats_model_8_x_2.json": log(8, [7.0, math.nan], "loss is nan!"),
    "logs/log_stats_model_9_x_3.json": log(9, [], "Exception: out of memory"),
    "__MACOSX/logs/._log.json": b"\0\5\x16\7",
}


def test_a_row_for_each_log(tmp_path: Path, convert) -> None:
    path = zipped(tmp_path / "logs.zip", LOGS)
    assert originals.recognise(path) == originals.original("nasbench-nlp")
    tables = convert("nasbench-nlp", path)
    assert set(tables) == {"nasbench_nlp_ptb"}
    first, second, third = tables["nasbench_nlp_ptb"]
    numbers = SPACE.to_indices([SPACE.architecture(RECIPE)])
    assert first.pop("row") == SPACE.canonical(numbers).astype(np.uint8).tobytes()
    assert first == {
        "recipe_id": 7, "experiment_id": 999_007, "recipe": RECIPE, "status": "OK",
        "params": 4_000_007, "epochs": 3, "final_val_loss": 5.5, "best_val_loss": 5.0,
        "final_test_loss": 5.0, "test_loss_at_best": 4.5, "wall_seconds": 30.0,
        "val_loss_epoch_1": 6.0, "val_loss_epoch_5": None, "val_loss_epoch_10": None,
        "val_loss_epoch_25": None,
    }  # fmt: skip
    assert (second["final_val_loss"], second["best_val_loss"]) == (None, 7.0)
    assert second["status"] == "loss is nan!"
    assert (third["epochs"], third["best_val_loss"], third["test_loss_at_best"]) == (0, None, None)


def test_a_folder_of_logs_and_a_recipe_that_does_not_fit(tmp_path: Path, convert) -> None:
    folder = tmp_path / "train_logs_single_run"
    folder.mkdir()
    (folder / "a.json").write_bytes(log(1, [5.0], data="data/ptb/"))
    (folder / "b.json").write_bytes(log(2, [4.0]).replace(b"activation_tanh", b"activation_gelu"))
    assert originals.recognise(folder) == originals.original("nasbench-nlp")
    fits, other = convert("nasbench-nlp", folder)["nasbench_nlp_ptb"]
    assert (fits["final_val_loss"], other["final_val_loss"]) == (5.0, 4.0)
    assert fits["row"] is not None
    assert other["row"] is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (log(1, [5.0])[:-10], "log_1.json: it is cut short or no JSON"),
        (b"[1]", "log_1.json: it is no log of a training"),
        (b'{"data": "data/ptb"}', "log_1.json: it is none of the benchmark's logs"),
        (log(1, [5.0], data="data/hywiki"), "trained on 'hywiki'; only ptb can be added"),
    ],
)
def test_broken_logs_are_told(
    tmp_path: Path, convert, nothing_left, content: bytes, message: str
) -> None:
    path = zipped(tmp_path / "logs.zip", {"log_0.json": log(0, [5.0]), "log_1.json": content})
    with pytest.raises(DataError, match=message):
        convert("nasbench-nlp", path)
    assert nothing_left()


def test_a_truncated_archive_is_told(tmp_path: Path, convert) -> None:
    path = zipped(tmp_path / "logs.zip", LOGS)
    path.write_bytes(path.read_bytes()[:-30])
    assert originals.recognise(path) is None
    with pytest.raises(DataError, match="cut short or no zip"):
        convert("nasbench-nlp", path)
