"""The machine and the package versions that results may depend on."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from optiproxy._version import __version__
from optiproxy.hardware import cores, processor

# Packages that a search may depend on; the last two only for their own methods.
_PACKAGES = ("torch", "numpy", "scipy", "optuna", "moocore", "pymoo", "smac")


def machine() -> dict[str, Any]:
    """The processor's name, how many cores this process may use, and the system."""
    return {"processor": processor(), "cores": cores(), "system": system()}


def system() -> str:
    return f"{platform.system()} {platform.machine()}"


def versions() -> dict[str, str]:
    """Package → version, of the installed ones, and Python's."""
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
