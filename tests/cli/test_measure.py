"""``optiproxy search --measure``: a device's numbers in the answer, limits and a resumed search."""

from __future__ import annotations

import json
from unittest.mock import ANY

import pytest

import optiproxy as op
from optiproxy.cli.app import run

TASK = """
import optiproxy as op
import torch
from torch import nn

space = op.spaces.Chain({"width": [200, 400, 600, 800]})
task = op.Task(
    "device", space, lambda arch: arch["width"] / 100, objectives={"val": "max"}, metrics=["val"],
    build=lambda arch: nn.Linear(3, arch["width"]), example_input=lambda: torch.zeros(1, 3),
)
"""
CHEAP = """
import optiproxy as op

space = op.spaces.Chain({"width": [2, 4, 6, 8]})
latency = op.Metric("latency_ms", lambda arch: arch["width"], cheap=True)
task = op.Task(
    "device", space, lambda arch: arch["width"], objectives={"val": "max"}, metrics=[latency]
)
"""
# The file has 16 bytes for each unit of width, and a little more.
COMMAND = """echo measuring; printf '{"latency_ms": %d}' $(($(wc -c < {onnx}) / 1600))"""


@pytest.fixture
def device(folder):
    (folder / "device.py").write_text(TASK)
    return ["search", "device.py:task", "--method", "random", "--measure", COMMAND]


@pytest.mark.slow
def test_the_limit_is_that_of_the_command(device, answer):
    command = [*device, "--constraint", "latency_ms<=6"]
    first = answer(*command, "--budget", 1)
    found = answer("resume", "device-random-0", "--budget", 4)
    assert found["trajectory"][:1] == first["trajectory"]
    assert found["best"]["architecture"] == {"width": 600}
    assert found["best"]["metrics"]["latency_ms"] == 6
    for entry in found["trajectory"]:
        width = entry["architecture"]["width"]
        assert entry["metrics"]["val"] == entry["metrics"]["latency_ms"] == width / 100
        assert entry["feasible"]
    # The fourth was measured, and not trained: no val.
    (dropped,) = found["dropped"]
    assert dropped["architecture"] == {"width": 800}
    assert dropped["metrics"]["latency_ms"] == 8
    assert "val" not in dropped["metrics"]


@pytest.mark.slow
def test_a_limit_in_percent_is_of_the_device_s_largest_and_kept(device, answer):
    # The largest of the four is 8: the bound is 4.8.
    answer(*device, "--constraint", "latency_ms<=60%", "--budget", 1)
    found = answer("resume", "device-random-0", "--budget", 4)
    assert {e["architecture"]["width"] for e in found["trajectory"]} == {200, 400}
    assert {e["architecture"]["width"] for e in found["dropped"]} == {600, 800}


@pytest.mark.slow
def test_the_device_s_number_goes_before_the_task_s_own(folder, answer):
    own = 'op.Metric("latency_ms", lambda a: 99.0, cheap=True), op.Metric("mb", len, cheap=True)'
    (folder / "device.py").write_text(TASK.replace('metrics=["val"]', f"metrics=[{own}]"))
    search = ["search", "device.py:task", "--method", "random", "--measure", COMMAND]
    limits = ["--constraint", "latency_ms<=60%", "--constraint", "mb<=100%"]
    found = answer(*search, *limits, "--budget", 4)
    assert {e["architecture"]["width"] for e in found["trajectory"]} == {200, 400}
    told = [entry["metrics"] for entry in (*found["trajectory"], *found["dropped"])]
    assert sorted(m["latency_ms"] for m in told) == [2, 4, 6, 8]
    assert all(entry["metrics"]["mb"] == 1 for entry in found["trajectory"])


@pytest.mark.slow
def test_what_breaks_a_limit_of_the_task_s_own_spares_the_device(folder, answer):
    own = 'op.Metric("mb", lambda a: a["width"] / 100, cheap=True)'
    (folder / "device.py").write_text(TASK.replace('metrics=["val"]', f"metrics=[{own}]"))
    search = ["search", "device.py:task", "--method", "random", "--constraint", "mb<=2"]
    found = answer(*search, "--measure", f"echo >> calls; {COMMAND}", "--budget", 4)
    assert [entry["architecture"] for entry in found["trajectory"]] == [{"width": 200}]
    assert sorted(e["metrics"]["mb"] for e in found["dropped"]) == [4, 6, 8]
    # The first call finds out which metrics the command prints.
    assert len((folder / "calls").read_text().splitlines()) == 2


def test_a_query_does_not_depend_on_earlier_ones(folder):
    own = 'op.Metric("mb", lambda a: a["width"] / 100, cheap=True)'
    (folder / "device.py").write_text(TASK.replace('metrics=["val"]', f"metrics=[{own}]"))
    task = op.tasks.load("device.py:task").replaced(constraints="mb<=2", measure=COMMAND)
    broken, kept = (task.space.architecture({"width": width}) for width in (800, 200))
    first = task.query(broken)
    assert task.query(kept).metrics == {"mb": 2, "latency_ms": 2, "size_mb": ANY, "val": 2}
    assert task.query(broken).metrics == first.metrics == {"mb": 8}


@pytest.mark.slow
def test_a_resumed_search_equals_the_uninterrupted_one(folder, start):
    own = 'op.Metric("mb", lambda a: a["width"] / 100, cheap=True)'
    (folder / "device.py").write_text(TASK.replace('metrics=["val"]', f"metrics=[{own}]"))
    search = ["search", "device.py:task", "--method", "random", "--constraint", "mb<=4", "--json"]
    search += ["--measure", f"echo >> calls; {COMMAND}"]

    def found(name, budgets):
        for budget in budgets:  # Each in a process of its own.
            place = ["--name", name, "--storage", f"{name}.journal", "--budget", budget]
            out, _ = start(*search, *place).communicate(timeout=120)
        calls = (folder / "calls").read_text()
        (folder / "calls").unlink()
        answer = json.loads(out)
        return answer["trajectory"], answer["dropped"], calls

    assert found("parts", [1, 2]) == found("whole", [2])


def test_a_limit_on_what_the_device_does_not_tell_is_refused(device, refused):
    text = refused(*device, "--constraint", "energy_mj<=60%")
    assert "no value could be measured (MeasurementFailed: " in text
    assert (
        "it has latency_ms, size_mb, and no energy_mj); repair the measurement, or give a number"
        in text
    )


def test_the_cheap_budget_is_kept_by_the_study(folder, capsys):
    (folder / "device.py").write_text(CHEAP)
    first = ["device.py:task", "--method", "random", "--constraint", "latency_ms<=1"]
    assert run(["search", *first, "--budget", "2", "--cheap-budget", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["queries"] == 0
    assert [entry["metrics"] for entry in found["dropped"]] == [
        {"latency_ms": entry["architecture"]["width"]} for entry in found["dropped"]
    ]
    assert run(["resume", "device-random-0"]) == 0
    out, err = capsys.readouterr()
    assert "stopped at the cheap budget: 2 architectures were measured" in err
    assert "2 more were measured, broke a limit and were not trained" in out
    assert "none of the 2 measured ones has latency_ms <= 1" in out
    assert run(["resume", "device-random-0", "--cheap-budget", "3", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["dropped"][:2] == found["dropped"]
    assert len(again["dropped"]) == 3


@pytest.mark.slow
def test_another_device_is_another_search(device, answer, start):
    answer(*device, "--budget", 1)
    _, err = start(*device[:-2], "--budget", 1).communicate(timeout=60)
    assert "is another search (measure: " in err


def test_what_can_not_be_measured_is_told_before_any_query(device, refused, folder):
    assert "write a command with {onnx}" in refused(*device[:-1], "measure.sh")
    assert "example_input" in refused("search", "mine.py:task", "--measure", COMMAND)
    assert list(folder.glob("*.journal")) == []


def test_a_cheap_budget_needs_a_limit_that_is_measured_first(device, refused, folder):
    text = refused("search", "mine.py:task", "--budget", 2, "--cheap-budget", 5)
    assert "cheap_budget" in text
    assert "leave it out" in text
    assert "whole number" in refused(*device, "--cheap-budget", 0)
