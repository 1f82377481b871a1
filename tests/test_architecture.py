"""Rules that concern all modules: imports between folders, types, style, start-up."""

from __future__ import annotations

import doctest
import importlib
import os
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "optiproxy"
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if ">>> " in file.read_text("utf-8")
)
SCRIPTS = Path(sys.executable).parent

# Start-up is limited in processor time, the best of so many runs: other tests run beside this one.
RUNS = 5


def _run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "checker",
    [
        pytest.param([sys.executable, "-m", "ruff", "check", "."], id="lint"),
        pytest.param([sys.executable, "-m", "ruff", "format", "--check", "."], id="format"),
        pytest.param([sys.executable, "-m", "mypy"], id="types"),
        pytest.param([sys.executable, "-m", "mypy", "tests/user_program.py"], id="users-types"),
        pytest.param([SCRIPTS / "lint-imports"], id="arrows"),
    ],
)
def test_checker_finds_nothing(checker: list[str | Path]) -> None:
    done = _run(*checker)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("import optiproxy", id="import"),
        pytest.param(
            "sys.argv = ['optiproxy', '--help']; from optiproxy.cli import main; main()", id="help"
        ),
    ],
)
def test_heavy_libraries_are_not_loaded(statement: str) -> None:
    code = f"""
import atexit, sys
heavy = ("torch", "optuna", "matplotlib", "scipy", "pandas", "pyarrow")
atexit.register(lambda: print("LOADED", *(m for m in heavy if m in sys.modules), file=sys.stderr))
{statement}
"""
    done = _run(sys.executable, "-c", code)
    assert done.stderr.strip().splitlines()[-1] == "LOADED", done.stderr


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        pytest.param([sys.executable, "-c", "import optiproxy"], 0.3, id="import"),
        pytest.param([SCRIPTS / "optiproxy", "--help"], 0.5, id="help"),
    ],
)
def test_starts_quickly(command: list[str | Path], seconds: float) -> None:
    took = []
    for _ in range(RUNS):
        before = os.times()
        done = _run(*command)
        after = os.times()
        took.append(after.children_user + after.children_system)
        took[-1] -= before.children_user + before.children_system
        assert done.returncode == 0, done.stderr
    assert min(took) < seconds, took


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # An example may write a file.
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0  # What was expected, and what came, is in the captured output.


def test_no_circle_of_files() -> None:
    """Also through the `__init__` of a folder, which the contract of import-linter leaves out."""
    graph = grimp.build_graph(
        "optiproxy", cache_dir=None
    )  # with imports in functions and for types
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" ← ".join(error.args[1]))


def test_no_folder_holds_more_than_a_fifth_of_the_lines() -> None:
    lines = Counter[str]()
    for file in PACKAGE.rglob("*.py"):
        lines[file.relative_to(PACKAGE).parts[0]] += len(file.read_text("utf-8").splitlines())
    (largest, most), *_ = lines.most_common()
    assert most <= lines.total() / 5, f"{largest}: {most} of {lines.total()}"


def test_no_source_file_is_left_out_of_the_wheel() -> None:
    """A folder without `__init__.py` would be missing after `pip install .`."""
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []
