"""``optiproxy search --measure``: a device's numbers in the answer, limits and a resumed search."""

from __future__ import annotations

import pytest

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
# The file has 16 bytes for each unit of width, and a little more.
COMMAND = """echo measuring; printf '{"latency_ms": %d}' $(($(wc -c < {onnx}) / 1600))"""


@pytest.fixture
def device(folder):
    (folder / "device.py").write_text(TASK)
    return ["search", "device.py:task", "--method", "random", "--measure", COMMAND]


def test_the_limit_is_that_of_the_command(device, answer):
    command = [*device, "--constraint", "latency_ms<=6"]
    first = answer(*command, "--budget", 2)
    found = answer("resume", "device-random-0", "--budget", 4)
    assert found["trajectory"][:2] == first["trajectory"]
    assert found["best"]["architecture"] == {"width": 600}
    assert found["best"]["metrics"]["latency_ms"] == 6
    for entry in found["trajectory"]:
        width = entry["architecture"]["width"]
        assert entry["metrics"]["latency_ms"] == width / 100
        assert entry["feasible"] == (width <= 600)


def test_another_device_is_another_search(device, answer, start):
    answer(*device, "--budget", 1)
    _, err = start(*device[:-2], "--budget", 1).communicate(timeout=60)
    assert "is another search (measure: " in err


def test_what_can_not_be_measured_is_told_before_any_query(device, refused, folder):
    assert "write a command with {onnx}" in refused(*device[:-1], "measure.sh")
    assert "example_input" in refused("search", "mine.py:task", "--measure", COMMAND)
    assert list(folder.glob("*.journal")) == []
