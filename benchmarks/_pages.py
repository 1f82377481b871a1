"""Shared by what writes tables of results: the stored results, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import _results

NB201 = ("cifar10", "cifar100", "imagenet16-120")
NB201_SHOWN = dict(zip(NB201, ("CIFAR-10", "CIFAR-100", "ImageNet16-120"), strict=True))

Lines = list[str]

# With which the name of a result begins.
DAY = "[0-9]" * 4 + "-[0-9][0-9]-[0-9][0-9]"


class Source:
    """A stored result: its content, and the line that names its command and file."""

    def __init__(self, found: str | Path) -> None:
        path = newest(found) if isinstance(found, str) else found
        self.content: dict[str, Any] = json.loads(path.read_text())
        self.results: dict[str, Any] = self.content["results"]
        self.line = cited(self.content["command"], path)


def newest(label: str) -> Path:
    """The newest file or folder of an experiment; their names begin with the date.

    Raises:
        FileNotFoundError: There is none.
    """
    ends = ("", ".json")
    found = [path for end in ends for path in _results.RESULTS.glob(f"{DAY}-{label}{end}")]
    if not found:
        raise FileNotFoundError(f"{_results.RESULTS} has no result {label!r}")
    return max(found)


def cited(command: str, path: Path) -> str:
    link = path.relative_to(_results.ROOT)
    return f"`{command}` → [{path.name}](../{link.as_posix()})"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *sources: str) -> Lines:
    """Markdown; the sources stand below, each on a line."""
    lines = [_row(heads), "|---" * len(heads) + "|", *map(_row, rows)]
    return [*lines, "", "  \n".join(sources)] if sources else lines


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def regret(value: float) -> str:
    return f"{value:.3f}"


def share(value: float) -> str:
    return f"{value:.0%}".replace("%", " %")
