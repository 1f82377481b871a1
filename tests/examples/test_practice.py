"""The examples from practice, each run in its short form as its docstring says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import optiproxy as op

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(f for f in EXAMPLES.glob("*.py") if "--quick" in f.read_text("utf-8"))


def _needed(file: Path) -> None:
    for module in re.findall(r"^(?:import|from) (\w+)", file.read_text("utf-8"), re.M):
        pytest.importorskip(module)
    if "onnx" in file.read_text("utf-8"):
        pytest.importorskip("onnxruntime")


def test_there_are_some() -> None:
    assert len(FILES) >= 9


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_says_how_it_is_run_and_what_to_change(file: Path) -> None:
    said = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    assert f"python examples/{file.name} --quick" in said
    assert "For the real thing" in said
    assert all(len(line) <= 110 for line in said.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs_and_compares_with_random_search(file: Path, tmp_path: Path) -> None:
    _needed(file)
    done = subprocess.run(
        [sys.executable, file, "--quick"], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search("^.*random.*[0-9]", done.stdout, re.M | re.I), done.stdout
    assert re.search("^.*optiproxy.*[0-9]", done.stdout, re.M | re.I), done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_its_task_is_found_by_the_command_line(file: Path) -> None:
    _needed(file)
    for name in re.findall(
        rf"optiproxy search examples/{file.name}:(\w+)", file.read_text("utf-8")
    ):
        if name == "task":  # The other one trains a network first.
            assert op.load(f"{file}:task").name == file.stem.replace("_", "-")
