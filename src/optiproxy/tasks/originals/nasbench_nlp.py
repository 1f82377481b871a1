"""NAS-Bench-NLP: the training logs, a JSON file for each recurrent network, in a folder or zip.

The table has a row for each log. Losses are cross-entropies per word, in nats, and lists by epoch.
A network may have several logs (the repeated trainings); one that failed says so in its status.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError
from optiproxy.tasks.originals.base import Progress, Sheets

COLUMNS = {
    "recipe_id": "int64", "experiment_id": "int64", "recipe": "string", "status": "string",
    "params": "int64", "epochs": "int32",
    "final_val_loss": "float64", "best_val_loss": "float64", "final_test_loss": "float64",
    "test_loss_at_best": "float64", "wall_seconds": "float64",
}  # fmt: skip

# A log's data folder → the table.
TABLES = {"ptb": "nasbench_nlp_ptb", "wikitext-2": "nasbench_nlp_logs_wikitext2"}


def looks_right(path: Path) -> bool:
    """Whether it is a folder or zip of such logs."""
    try:
        name, content = next(_logs(path))
        return "recepie" in _parsed(name, content)
    except (StopIteration, DataError, OSError):
        return False


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every log and writes a table for each data set.

    Raises:
        DataError: A log can't be read; the archive is cut short.
    """
    total = sum(1 for _ in _names(path))
    for done, (name, content) in enumerate(_logs(path)):
        log = _parsed(name, content)
        try:
            data_set = str(log["data"]).rstrip("/").rpartition("/")[2]
            row = _row(log)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{name}: it is none of the benchmark's logs ({error!r})") from None
        table = TABLES.get(data_set)
        if table is None:
            raise DataError(f"{name}: trained on {data_set!r}; known are {', '.join(TABLES)}")
        sheet = sheets.sheets.get(table) or sheets.new(table, COLUMNS)
        sheet.add(*row)
        if done % 100 == 0:
            progress("logs", done / max(total, 1))


def _row(log: dict[str, Any]) -> list[Any]:
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
