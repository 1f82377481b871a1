"""Makes `study_toys` importable, here and in worker processes; comparisons without processes."""

import os
import sys
from pathlib import Path

import pytest

from optiproxy.study.comparison import cells
from optiproxy.study.comparison.run import compute

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture
def here(monkeypatch):
    """The searches of a comparison run in this process, which is faster than to start workers."""

    def computed(missing, workers):
        for path, cell in missing.items():
            compute(cell, path)
            yield path

    monkeypatch.setattr(cells, "_computed", computed)
