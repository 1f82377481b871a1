"""Networks whose layers get their shapes from their first input, wherever one is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy import hardware
from optiproxy.cli._networks import network, write_program
from optiproxy.errors import InvalidValueError, MeasurementFailed
from optiproxy.study import Study

INPUT = torch.zeros(1, 2, 6)


def _lazy(width: int = 4) -> nn.Module:
    parts = [nn.LazyConv1d(width, 3), nn.LazyBatchNorm1d(), nn.Flatten(), nn.LazyLinear(5)]
    return nn.Sequential(*parts)


def _plain(width: int = 4) -> nn.Module:
    parts = [nn.Conv1d(2, width, 3), nn.BatchNorm1d(width), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(4 * width, 5))


def test_costs_are_those_of_the_network_with_shapes() -> None:
    assert hardware.count_parameters(_lazy(), INPUT) == hardware.count_parameters(_plain())
    assert hardware.count_flops(_lazy(), INPUT) == hardware.count_flops(_plain(), INPUT) > 0
    assert hardware.count_costs(_lazy(), INPUT) == hardware.count_costs(_plain(), INPUT)


def test_a_network_that_is_read_is_left_as_it_was() -> None:
    model, before = _lazy(), torch.random.get_rng_state()
    hardware.count_flops(model, INPUT)
    hardware.count_parameters(model, INPUT)
    assert hardware.has_lazy_layers(model)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)


def test_parameters_without_an_input_are_an_error_with_its_remedy() -> None:
    with pytest.raises(InvalidValueError, match=r"count_parameters: example_input: .*lazy layers"):
        hardware.count_parameters(_lazy())


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_measured(runtime: str) -> None:
    made = hardware.measure(_lazy(), (1, 2, 6), runtime=runtime, time_limit_s=0.05, cached=False)
    assert made.latency_ms > 0
    assert made.size_mb is not None
    assert made.size_mb > 100 * 4 / 1e6


def test_a_wrong_input_is_a_failed_measurement(tmp_path: Path) -> None:
    wrong = torch.zeros(1, 2, 2)  # Shorter than the kernel.
    for read in (
        lambda: hardware.measure(_lazy(), wrong, runtime="torch", cached=False),
        lambda: hardware.export_onnx(_lazy(), wrong, tmp_path / "net.onnx"),
    ):
        with pytest.raises(MeasurementFailed, match="can't be run on its example input"):
            read()


@pytest.mark.slow
def test_exported_in_every_format_with_the_same_weights(tmp_path: Path) -> None:
    space = op.spaces.Chain({"width": [4, 8]})
    task = op.Task(
        "lazy",
        space,
        lambda arch: float(arch["width"]),
        objectives={"score": "max"},
        build=lambda arch: _lazy(arch["width"]),
        example_input=lambda: INPUT,
    )
    study = Study(task, method="random")
    study.run(2)
    assert study.best is not None
    model = study.best.module()
    again = network(study.best, (INPUT,), retrain=False)
    for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    study.best.save(tmp_path / "net.pt", model)
    state = torch.load(tmp_path / "net.pt", weights_only=True)["state_dict"]
    _plain(8).load_state_dict(state)
    write_program(model, (INPUT,), tmp_path / "net.pt2")
    given = torch.ones(1, 2, 6)
    found = torch.export.load(tmp_path / "net.pt2").module()(given)
    assert torch.allclose(found, model.eval()(given), atol=1e-6)
    assert hardware.export_onnx(_lazy(), INPUT, tmp_path / "net.onnx").stat().st_size > 500
