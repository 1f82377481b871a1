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
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from optiproxy.errors import DataError, InvalidValueError
from optiproxy.spaces import Architecture, Recurrent
from optiproxy.tables.nasbench_nlp import SHORT
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
# The name of its texts' folder, which every log has.
DATA_SET = "ptb"
# Recipes that are brought into their canonical form together.
_TOGETHER = 500


def looks_right(path: Path) -> bool:
    """Whether it is a folder or zip of such logs."""
    try:
        name, content = next(_logs(path))
        return "recepie" in _parsed(name, content)
    except (StopIteration, DataError, OSError):
        return False


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every log and writes the table.

    Raises:
        DataError: A log can't be read; the archive is cut short.
    """
    total = sum(1 for _ in _names(path))
    sheet = sheets.new(TABLE, COLUMNS)
    rows: list[list[Any]] = []
    for done, (name, content) in enumerate(_logs(path)):
        log = _parsed(name, content)
        try:
            data_set = str(log["data"]).rstrip("/").rpartition("/")[2]
            rows.append(_row(log))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{name}: it is none of the benchmark's logs ({error!r})") from None
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
    try:
        log = json.loads(content)
    except ValueError as error:
        raise DataError(f"{name}: it is cut short or no JSON ({error})") from None
    if not isinstance(log, dict):
        raise DataError(f"{name}: it is no log of a training")
    return log


def _names(path: Path) -> Iterator[str]:
    if path.is_dir():
        yield from (str(file) for file in sorted(path.rglob("*.json")))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if n.endswith(".json"))
    except zipfile.BadZipFile as error:
        raise DataError(f"the archive is cut short or no zip ({error})") from None
    # A folder that macOS adds has no logs.
    yield from (name for name in names if not name.startswith("__MACOSX/"))


def _logs(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from ((name, Path(name).read_bytes()) for name in _names(path))
        return
    names = list(_names(path))
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                yield name, archive.read(name)
    except zipfile.BadZipFile as error:
        raise DataError(f"the archive is cut short or altered ({error})") from None
