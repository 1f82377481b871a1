"""What tests of several folders need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the published tables; without it the test is skipped."""
    folder = os.environ.get("OPTIPROXY_DATA")
    if not folder:
        pytest.skip("set OPTIPROXY_DATA to the folder of the published tables")
    return Path(folder)
