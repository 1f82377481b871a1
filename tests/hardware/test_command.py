"""Devices behind a command of the user's."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy import hardware
from optiproxy.errors import InvalidValueError, MeasurementFailed

SHAPE = (1, 3)


def python(code: str, **limits: float) -> hardware.Command:
    text = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {{onnx}}"
    return hardware.Command(text, **limits)


def test_a_command_gets_the_network_and_gives_the_numbers() -> None:
    device = python(
        "import json, os, sys; print('{starting'); print('connected')\n"
        "print(json.dumps({'latency_ms': os.path.getsize(sys.argv[1]) / 100, 'device': 'pi',\n"
        " 'threads': 2, 'versions': {'tflite': '2'}, 'energy_mj': 7}, indent=1))"
    )
    module = nn.Linear(3, 5)
    found = hardware.measure(module, SHAPE, runtime=device)
    assert found.size_mb is not None
    assert found.latency_ms == pytest.approx(found.size_mb * 1e6 / 100)
    assert (found.device, found.threads, found.versions) == ("pi", 2, {"tflite": "2"})
    assert found.metrics()["energy_mj"] == 7
    assert found.runtime == device.text


def test_the_same_network_is_measured_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    device = hardware.Command(f"echo {{onnx}} >> {log}; echo '{{\"latency_ms\": 2}}'")
    for _ in range(2):
        assert hardware.measure(nn.Linear(3, 5), SHAPE, runtime=device).latency_ms == 2
    assert len(log.read_text().splitlines()) == 1
    hardware.measure(nn.Linear(3, 5), SHAPE, runtime=device, cached=False)
    assert len(log.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('no route to host')", "ended with 1: no route to host"),
        ("print('3.5')", "no JSON object at its end, but '3.5'"),
        ("pass", "but 'nothing'"),
        ("print('{}')", "no latency_ms above 0"),
        ("print('{\"latency_ms\": -1}')", "no latency_ms above 0"),
        ('print(\'{"latency_ms": "fast"}\')', "latency_ms 'fast', not a finite number"),
        ("print('{\"latency_ms\": NaN}')", "latency_ms nan, not a finite number"),
        ('print(\'{"latency_ms": 1, "threads": 0.5}\')', "threads 0.5, not a whole number"),
        ('print(\'{"latency_ms": 1, "note": "x"}\')', "note 'x', not a finite number"),
    ],
)
def test_what_is_no_measurement_is_a_failed_one(code: str, message: str) -> None:
    with pytest.raises(MeasurementFailed, match=message):
        hardware.measure(nn.Linear(3, 5), SHAPE, runtime=python(code))


@pytest.mark.slow
def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    device = hardware.Command(
        f"sleep 60 & echo $! > {child}; wait; echo {{onnx}}", time_limit_s=0.3
    )
    start = time.perf_counter()
    with pytest.raises(MeasurementFailed, match=r"longer than 0\.3 s"):
        hardware.measure(nn.Linear(3, 5), SHAPE, runtime=device)
    assert time.perf_counter() - start < 10
    pid = int(child.read_text())
    end = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize(("text", "limit"), [("measure.sh", 1.0), ("m {onnx}", 0), ("", 1.0)])
def test_bad_commands_are_reported(text: str, limit: float) -> None:
    with pytest.raises(InvalidValueError, match="measure: "):
        hardware.Command(text, limit)


# ---- in a task ----

SPACE = op.spaces.Chain({"width": [200, 400, 600, 800]})


def task(**options: object) -> op.Task:
    options = {
        "build": lambda arch: nn.Linear(3, arch["width"]),
        "example_input": lambda: torch.zeros(SHAPE),
        "metrics": ["score"],
        **options,
    }
    return op.Task(
        "device", SPACE, lambda arch: arch["width"] / 100, objectives={"score": "max"}, **options
    )


@pytest.mark.slow
def test_a_task_is_limited_by_what_a_command_measures() -> None:
    """The ONNX file grows with the width: the greatest one is too slow, and one fails."""
    device = python(
        "import os, sys\n"
        "w = os.path.getsize(sys.argv[1]) // 1600\n"  # Four numbers of 4 bytes for each output.
        "assert w != 4, 'the device is on fire'\n"
        'print(\'{"latency_ms": %d, "energy_mj": 1}\' % w)'
    )
    measured = task().replaced(None, ["latency_ms<=6"], device.text)
    study = op.Study(measured, method="random")
    study.run(4)
    by_width = {r.architecture["width"]: r for r in study.queries}
    assert "the device is on fire" in by_width[400].reason
    # Measured first, so that it is not trained.
    (slow,) = study.dropped
    assert slow.architecture["width"] == 800
    assert slow.metrics is not None
    assert slow.metrics["latency_ms"] == 8
    assert "score" not in slow.metrics
    assert slow.measured["latency_ms"]["runtime"] == device.text
    assert study.best is not None
    assert dict(study.best.metrics) == {
        "score": 6, "latency_ms": 6, "energy_mj": 1, "size_mb": pytest.approx(0.01, rel=0.1),
    }  # fmt: skip
    assert by_width[200].measured["latency_ms"]["runtime"] == device.text


@pytest.mark.parametrize(
    ("options", "measure", "message"),
    [
        ({"example_input": None}, "onnx", "does not say what its networks read"),
        ({"build": None}, "onnx", "builds no network"),
        ({}, "measure.sh", "write a command with {onnx}"),
    ],
)
def test_a_task_that_can_not_be_measured_says_so(
    options: dict[str, None], measure: str, message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        task(**options).replaced(measure=measure)


def test_networks_that_read_no_tensor_are_not_measured() -> None:
    measured = task(example_input=lambda: {"words": torch.zeros(1, 3)}).replaced(measure="torch")
    with pytest.raises(InvalidValueError, match=r"measure: .*example_input is a dict"):
        measured.validate()
