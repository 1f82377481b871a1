"""Every name that the documentation uses can be had, and importing the package stays light."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import optiproxy as op
from optiproxy.methods import METHODS

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]
MODULES = [name for name in op.__all__ if inspect.ismodule(getattr(op, name))]
FOLDERS = ["optiproxy", *(f"optiproxy.{name}" for name in MODULES)]
DOCUMENTED = sorted(
    {
        name
        for source in SOURCES
        for name in re.findall(r"\bop\.((?:\w+\.)?\w+)", source.read_text("utf-8"))
    }
    | {"baselines.RandomSearch", "proxies.Proxy", "proxies.GaussianProcess", "tables.Table"}
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_name_resolves(name: str) -> None:
    found: object = op
    for part in name.split("."):
        found = getattr(found, part)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_the_names_that_it_lists(folder: str) -> None:
    module = importlib.import_module(folder)
    listed = getattr(module, "__all__", ())
    assert [name for name in listed if not hasattr(module, name)] == []
    assert set(listed) <= {*dir(module), "__version__"}
    with pytest.raises(AttributeError, match=f"'{folder}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_hides_a_public_name_of_its_folder(folder: str) -> None:
    """`import folder.x` sets the folder's attribute `x`, whatever `x` was before."""
    module = importlib.import_module(folder)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if found.name in getattr(module, "__all__", ()) and not found.ispkg:
            inner = importlib.import_module(f"{folder}.{found.name}")
            assert not (getattr(module, found.name) is inner and hasattr(inner, found.name))


def test_every_baseline_is_in_its_folder() -> None:
    methods = [METHODS.get(name) for name in METHODS.names()]
    baselines = [m for m in methods if m.__module__.startswith("optiproxy.baselines.")]
    assert len(baselines) >= 8
    assert [m for m in baselines if getattr(op.baselines, m.__name__, None) is not m] == []


def test_importing_a_folder_of_lazy_names_loads_no_heavy_library() -> None:
    code = """
import sys
import optiproxy as op
dir(op), dir(op.baselines), dir(op.proxies), op.methods, op.metrics, op.errors, op.EvaluationFailed
print({"torch", "optuna", "scipy", "pyarrow"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_methods_are_also_where_they_were() -> None:
    from optiproxy import methods, search

    assert search.METHODS is methods.METHODS
