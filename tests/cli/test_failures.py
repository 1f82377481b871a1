"""``optiproxy show`` and ``retry``, and the options that bound evaluations."""

from __future__ import annotations

import json
import os
import re

import pytest

from optiproxy.cli.app import run
from optiproxy.study import Study

TASK = """
import os, signal, time
import optiproxy as op

space = op.spaces.Chain({"width": [1, 2, 3, 4]})


def evaluate(arch):
    mended = os.path.exists("mended")
    if arch["width"] == 1 and not mended:
        raise MemoryError("all of it")
    if arch["width"] == 2 and not mended:
        return broken_line_of_the_user(arch)
    if arch["width"] == 3 and not mended:
        os.kill(os.getpid(), signal.SIGKILL)
    if arch["width"] == 4 and not mended:
        time.sleep(600)
    return float(arch["width"])


def broken_line_of_the_user(arch):
    raise KeyError("lr")


task = op.Task("fails", space, evaluate, objectives={"val": "max"})
"""


@pytest.fixture
def failed(folder, capsys):
    """A search in which each of the four architectures fails in its own way."""
    (folder / "fails.py").write_text(TASK)
    arguments = ["--method", "random", "--budget", "4", "--name", "f", "--time-limit", "2s"]
    assert run(["search", "fails.py:task", *arguments]) == 1
    said = capsys.readouterr().out
    study = Study.load("f", "f.journal")
    return said, {r.architecture["width"]: r for r in study.queries}


@pytest.mark.slow
def test_failures_are_listed_shown_and_retried(failed, folder, capsys):
    said, records = failed
    assert {w: r.kind for w, r in records.items()} == {
        1: "oom", 2: "KeyError", 3: "died", 4: "time-limit",
    }  # fmt: skip
    line = next(line for line in said.splitlines() if line.startswith("failed: "))
    assert line.startswith("failed: 4 of 4 evaluations: 1 ")
    assert all(f"1 {kind}" in line for kind in ("oom", "KeyError", "died", "time-limit"))
    assert re.search(r"^  optiproxy show f --query \d$", said, re.M)
    assert run(["show", "f"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert {line.split("failed, ")[1].split()[0] for line in lines} == {
        "oom", "KeyError", "died", "time-limit",
    }  # fmt: skip
    assert run(["show", "f", "--kind", "oom"]) == 0
    assert "oom" in capsys.readouterr().out
    assert run(["show", "f", "--query", str(records[2].query)]) == 0
    shown = capsys.readouterr().out
    assert "failed (KeyError)  KeyError: 'lr'" in shown
    assert 'in broken_line_of_the_user\n    raise KeyError("lr")' in shown
    assert "worker  0" in shown
    assert run(["show", "f", "--query", "9"]) == 2
    assert run(["show", "f", "--kind", "omm"]) == 2
    assert "did you mean 'oom'" in capsys.readouterr().err

    (folder / "mended").touch()
    assert run(["retry", "f", "--kind", "oom"]) == 0
    assert f"evaluated again: {records[1].query}; go on with: optiproxy resume f" in (
        capsys.readouterr().out
    )
    assert run(["resume", "f", "--in-process", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["best"]["metrics"] == {"val": 1.0}
    failures = {q["kind"] for q in found["trajectory"] if "kind" in q}
    assert failures == {"KeyError", "died", "time-limit"}
    assert run(["retry", "f"]) == 0
    assert run(["worker", "f", "--storage", "f.journal"]) == 0
    assert len([r for r in Study.load("f", "f.journal").queries if r.metrics]) == 4
    capsys.readouterr()
    assert run(["retry", "f"]) == 0
    assert capsys.readouterr().out == "f: no query failed\n"


@pytest.mark.slow
def test_the_report_has_the_traceback(failed, folder):
    assert run(["report", "f"]) == 0
    text = (folder / "report.html").read_text()
    assert "<summary>traceback</summary>" in text
    assert "raise KeyError(&#34;lr&#34;)" in text


@pytest.mark.slow
def test_a_worker_has_the_search_s_time_limit(failed, folder):
    assert run(["retry", "f", "--kind", "time-limit"]) == 0
    assert run(["worker", "f", "--storage", "f.journal"]) == 1
    kinds = {r.architecture["width"]: r.kind for r in Study.load("f", "f.journal").queries}
    assert kinds[4] == "time-limit"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time-limit", "soon"], "time limit: got 'soon'"),
        (["--hours", "0"], "hours: got 0"),
        (["--deaths", "0"], "deaths: got 0"),
        (["--max-failures", "-1"], "max_failures: got -1"),
        (["--gpus", "many"], "gpus: got 'many'"),
        (["--gpus", "auto"], "torch sees no GPU here"),
        (["--workers-per-gpu", "2"], "say which GPUs"),
        (["--in-process", "--workers", "2"], "workers: got 2; give 1"),
        (["--in-process", "--time-limit", "2h"], "time limit: leave it out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(refused, monkeypatch, options, said):
    monkeypatch.setattr("optiproxy.study._workers.devices._count", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert said in refused("search", "mine.py:task", *options)
    assert not [name for name in os.listdir() if name.endswith(".png")]
