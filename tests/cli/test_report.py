"""``optiproxy report``: one file of a stored search."""

from __future__ import annotations

import html
import shlex

import pytest

import optiproxy as op
from optiproxy.cli.app import run
from optiproxy.study import Study, _reporting, environment


def searched(study):
    return _reporting.searched(study._trials, study.identity, study.random_queries)


@pytest.mark.slow
def test_a_report_of_a_stored_search(folder, capfd):
    where = ["--storage", "s.journal"]
    task = op.tasks.load("mine.py:task").replaced(constraints="params<=24000")
    for method, seed in (("evolution", 0), ("evolution", 1), ("random", 0)):
        Study(task, method=method, seed=seed, storage="s.journal").run(12)
    warm = Study(task, seed=2, name="warm", storage="s.journal", warm_start=[Study.load(
        "mine-evolution-1", "s.journal")])  # fmt: skip
    assert searched(warm).command.endswith("# and its --warm-start")
    capfd.readouterr()
    assert run(["report", "mine-evolution-0", *where]) == 0
    out, err = capfd.readouterr()
    assert out == "report.html\n"
    assert "A new study" not in err
    text = html.unescape((folder / "report.html").read_text("utf-8"))
    study = Study.load("mine-evolution-0", "s.journal")
    for record in study.queries:
        assert study.task.space.to_text(record.architecture) in text
    assert "12</b>" in text
    # The other seed of the same search, and not another method's.
    assert "the same search with 2 seeds\n(0, 1)" in text
    for name, option in study.best.architecture.items():
        assert f">{name}</text>" in text
        assert f">{option}</text>" in text
    again = (
        "optiproxy search mine.py:task --budget 12 --method evolution --seed 0 "
        "--constraint 'params <= 24000.0'"
    )
    assert again in text
    assert searched(study).command == again
    assert "optuna 5" in " ".join(text.split())


def test_the_machine_that_began_the_search_is_named(folder, monkeypatch):
    monkeypatch.setattr(environment, "processor", lambda: "A fast one")
    study = Study(op.tasks.load("mine.py:table"), method="random", storage="s.journal")
    study.run(2)
    monkeypatch.setattr(environment, "processor", lambda: "The reader's")
    study.run(3)
    assert (
        searched(Study.load("table-random-0", "s.journal")).versions["machine"].startswith("A fast")
    )


def test_the_command_that_is_told_makes_the_same_search(folder, capfd):
    task = op.tasks.load("mine.py:table").replaced(objectives="params=min")
    first = Study(task, method="random", storage="s.journal")
    first.run(8)
    words = shlex.split(searched(first).command)
    assert run([*words[1:], "--storage", "again.journal"]) == 0
    second = Study.load("table-random-0", "again.journal")
    assert [r.architecture for r in first.queries] == [r.architecture for r in second.queries]
    assert second.task.objectives == first.task.objectives


CHEAP = """
import optiproxy as op

space = op.spaces.Chain({"width": [1, 2, 3, 4, 5, 6, 7, 8]})
latency = op.Metric("ms", lambda arch: arch["width"], cheap=True)
task = op.Task(
    "short", space, lambda arch, epochs: arch["width"] / epochs, objectives={"val": "max"},
    metrics=[latency], constraints={"ms": "<= 4"}, fidelities=(1, 10),
)
"""


def test_options_are_in_the_command_and_what_was_dropped_is_no_query(folder):
    (folder / "short.py").write_text(CHEAP)
    task = op.tasks.load("short.py:task")
    studies = [Study(task, method="random", seed=s, storage="s.journal") for s in (0, 1)]
    for study in studies:
        study.run(4, cheap_budget=8)
    found = searched(studies[0])
    assert len(found.dropped) == len(studies[0].dropped) == 4
    assert found.command.endswith("--cheap-budget 8")
    for queries in found.seeds.values():
        assert [q["query"] for q in queries] == [1, 2, 3, 4]
        assert all("val" in q["metrics"] for q in queries)
    low = Study(task.replaced(low_fidelity=1), method="random", name="low", storage="s.journal")
    assert searched(low).command.endswith("--low-fidelity 1")


def test_a_study_made_in_a_program_has_a_report_too(tmp_path):
    space = op.spaces.Chain({"a": [1, 2, 3], "b": [1, 2]})
    study = op.Study("own", space, lambda arch: float(arch["a"]), objectives={"x": "max"})
    study.run(6)
    text = study.report(tmp_path / "own.html").read_text("utf-8")
    assert "was made in a program" in text
    assert "Chain(2 choices, 6 architectures)" in text


def test_what_cannot_be_reported_is_told(folder, refused):
    assert "no file './none.journal'" in refused("report", "none", code=1)
