"""Wheel and sdist, built and installed in a clean environment, and a package that adds to ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "plugin"
KEPT = ("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile",
        "README.md", "pyproject.toml", "docs", "examples", "src", "tests")  # fmt: skip

pytestmark = pytest.mark.slow


def _run(*command: str | Path, cwd: Path) -> str:
    """The standard output, of a process that does not see this checkout."""
    hidden = ("PYTHONPATH", "OPTIPROXY_DATA")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    home = tmp_path_factory.mktemp("checkout")
    leave_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "_build", ".*_cache")
    for name in KEPT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, home / name, ignore=leave_out)
        else:
            shutil.copy(ROOT / name, home / name)
    dist = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, home, cwd=dist)
    return dist


@pytest.fixture(scope="module")
def environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel; other packages are read where the tests have them."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Such files in the folder named here are not read, so that our editable checkout stays out.
    (packages / "others.pth").write_text(str(Path(pytest.__file__).parents[1]) + "\n")
    _install(folder, *built.glob("*.whl"))
    return folder


def _install(environment: Path, *what: Path) -> None:
    _run(
        sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install",
        "--quiet", "--no-index", "--no-deps", "--ignore-installed", "--no-build-isolation", *what,
        cwd=environment,
    )  # fmt: skip


def test_what_the_sdist_has(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "CHANGELOG.md", "CITATION.cff", "LICENSE", "docs/index.md", "examples/own_model.py",
        "examples/plugin/pyproject.toml", "src/optiproxy/py.typed", "tests/test_distribution.py",
    } <= names  # fmt: skip
    assert not [name for name in names if "__pycache__" in name or name.startswith(".")]


def test_the_wheel_is_whole(environment: Path, tmp_path: Path) -> None:
    """Imports and files of the package: a table, a report, a starter, the version."""
    code = "import optiproxy as op; from importlib.metadata import version"
    code += "; print(op.__file__, version('optiproxy'))"
    file, version = _run(environment / "bin" / "python", "-c", code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(environment)
    optiproxy = environment / "bin" / "optiproxy"
    search = ("search", "mnist1d-table", "--budget", "12", "--method", "random")
    found = json.loads(_run(optiproxy, *search, "--json", cwd=tmp_path))
    assert found["queries"] == 12
    stored = ("--storage", "runs.journal", "--name", "a")
    _run(optiproxy, *search, *stored, cwd=tmp_path)
    _run(optiproxy, "report", "a", *stored[:2], "--out", "report.html", cwd=tmp_path)
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    _run(optiproxy, "init", "mine", "--kind", "model", cwd=tmp_path)
    assert list((tmp_path / "mine").glob("*.py"))
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_a_package_that_adds_to_it(environment: Path, tmp_path: Path) -> None:
    """Names by entry points: a task with a space, a proxy, a method and a score."""
    plugin = tmp_path / "plugin"
    shutil.copytree(PLUGIN, plugin, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    _install(environment, plugin)
    for options in (["--method", "neighbours"], ["--proxy", "ridge"]):
        command = ["search", "stripes", "--budget", "6", "--in-process", "--json", *options]
        found = json.loads(_run(environment / "bin" / "optiproxy", *command, cwd=tmp_path))
        assert found["queries"] == 6
    _run(
        environment / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        plugin / "tests", cwd=plugin,
    )  # fmt: skip


def test_the_sdist_installs(built: Path, environment: Path) -> None:
    before = _run(environment / "bin" / "python", "-m", "optiproxy.cli", "tasks", cwd=environment)
    _install(environment, *built.glob("*.tar.gz"))
    after = _run(environment / "bin" / "python", "-m", "optiproxy.cli", "tasks", cwd=environment)
    assert after == before
