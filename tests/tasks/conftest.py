"""What the tests of tasks share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no published tables."""
    folder = tmp_path / "home"
    folder.mkdir()
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "OPTIPROXY_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder
