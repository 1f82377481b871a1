"""Dated result files: what was measured, with the code, the machine, the versions and the command.

A file holds ``results`` (what is reported) and ``values`` (what it is computed from: one number a
seed, in the order of the seeds), so that every mean and every test can be computed again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from optiproxy._atomic_write import whole

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A command line with ``--out``; the description is the first line of a docstring."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument(
        "--out", type=Path, default=RESULTS, metavar="FOLDER", help="default: benchmarks/results"
    )
    return made


def write(
    name: str,
    options: argparse.Namespace,
    results: Any,
    values: Mapping[str, Any] | None = None,
) -> Path:
    """Writes ``DATE-name.json`` into ``options.out`` and returns its path.

    Args:
        name: Of the experiment.
        options: Of the command line; all but the folder are stored as settings.
        results: What is reported.
        values: The same by seed, nested mappings of lists; None where nothing depends on a seed.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    content = {
        "date": today,
        "command": _command(),
        **_code(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        },
        "versions": {p: version(p) for p in ("optiproxy", "torch", "numpy", "scipy", "optuna")},
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
        "results": results,
        **({} if values is None else {"values": values}),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / f"{today}-{name}.json"
    with whole(path) as unfinished:
        unfinished.write_text(_text(content) + "\n")
    return path


def std(values: ArrayLike) -> float | None:
    """The sample standard deviation, for a result file; None of a single value."""
    data = np.asarray(values, dtype=np.float64)
    return round(float(data.std(ddof=1)), 5) if len(data) > 1 else None


def _text(value: Any, indent: int = 0) -> str:
    """JSON with one key a line and a list on its line; null for numbers that are not finite."""
    if not isinstance(value, Mapping) or not value:
        return json.dumps(_finite(value), allow_nan=False)
    margin = " " * (indent + 1)
    lines = (f"{margin}{json.dumps(str(k))}: {_text(v, indent + 1)}" for k, v in value.items())
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"


def _finite(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _code() -> dict[str, Any]:
    """The commit of the repository, and whether tracked files differ from it; None without git."""
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "uncommitted_changes": None}
    return {"commit": commit, "uncommitted_changes": bool(changes)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _command() -> str:
    """The command as called from the repository's root, without ``--out``."""
    path = Path(sys.argv[0]).resolve()
    script = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--out":
            next(words)
        elif not word.startswith("--out="):
            kept.append(word)
    return shlex.join(["python", script, *kept])
