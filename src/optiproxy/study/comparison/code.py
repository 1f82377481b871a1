"""The code that decides what a search finds, as a hash: searches made by other code are stale."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from functools import partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from optiproxy import proxies
from optiproxy._version import __version__
from optiproxy.study._method import Method
from optiproxy.study._storage.identity import code_of
from optiproxy.tables.table import Table
from optiproxy.tasks import Task


def of_method(method: Method) -> str:
    """A hash of our version and sources, and of a method's or proxy's own if it is not ours."""
    parts = [__version__, _ours(), *_elsewhere(method.make)]
    if method.proxy is not None:
        parts += _elsewhere(proxies.get(method.proxy))
    return _hash(parts)


def of_task(task: Task) -> str | None:
    """A hash of what decides a task's results; None if nothing is known of it.

    For a task that is loaded by a name that is the user's file; for one that was made in a program
    the contents of a table, or the source of the functions.
    """
    if task.reference is not None:
        return code_of(task)
    if isinstance(task, Table):
        parts = [task.values(metric).tobytes() for metric in sorted(task.metrics)]
        return hashlib.sha256(b"".join(parts)).hexdigest()
    try:
        functions: list[Any] = [task.evaluator, *task.exact.values(), *task.cheap.values()]
        return _hash([inspect.getsource(function) for function in functions])
    except (OSError, TypeError):  # Typed into an interpreter, or callable objects.
        return code_of(task)


def _elsewhere(made: Any) -> list[str]:
    """The source of the module of a class or function, and its package's version; empty if ours."""
    made = made.func if isinstance(made, partial) else made
    module = getattr(made, "__module__", "")
    package = module.partition(".")[0]
    if package == "optiproxy":
        return []
    file = getattr(sys.modules.get(module), "__file__", None)
    source = Path(file).read_text("utf-8", "replace") if file else ""
    versions = [version(name) for name in _distributions().get(package, [])]
    return [f"{module}.{made.__qualname__}", source, *versions]


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return {package: sorted(set(found)) for package, found in packages_distributions().items()}


@functools.cache
def _ours() -> str:
    """A hash of those of our sources that decide results: they may change between versions."""
    package = Path(__file__).parents[2]
    shown = {package / "cli", package / "report"}
    files = sorted(file for file in package.rglob("*.py") if not shown & set(file.parents))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
