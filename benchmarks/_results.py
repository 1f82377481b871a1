"""Dated result files: what was measured, with the machine, the versions and the command."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from optiproxy._atomic_write import whole

RESULTS = Path(__file__).parent / "results"


def write(name: str, settings: dict[str, Any], results: Any) -> Path:
    """Writes ``results/DATE-name.json`` whole and returns its path."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    content = {
        "date": today,
        "command": shlex.join(["python", _script(), *sys.argv[1:]]),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        },
        "versions": {p: version(p) for p in ("optiproxy", "torch", "numpy", "scipy")},
        "settings": settings,
        "results": results,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{today}-{name}.json"
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _script() -> str:
    """The script as it is called from the repository's root."""
    path = Path(sys.argv[0]).resolve()
    root = RESULTS.parents[1]
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
