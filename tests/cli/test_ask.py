"""Searches that other programs drive: ``new``, ``ask``, ``tell`` and so on."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from optiproxy.cli.app import run
from optiproxy.study import Study

EXAMPLES = Path(__file__).parents[2] / "examples"
SPACE = {"space": {"kind": "chain", "choices": {"depth": [1, 2, 3], "width": [16, 32]}},
         "objectives": {"accuracy": "max"}}  # fmt: skip


@pytest.fixture
def printed(folder):
    """Runs a command in this process; returns its standard output."""

    def printed(*arguments):
        with redirect_stdout(io.StringIO()) as out:
            assert run([str(argument) for argument in arguments]) == 0
        return out.getvalue()

    return printed


@pytest.fixture
def edge(folder, printed):
    (folder / "space.json").write_text(json.dumps(SPACE))
    said = printed("new", "edge", "space.json", "--budget", "4", "--method", "random")
    assert said == "edge in ./edge.journal: 0 of 4 queries\n"


def test_what_fits_no_model_loads_no_torch(folder, printed):
    (folder / "space.json").write_text(json.dumps(SPACE))
    printed("new", "edge", "space.json", "--budget", "4")
    (asked, _) = printed("ask", "edge").split(" ", 1)
    commands = [
        ["tell", "edge", "--json", f'{{"id": {asked}, "metrics": 0.5}}'],
        ["status", "edge"],
        ["show", "edge"],
    ]
    code = f"""
import sys
from optiproxy.cli.app import run
assert [run(command) for command in {commands!r}] == [0, 0, 0]
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_status_says_why_there_is_no_best(folder, printed):
    limited = {**SPACE, "constraints": {"latency_ms": "<= 5"}}
    (folder / "space.json").write_text(json.dumps(limited))
    printed("new", "edge", "space.json", "--budget", "4", "--method", "random")
    assert "no architecture" not in printed("status", "edge")
    (asked, _) = printed("ask", "edge").split(" ", 1)
    answer = {"id": int(asked), "metrics": {"accuracy": 0.5, "latency_ms": 7.5}}
    printed("tell", "edge", "--json", json.dumps(answer))
    said = printed("status", "edge")
    assert "none of the 1 measured ones has latency_ms <= 5" in said
    assert "the nearest latency_ms is 7.5" in said


def test_a_search_by_its_commands(edge, answer, printed, monkeypatch):
    lines = printed("ask", "edge", "-n", 2).splitlines()
    (first, arch), (second, _) = (line.split(" ", 1) for line in lines)
    assert set(json.loads(arch)) == {"depth", "width"}
    told = json.loads(printed("tell", "edge", "--json", f'{{"id": {first}, "metrics": 0.5}}'))
    assert told == {"study": "edge", "told": [int(first)], "queries": 1, "done": False}
    failure = {"id": int(second), "failed": "killed", "kind": "oom"}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps([failure])))
    printed("tell", "edge", "--json", "-")
    third, fourth = answer("ask", "edge", "-n", 9, "--lease", "5m")["queries"]
    assert printed("renew", "edge", third["id"], "--lease", "2h").split()[1] > third["until"]
    printed("release", "edge", fourth["id"])
    state = answer("status", "edge")
    assert (state["queries"], state["failed"], state["done"]) == (2, 1, False)
    assert [query["id"] for query in state["asked"]] == [third["id"]]
    assert f" at the latest: {third['id']}\n" in printed("status", "edge")
    assert state["space"] == SPACE["space"]
    (again,) = answer("ask", "edge", "-n", 2)["queries"]
    assert again["architecture"] == fourth["architecture"]
    Path("answers.json").write_text(
        json.dumps([{"id": q["id"], "metrics": {"accuracy": 0.7}} for q in (third, again)])
    )
    assert json.loads(printed("tell", "edge", "--json", "answers.json"))["done"]
    assert answer("ask", "edge") == {"study": "edge", "queries": [], "done": True}
    assert printed("ask", "edge") == ""
    assert 'best: query 3, {"depth": 1, "width": 16}: accuracy 0.7' in printed("status", "edge")
    assert "failed, oom" in printed("show", "edge")
    assert "go on with: optiproxy ask edge" in printed("retry", "edge")


def test_the_file_is_not_needed_again_and_more_budget_goes_on(edge, printed, folder):
    printed("new", "edge", "space.json", "--budget", "6", "--method", "random")
    assert Study.load("edge", "edge.journal").budget == 6
    again = ("--budget", "5", "--method", "random")
    assert "of 6 queries" in printed("new", "edge", "space.json", *again)
    (folder / "space.json").unlink()
    assert len(printed("ask", "edge", "-n", 6).splitlines()) == 6


def test_a_task_of_python_may_be_asked_too(printed, answer):
    printed("new", "mine", "mine.py:task", "--constraint", "params<=16000")
    (query,) = answer("ask", "mine")["queries"]
    metrics = {"val": 0.5, "test": 0.5, "params": 99.0}
    printed("tell", "mine", "--json", json.dumps({"id": query["id"], "metrics": metrics}))
    assert answer("status", "mine")["best"]["metrics"] == metrics
    assert answer("status", "mine")["constraints"] == ["params <= 16000.0"]


def test_mistakes_are_told(edge, refused, printed):
    number = printed("ask", "edge").split()[0]
    good = f'{{"id": {number}, "metrics": {{"accuracy": 0.5}}}}'
    printed("tell", "edge", "--json", good)
    assert "was answered already: {'accuracy': 0.5}" in refused("tell", "edge", "--json", good)
    assert "is no JSON" in refused("tell", "edge", "--json", "{half")
    assert "got 99; give one that was asked" in refused("renew", "edge", 99)
    assert "no evaluator: other programs" in refused("search", "space.json")
    cases = {
        '{"id": 1, "metric": {"accuracy": 1}}': "answer.0.metric: there is no such field; did you "
        "mean 'metrics'?",
        '{"id": 1, "metrics": {"accuracy": "high"}}': "answer.0.metrics.accuracy: got 'high'; ",
        '{"metrics": {"accuracy": 1}}': "answer.0.id: is missing",
        '{"id": 1, "metrics": [1]}': "answer.0.metrics: got [1]; ",
        "nowhere.json": "json: got 'nowhere.json', a file",
    }
    for given, told in cases.items():
        said = refused("tell", "edge", "--json", given)
        assert told in said
        assert "dict[" not in said
    assert "beside it there is edge.journal" in refused("status", "egde", code=1)
    assert "did you mean 'edge'" in refused("ask", "egde", "--storage", "edge.journal", code=1)
    assert "is another search" in refused("new", "edge", "mine.py:task", code=1)
    assert "give a JSON file" in refused("new", "other")


def test_the_schema_is_printed(printed):
    schema = json.loads(printed("new", "any", "--schema"))
    assert {"space", "objectives", "constraints"} <= set(schema["properties"])


@pytest.fixture
def shell(folder):
    """Runs an example, with a budget of four queries."""
    bin = folder / "bin"
    bin.mkdir()
    (bin / "optiproxy").write_text(f'#!/bin/sh\nexec {sys.executable} -m optiproxy.cli "$@"\n')
    (bin / "optiproxy").chmod(0o755)
    for file in EXAMPLES.glob("*_program*"):
        (folder / file.name).write_text(file.read_text().replace("--budget 12", "--budget 4"))

    def shell(name):
        path = os.pathsep.join([str(bin), os.environ["PATH"]])
        done = subprocess.run(["sh", name], env={**os.environ, "PATH": path}, check=False)
        assert done.returncode == 0
        return Study.load(name.removesuffix(".sh"), name.replace(".sh", ".journal"))

    return shell


@pytest.mark.slow
@pytest.mark.parametrize("name", ["any_program.sh", "two_programs.sh"])
def test_an_example_drives_a_search(shell, name):
    study = shell(name)
    assert study.done
    assert len({record.architecture for record in study.queries}) == 4
    assert all(record.metrics is not None for record in study.queries)
    assert len((EXAMPLES / "any_program.sh").read_text().splitlines()) < 20
