"""What tests of several folders need."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Before torch is imported: small matrices on all cores are many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts its background jobs with SIGINT ignored, and children inherit that: the searches
# that tests stop by Ctrl-C would rightly go on. A handler of our own is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of NAS-Bench-201's and most other tables; without it the test is skipped."""
    for folder in os.environ.get("OPTIPROXY_DATA", "").split(os.pathsep):
        if folder and Path(folder, "nb201_accuracy.parquet").is_file():
            return Path(folder).resolve()  # it is linked to from other folders
    pytest.skip("set OPTIPROXY_DATA to the folder of the published tables")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no published tables."""
    folder = tmp_path / "home"
    folder.mkdir()
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "OPTIPROXY_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    return folder
