"""Where something is computed: the machine, and the versions that may change its numbers."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from optiproxy._version import __version__
from optiproxy.hardware import processor
from optiproxy.study._workers.pool import cores

# Whose versions may change a search; the last two are some methods' own, where installed.
_PACKAGES = ("torch", "numpy", "scipy", "optuna", "moocore", "pymoo", "smac")


def machine() -> dict[str, Any]:
    """The processor's name, how many cores this process may use, and the system."""
    return {"processor": processor(), "cores": cores(), "system": system()}


def system() -> str:
    return f"{platform.system()} {platform.machine()}"


def versions() -> dict[str, str]:
    """Package → version, of those that are installed; and Python's."""
    found = {"python": platform.python_version(), "optiproxy": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
