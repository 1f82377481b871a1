"""What --warm-start reads."""

from __future__ import annotations

import json

import pytest

from optiproxy.cli._json_output import json_output
from optiproxy.cli._warm_start import earlier_searches
from optiproxy.cli.app import run
from optiproxy.errors import InvalidValueError
from optiproxy.search.warm_start import read_earlier
from optiproxy.spaces import Chain
from optiproxy.study import Study
from optiproxy.tasks import Task

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(3)})


def evaluate(arch, epochs=10):
    return {"score": float(sum(arch.values()) + 100 * (epochs == 10))}


def test_a_file_of_an_answer_is_read_apart_by_fidelity(tmp_path):
    task = Task("t", SPACE, evaluate, objectives="score=max", fidelities=(1, 10))
    task = task.replaced(low_fidelity=1)
    study = Study(task, method="random")
    study.run(12)
    file = tmp_path / "earlier.json"
    file.write_text(json_output(study, 12))
    found = read_earlier(SPACE, earlier_searches([str(file)], None), task.objectives)
    short, full = (
        [r.metrics["score"] for r in study.queries if (r.epochs is None) == in_full]
        for in_full in (False, True)
    )
    assert [list(part.values("score")) for part in found] == [short, full]


def test_another_file_is_told(tmp_path):
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"trajectory": [{"architecture": {}}]}))
    with pytest.raises(InvalidValueError, match="a file that `optiproxy search --json` wrote"):
        earlier_searches([str(file)], None)


@pytest.mark.slow
def test_a_study_is_found_in_its_own_file(folder, capfd):
    assert run(["search", "mine.py:task", "--budget", "6", "--name", "first"]) == 0
    arguments = ["search", "mine.py:task", "--budget", "6", "--name", "next"]
    assert run([*arguments, "--warm-start", "first"]) == 0
    assert len(Study.load("next", "next.journal").queries) == 6
    capfd.readouterr()
    assert run([*arguments[:-1], "third", "--warm-start", "other"]) == 2
    assert "no such file and no ./other.journal" in capfd.readouterr().err


def test_an_evaluator_may_go_to_another_folder(folder, capfd):
    (folder / "goes.py").write_text(
        "import os, tempfile\nimport optiproxy as op\n"
        "def evaluate(arch):\n    os.chdir(tempfile.mkdtemp())\n    return float(arch['w'])\n"
        "space = op.spaces.Chain({'w': [1, 2, 3, 4]})\n"
        "task = op.Task('goes', space, evaluate, objectives='y=max')\n"
    )
    assert run(["search", "goes.py:task", "--budget", "3", "--method", "random"]) == 0
    assert (folder / "goes-random-0.png").exists()


def test_a_study_keeps_to_its_own_file_in_a_folder_with_another_of_that_name(
    folder, capfd, monkeypatch
):
    assert run(["search", "mine.py:task", "--budget", "3", "--method", "random", "--json"]) == 0
    other = folder / "other"
    other.mkdir()
    (other / "mine.py").write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({'w': [1, 2]})\n"
        "task = op.Task('mine', space, lambda arch: 1.0, objectives='val=max')\n"
    )
    monkeypatch.chdir(other)
    assert run(["export", "mine-random-0", "--storage", "../mine-random-0.journal",
                "--out", "best.json"]) == 0  # fmt: skip
