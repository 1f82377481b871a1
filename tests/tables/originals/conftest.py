"""What the tests of the benchmarks' own files share: hostile pickles, and one way to convert."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optiproxy.tables import originals


class Hostile:
    """Pickled, it is a call of `os.system` that leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (f"touch '{self.trace}'",)


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path / "it-ran")


@pytest.fixture
def convert(tmp_path: Path) -> Callable[[str, Path], dict[str, list[dict[str, Any]]]]:
    """Converts a file of a few architectures as the one of a name: table → its rows."""

    def run(name: str, path: Path) -> dict[str, list[dict[str, Any]]]:
        import pyarrow.parquet as pq

        known = dataclasses.replace(originals.original(name), tables={})
        steps: list[tuple[str, float]] = []
        paths = originals.convert(
            known, path, tmp_path / "tables", lambda *step: steps.append(step)
        )
        assert steps[-1] == ("done", 1.0)
        assert all(0 <= done <= 1 for _, done in steps)
        assert sorted(paths) == sorted((tmp_path / "tables").iterdir())
        return {p.stem: pq.read_table(p).to_pylist() for p in paths}

    return run


@pytest.fixture
def nothing_left(tmp_path: Path) -> Callable[[], bool]:
    """Whether no table, not even a half one, is there."""

    def check() -> bool:
        folder = tmp_path / "tables"
        return not folder.exists() or not list(folder.iterdir())

    return check
