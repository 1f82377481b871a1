"""The scripts of `benchmarks` start as their documentation says: from the root, as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "benchmarks").rglob("*.py")
    if not path.name.startswith("_")
)

# One process for all, since each would load torch: a script finds only what Python would find for
# it, and none of the modules that another one has loaded from here.
START_ALL = """
import contextlib, io, json, runpy, sys, traceback
from pathlib import Path

found, path = {}, sys.path[1:]
for script in sys.argv[1:]:
    sys.path[:] = [str(Path(script).parent), *path]
    for name, module in list(sys.modules.items()):
        if Path("benchmarks").resolve() in Path(getattr(module, "__file__", None) or "/").parents:
            del sys.modules[name]
    sys.argv = [script, "--help"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            said.write(f"exit code {end.code}" if end.code else "")
        except Exception:
            said.write(traceback.format_exc())
    found[script] = said.getvalue()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """Script → what it says to ``--help``, or how it failed."""
    command = [sys.executable, "-c", START_ALL, *SCRIPTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_starts(said: dict[str, str], script: str) -> None:
    assert said[script].startswith("usage:"), said[script]
