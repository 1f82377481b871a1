"""NAS-Bench-NLP: the training logs, a JSON file for each recurrent network, in a folder or zip.

The table has a row for each log, with the network's canonical option numbers in `SPACE`, so that
no recipe has to be read again; they are empty where a recipe does not fit into it. Losses are
cross-entropies per word, in nats. A network may have several logs (the repeated trainings); one
that failed says so in its status.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from optiproxy.errors import DataError, InvalidValueError
from optiproxy.spaces import Architecture, Recurrent
from optiproxy.tables.nasbench_nlp import SHORT
from optiproxy.tables.originals._contents import member_names, members, within
from optiproxy.tables.originals.base import Progress, Sheet, Sheets

# "Up to 24 nodes and 3 hidden states", section 3 of the paper.
SPACE = Recurrent(24, 3)

COLUMNS = {
    "row": "binary",
    "recipe_id": "int64", "experiment_id": "int64", "recipe": "string", "status": "string",
    "params": "int64", "epochs": "int32",
    "final_val_loss": "float64", "best_val_loss": "float64", "final_test_loss": "float64",
    "test_loss_at_best": "float64", "wall_seconds": "float64",
    **{f"val_loss_epoch_{n}": "float64" for n in SHORT},
}  # fmt: skip

TABLE = "nasbench_nlp_ptb"
# What the logs' names end with.
LOG = ".json"
# The name of its texts' folder, which every log has.
DATA_SET = "ptb"
# Recipes that are brought into their canonical form together.
_TOGETHER = 500


def looks_right(path: Path) -> bool:
    """Whether it is a folder or zip of such logs."""
    name, content = next(members(path, LOG), ("", b"{}"))
    return "recepie" in _parsed(name, content)


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every log and writes the table.

    Raises:
        DataError: A log can't be read; the archive is cut short.
    """
    total = len(member_names(path, LOG))
    sheet = sheets.new(TABLE, COLUMNS)
    rows: list[list[Any]] = []
    for done, (name, content) in enumerate(members(path, LOG)):
        log = _parsed(name, content)
        with within(name, "it is none of the benchmark's logs"):
            data_set = str(log["data"]).rstrip("/").rpartition("/")[2]
            rows.append(_row(log))
        if data_set != DATA_SET:
            raise DataError(f"{name}: trained on {data_set!r}; only {DATA_SET} can be added")
        if len(rows) == _TOGETHER:
            _write(sheet, rows)
            progress("logs", done / max(total, 1))
    _write(sheet, rows)


def _write(sheet: Sheet, rows: list[list[Any]]) -> None:
    """Writes the rows with their networks' numbers, and empties the list."""
    archs = [_architecture(row[2]) for row in rows]
    known = [arch for arch in archs if arch is not None]
    numbers = iter(SPACE.canonical(SPACE.to_indices(known)).astype(np.uint8))
    for arch, row in zip(archs, rows, strict=True):
        sheet.add(None if arch is None else next(numbers).tobytes(), *row)
    rows.clear()


def _architecture(recipe: str) -> Architecture | None:
    try:
        return SPACE.architecture(recipe)
    except InvalidValueError:
        return None


def _row(log: dict[str, Any]) -> list[Any]:
    """A table's row but for the network's numbers."""
    validation = [_finite(loss) for loss in log["val_losses"]]
    test = [_finite(loss) for loss in log["test_losses"]]
    known = [i for i, loss in enumerate(validation) if loss is not None]
    best = min(known, key=lambda i: validation[i] or math.inf) if known else None
    return [
        int(log["recepie_id"]), int(log["experiment_id"]), str(log["recepie"]), str(log["status"]),
        int(log["num_params"]), len(validation),
        validation[-1] if validation else None,
        None if best is None else validation[best],
        test[-1] if test else None,
        None if best is None or best >= len(test) else test[best],
        float(sum(log["wall_times"])),
        *(validation[n - 1] if n <= len(validation) else None for n in SHORT),
    ]  # fmt: skip


def _finite(loss: Any) -> float | None:
    return float(loss) if loss is not None and math.isfinite(loss) else None


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    with within(name, "it is cut short or no JSON"):
        log = json.loads(content)
    if not isinstance(log, dict):
        raise DataError(f"{name}: it is no log of a training")
    return log
