"""The scripts of `benchmarks` start as documented, and their result files can be traced."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "benchmarks").rglob("*.py")
    if not path.name.startswith("_")
)

# One process for all, since each would load torch. A script finds only what Python would find for
# it, and none of the modules of this folder that another one has loaded.
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
    """Script → what it prints for ``--help``, or how it failed."""
    command = [sys.executable, "-c", START_ALL, *SCRIPTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_starts(said: dict[str, str], script: str) -> None:
    assert said[script].startswith("usage:"), said[script]


def test_tables_of_the_documents_are_those_of_the_files() -> None:
    done = _run("benchmarks/tables.py", "--check")
    assert done.returncode == 0, f"run python benchmarks/tables.py: {done.stdout}"


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, *map(str, words)]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)


def test_each_result_of_a_document_has_a_quick_command(tmp_path: Path) -> None:
    done = _run("benchmarks/all.py", "--list", "--quick", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    commands = done.stdout.splitlines()
    assert len(commands) > 30
    assert all("--seeds 3" in line for line in commands if "compare" in line or "nb201.py" in line)
    # None above the budget, which compare would refuse.
    assert not any(re.search(r"compare .*--budgets (?!12 )", line) for line in commands)
    assert _run("benchmarks/all.py", "--quick").returncode == 2  # it needs a folder of its own


def test_results_are_made_again_and_then_kept(tmp_path: Path) -> None:
    """Of language models with a limit, by TPE, and of the speed of a function's space.

    All of them take more than a minute: over forty commands, each of which loads torch.
    """
    words = ["benchmarks/all.py", "--quick", "--only", "hardware-hwgpt-s-tpe", "nn-spaces"]
    done = _run(*words, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    labels = sorted(path.stem[len("2026-11-30-") :] for path in tmp_path.iterdir())
    assert labels == ["hardware-hwgpt-s-tpe", "nn-spaces"]
    for path in tmp_path.glob("*hardware*"):
        (regrets,) = {len(v["regret"]) for v in json.loads(path.read_text())["values"].values()}
        assert regrets == 3
    # What the same code has made is kept, unless the code is not committed.
    changed = any(json.loads(p.read_text())["uncommitted_changes"] for p in tmp_path.iterdir())
    listed = _run(*words, "--out", tmp_path, "--list").stdout
    assert listed.count("(kept)") == (0 if changed else 2)


def test_the_twelve_published_hardware_tasks(tmp_path: Path) -> None:
    words = ["--published", "--methods", "random", "--seeds", "2", "--budget", "10"]
    done = _run("benchmarks/hardware.py", *words, "--processes", "1", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.iterdir()
    values = json.loads(path.read_text())["values"]
    assert len(values) == 12
    assert all(len(found["regret"]) == 2 for found in values.values())


def test_a_result_can_be_traced_and_computed_again(tmp_path: Path) -> None:
    script = "benchmarks/experiments/peaks.py"
    words = [script, "--seeds", "2", "--methods", "random", "--processes", "1", "--out", tmp_path]
    subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=True)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    assert content["command"] == f"python {script} --seeds 2 --methods random --processes 1"
    assert {"optiproxy", "torch", "numpy", "scipy", "optuna"} <= set(content["versions"])
    assert "out" not in content["settings"]
    for name, row in content["results"].items():
        for queries, values in content["values"][name].items():
            assert row[queries]["mean_regret"] == pytest.approx(sum(values) / 2, abs=1e-4)


def test_a_single_seed_gives_json_without_nan(tmp_path: Path) -> None:
    script = "benchmarks/experiments/peaks.py"
    words = [script, "--seeds", "1", "--methods", "random", "--processes", "1", f"--out={tmp_path}"]
    subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=True)
    (file,) = tmp_path.iterdir()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(file.read_text(), parse_constant=refuse)
    assert content["results"]["branin, 2 x 50, random"]["40"]["std"] is None


def test_a_result_names_its_commit_and_whether_files_were_changed(tmp_path: Path) -> None:
    # In a repository of its own, so that there is a commit whatever this folder is.
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    scripts = tmp_path / "benchmarks"
    scripts.mkdir()
    shutil.copy(ROOT / "benchmarks" / "_results.py", scripts)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    made = "import json, _results; print(json.dumps(_results._code()))"

    def code() -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-c", made], cwd=scripts, capture_output=True, text=True, check=True
        )
        found: dict[str, object] = json.loads(done.stdout)
        return found

    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert code() == {"commit": head.stdout.strip(), "uncommitted_changes": False}
    with (scripts / "_results.py").open("a") as script:
        script.write("# changed\n")
    assert code()["uncommitted_changes"] is True


CANDIDATES_OF_CLIMBS = """
import json, sys
import optiproxy as op
from optiproxy.search.optiproxy import OptiProxy

sys.path.insert(0, "benchmarks/experiments")
from climb import VARIANTS

task = op.Task("cells", op.spaces.Cell(4, op.spaces.NB201_OPERATIONS), len, objectives={"n": "max"})
sources, found = OptiProxy._sources, {}
for name, make in VARIANTS.items():
    def recorded(*arguments):
        made = sources(*arguments)
        found[name] = made[0].tolist()
        return made

    OptiProxy._sources = recorded
    optimizer = make(task, 0)
    archs = optimizer.ask(10)
    optimizer.tell(archs, [{"n": n} for n in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3)])
    optimizer.ask(1)
print(json.dumps(found))
"""


CANDIDATES_OF_PUBLISHED = """
import json, sys
import optiproxy as op
from optiproxy.search.paper import Paper

sys.path.insert(0, "benchmarks/experiments")
from published import VARIANTS

task = op.Task("cells", op.spaces.Cell(4, op.spaces.NB201_OPERATIONS), len, objectives={"n": "max"})
candidates, found = Paper._candidates, {}
for name, make in VARIANTS.items():
    if name == "whole table":  # Of a published table.
        continue

    def recorded(*arguments):
        made = candidates(*arguments)
        found[name] = made[0].tolist()  # Of the second round: what is kept is used there.
        return made

    Paper._candidates = recorded
    optimizer = make(task, 0)
    for batch in (10, 5, 5):
        archs = optimizer.ask(batch)
        optimizer.tell(archs, [{"n": n} for n in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3)[:batch]])
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("code", "variants"),
    [(CANDIDATES_OF_CLIMBS, 8), (CANDIDATES_OF_PUBLISHED, 5)],
    ids=["climb", "published"],
)
def test_every_variant_has_other_candidates(code: str, variants: int) -> None:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == variants
    assert len({str(rows) for rows in found.values()}) == variants
