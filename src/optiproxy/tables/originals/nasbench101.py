"""NAS-Bench-101: ``nasbench_only108.tfrecord`` and ``nasbench_full.tfrecord``.

A record is a JSON list: the graph's hash, the epochs of training, the adjacency matrix as a text of
0 and 1, the operations joined by commas, and a protobuf message in base64 with what was measured at
the start, half way and at the end. A graph that was trained three times has three records.

The table has a row for each graph and number of epochs: means over the trainings, in %, and each
training on its own. Reference: Ying et al., ICML 2019, https://arxiv.org/abs/1902.09635.
"""

from __future__ import annotations

import base64
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import within
from optiproxy.tables.originals._tfrecord import fields, records
from optiproxy.tables.originals.base import Progress, Sheets, head

TABLE = "nasbench101"
TRAININGS = 3

# The hash's two halves as numbers: to be looked up without reading 32 letters a row.
COLUMNS = {
    "hash": "string",
    "hash_high": "uint64",
    "hash_low": "uint64",
    "epochs": "int32",
    "vertices": "int8",
    "adjacency": "string",
    "operations": "string",
    "params": "int64",
    "val_accuracy": "float64",
    "test_accuracy": "float64",
    "train_accuracy": "float64",
    "train_seconds": "float64",
    "halfway_val_accuracy": "float64",
    "halfway_test_accuracy": "float64",
    "trainings": "int8",
    **{f"val_accuracy_{i}": "float64" for i in range(TRAININGS)},
    **{f"test_accuracy_{i}": "float64" for i in range(TRAININGS)},
}

# Fields of nasbench/lib/model_metrics.proto: those of ModelMetrics, then of EvaluationData.
_EVALUATIONS, _PARAMETERS = 1, 2
_SECONDS, _TRAIN, _VALIDATION, _TEST = 2, 3, 4, 5
_MEASURED = (_SECONDS, _TRAIN, _VALIDATION, _TEST)


def looks_right(path: Path) -> bool:
    """Whether the first record is one of NAS-Bench-101's."""
    start = head(path, 14)
    return len(start) == 14 and start[4:8] == b"\0\0\0\0" and start[12:14] == b'["'


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every record and writes the table.

    Raises:
        DataError: The file is cut short, altered, or none of NAS-Bench-101's.
    """
    size = path.stat().st_size
    # Trainings of one graph need not be neighbours; a graph is written as soon as it has all three.
    waiting: dict[tuple[str, int], list[_Training]] = {}
    sheet = sheets.new(TABLE, COLUMNS)
    with open(path, "rb") as file:
        for number, record in enumerate(records(file)):
            training = _Training(number, record)
            runs = waiting.setdefault((training.hash, training.epochs), [])
            runs.append(training)
            if len(runs) == TRAININGS:
                sheet.add(*_row(waiting.pop((training.hash, training.epochs))))
            if number % 10_000 == 0:
                progress("records", file.tell() / size)
        for runs in waiting.values():
            sheet.add(*_row(runs))


class _Training:
    """One record."""

    # Up to a million are in memory until their graph is complete: little is kept of each.
    __slots__ = ("adjacency", "epochs", "hash", "measured", "operations", "params")

    def __init__(self, number: int, record: bytes) -> None:
        fault = f"record {number} is none of NAS-Bench-101's"
        with within(fault=fault):
            self.hash, self.epochs, self.adjacency, self.operations, message = json.loads(record)
            metrics = base64.b64decode(message, validate=True)
            vertices = math.isqrt(len(self.adjacency))
            sound = (
                isinstance(self.hash, str)
                and len(bytes.fromhex(self.hash)) == 16
                and isinstance(self.epochs, int)
                and vertices * vertices == len(self.adjacency)
                and not set(self.adjacency) - {"0", "1"}
                and self.operations.count(",") == vertices - 1
            )
        if not sound:
            raise DataError(fault)
        self.params = 0
        evaluations: list[dict[int, Any]] = []
        for field, value in fields(metrics):
            if field == _EVALUATIONS and isinstance(value, bytes):
                evaluations.append(dict(fields(value)))
            elif field == _PARAMETERS and isinstance(value, int):
                self.params = value
        # At the start, half way, at the end.
        if len(evaluations) < 3 or any(f not in e for e in evaluations[1:3] for f in _MEASURED):
            raise DataError(f"record {number} lacks what was measured")
        halfway, end = evaluations[1], evaluations[2]
        self.measured = tuple(
            [end[field] for field in _MEASURED] + [halfway[_VALIDATION], halfway[_TEST]]
        )
        self.adjacency, self.operations = sys.intern(self.adjacency), sys.intern(self.operations)


def _row(runs: list[_Training]) -> tuple[Any, ...]:
    first = runs[0]
    by_field = list(zip(*(run.measured for run in runs), strict=True))
    seconds, train, *accuracies = (statistics.fmean(values) for values in by_field)

    def each(place: int) -> list[float | None]:
        found: list[float | None] = [100 * value for value in by_field[place][:TRAININGS]]
        return found + [None] * (TRAININGS - len(found))

    return (
        first.hash, int(first.hash[:16], 16), int(first.hash[16:], 16), first.epochs,
        math.isqrt(len(first.adjacency)), first.adjacency, first.operations, first.params,
        *(100 * accuracy for accuracy in accuracies[:2]), 100 * train, seconds,
        *(100 * accuracy for accuracy in accuracies[2:]),
        len(runs), *each(_MEASURED.index(_VALIDATION)), *each(_MEASURED.index(_TEST)),
    )  # fmt: skip
