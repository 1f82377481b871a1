"""Rows of a dataclass as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from optiproxy._atomic_write import whole

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, kind: type[Any], rows: Sequence[Any]) -> None:
    """Writes rows of a dataclass, with the header also if there is no row.

    A metric that is only reported has two columns, its mean and its deviation over the seeds.
    """
    flat = [_flat(row) for row in rows]
    names = [f.name for f in fields(kind) if f.name != "reported"]
    names += list(dict.fromkeys(name for row in flat for name in row if name not in names))
    with whole(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writerow({name: _cell(name) for name in names})
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in flat)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, with a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _flat(row: Any) -> dict[str, Any]:
    plain = asdict(row)
    for name, (mean, std) in plain.pop("reported", {}).items():
        plain |= {name: mean, f"{name}_std": std}
    return plain
