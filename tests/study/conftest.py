"""Makes `study_toys` importable, here and in worker processes; comparisons without processes."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from optiproxy.study.comparison import cells
from optiproxy.study.comparison.run import compute

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="session")
def in_this_process():
    """A context in which a comparison starts no workers, which is faster."""

    def computed(missing, workers):
        for path, cell in missing.items():
            compute(cell, path)
            yield path

    @contextmanager
    def patched():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cells, "_computed", computed)
            yield

    return patched


@pytest.fixture
def here(in_this_process):
    """The searches of a comparison run in this process."""
    with in_this_process():
        yield
