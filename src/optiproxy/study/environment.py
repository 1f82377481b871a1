"""The machine and the package versions that results may depend on."""

from __future__ import annotations

import datetime
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from optiproxy._version import __version__
from optiproxy.hardware import cores, processor

# Packages that a search may depend on; the last two only for their own methods.
_PACKAGES = ("torch", "numpy", "scipy", "optuna", "moocore", "pymoo", "smac")


def machine() -> dict[str, Any]:
    """The processor's name, how many cores this process may use, and the system."""
    return {"processor": processor(), "cores": cores(), "system": system()}


def described() -> dict[str, str]:
    """The versions, and the machine in a line, for a report."""
    here = machine()
    line = f"{here['processor']}, {here['cores']} cores, {here['system']}"
    return {**versions(), "machine": line}


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


def packages() -> dict[str, str]:
    """Package → version, of everything that is installed."""
    found = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def commit() -> dict[str, Any]:
    """The commit of our repository, and whether tracked files differ from it.

    Both are None where this is no working copy: an installed package has a version instead.
    """
    try:
        # Fails in the repository of a project that the package is installed in.
        _git("ls-files", "--error-unmatch", __file__)
        changes = _git("status", "--porcelain", "--untracked-files=no")
        return {"commit": _git("rev-parse", "HEAD"), "uncommitted_changes": bool(changes)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "uncommitted_changes": None}


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
