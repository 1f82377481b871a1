"""``optiproxy search --low-fidelity``: each query says its epochs and its cost."""

from __future__ import annotations

import pytest

from optiproxy.cli.app import run

TASK = """
import optiproxy as op

space = op.spaces.Chain({"depth": [1, 2, 3, 4], "width": [8, 16, 24, 32]})
task = op.Task(
    "short", space, lambda arch, epochs: arch["depth"] + arch["width"] / 100 + epochs,
    objectives={"val": "max"}, fidelities=(1, 10),
)
"""


@pytest.fixture
def command(folder):
    (folder / "short.py").write_text(TASK)
    return ["search", "short.py:task", "--method", "random", "--low-fidelity", "1"]


def test_the_answer_says_what_was_spent(command, answer):
    found = answer(*command, "--budget", 4)
    course = found["trajectory"]
    assert found["queries"] == len(course)
    assert [entry["fidelity"] for entry in course] == [1] * 11 + [10] * 2
    assert [entry["cost"] for entry in course] == [0.1] * 11 + [1.0] * 2
    assert sum(entry["cost"] for entry in course) <= found["budget"] == 4
    assert found["best"]["metrics"]["val"] > 10
    more = answer("resume", "short-random-0", "--budget", 5)
    assert more["trajectory"][:11] == course[:11]
    assert sum(entry["cost"] for entry in more["trajectory"]) <= 5


def test_the_summary_counts_both(command, capfd):
    assert run([*command, "--budget", "4"]) == 0
    out, err = capfd.readouterr()
    assert "short: 13 queries (11 of them of 1 epochs) by random" in out
    assert "3.1/4 full trainings' worth" in err


def test_a_fidelity_that_is_not_there_is_told(command, refused):
    assert "low fidelity: got 3; give one of 1" in refused(*command[:-1], "3")
    assert "one fidelity alone" in refused("search", "mine.py:task", "--low-fidelity", "3")
