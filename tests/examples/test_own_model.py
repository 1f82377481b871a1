"""The example of a user's model, searched under its limit by two workers as its docstring says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import optiproxy as op

FILE = Path(__file__).parents[2] / "examples" / "own_model.py"
OPTIPROXY = Path(sys.executable).with_name("optiproxy")


def test_it_is_short() -> None:
    assert sum(bool(line.strip()) for line in FILE.read_text("utf-8").splitlines()) < 25


def test_its_largest_network_is_a_resnet_18() -> None:
    """That of torchvision has 11.7 million parameters, for 1,000 classes and larger images."""
    task = op.load(f"{FILE}:task")
    largest = task.space.architecture({n: o[-1] for n, o in task.space.choices.items()})
    assert 10.9e6 < task.exact["params"](largest) < 11.5e6
    assert task.space.count == 4 * (2 + 4) ** 4
    assert task.build(largest)(task.example_input()).shape == (1, 10)  # type: ignore[misc]


@pytest.mark.slow
def test_it_is_searched_under_its_limit_by_two_workers(tmp_path: Path) -> None:
    shutil.copy(FILE, tmp_path)
    command = ["search", "own_model.py:task", "--budget", "6", "--workers", "2", "--json"]
    done = subprocess.run(
        [OPTIPROXY, *command], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["queries"] == 6
    assert all(query["metrics"]["params"] <= 500_000 for query in found["trajectory"])
    # Measured: 96.7 % after 3 epochs; 10 % is chance.
    assert found["best"]["metrics"]["val_accuracy"] > 85
