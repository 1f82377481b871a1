"""Networks by the clock: in processes of their own, kept, and failing well."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy import hardware
from optiproxy.errors import InvalidValueError, MeasurementFailed
from optiproxy.hardware import _cache, _process, measurement
from optiproxy.hardware._timer import timed

SHAPE = (1, 3)


class Sleeper(nn.Module):
    """Takes a known time, unless it is told to do worse."""

    def __init__(self, seconds: float, then: str = "") -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.dropout = nn.Dropout(1.0)
        self.seconds = seconds
        self.then = then
        self.home = os.getpid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("what a network prints is no answer")
        assert not torch.is_grad_enabled()
        assert not self.training
        if os.getpid() != self.home:
            self._elsewhere()
        return self.dropout(self.inner(x)) + 1

    def _elsewhere(self) -> None:
        """In the process that measures; here the network is only looked at."""
        time.sleep(self.seconds)
        if self.then == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif self.then == "raise":
            raise ValueError("no such kernel")
        elif self.then:
            assert torch.get_num_threads() == int(self.then)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what is kept."""
    monkeypatch.setattr(_cache, "_file", lambda key: tmp_path / "cache" / f"{key}.json")
    _cache._here.clear()
    return tmp_path / "cache"


# ---- the loop ----


def test_the_median_is_that_of_the_quiet_runs() -> None:
    """A quarter of the time another program has the processor: that is not the network's."""
    began = time.perf_counter()

    def run() -> None:
        busy = (time.perf_counter() - began) % 0.2 > 0.15
        time.sleep(0.004 if busy else 0.001)

    seconds = sorted(timed(run, 2.0))
    assert 0.001 <= seconds[len(seconds) // 2] < 0.002


@pytest.mark.parametrize(("pause", "limit"), [(0.05, 0.12), (0.03, 0.001)])
def test_the_loop_ends_with_its_time(pause: float, limit: float) -> None:
    start = time.perf_counter()
    assert 1 <= len(timed(lambda: time.sleep(pause), limit)) <= 3
    assert time.perf_counter() - start < limit + 4 * pause


# ---- in torch ----


@pytest.mark.slow
def test_a_network_is_measured_as_deployed_and_left_as_it_was() -> None:
    network = Sleeper(0.004, then="2")
    network.train()
    network.inner.eval()
    state = torch.get_num_threads(), torch.is_grad_enabled()
    found = hardware.measure(network, SHAPE, runtime="torch", threads=2, time_limit_s=0.2)
    assert 4.0 <= found.latency_ms < 12.0
    assert found.iqr_ms is not None
    assert 0 <= found.iqr_ms < 8
    assert found.repeats is not None
    assert found.repeats >= 10
    assert (found.runtime, found.threads) == ("torch", 2)
    assert torch.__version__.startswith(found.versions["torch"])  # there with its build
    assert found.device
    assert found.size_mb == pytest.approx((9 + 3) * 4e-6)
    assert found.peak_memory_mb is None or found.peak_memory_mb >= 0
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == state
    assert network.training
    assert not network.inner.training


@pytest.mark.slow
def test_what_goes_wrong_in_a_network_is_reported_and_the_next_one_is_measured() -> None:
    with pytest.raises(MeasurementFailed, match="ValueError: no such kernel"):
        hardware.measure(Sleeper(0.0, then="raise"), SHAPE, runtime="torch")
    with pytest.raises(MeasurementFailed, match=r"died \(signal 11\)"):
        hardware.measure(Sleeper(0.0, then="die"), SHAPE, runtime="torch", cached=False)
    assert hardware.measure(nn.Linear(3, 3), SHAPE, runtime="torch", time_limit_s=0.05)


@pytest.mark.slow
def test_a_network_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "_MARGIN_S", 0.3)
    hardware.measure(nn.Linear(3, 3), SHAPE, runtime="torch", time_limit_s=5.0)
    [timer] = [timer for key, timer in _process._timers.items() if key[:2] == ("torch", 1)]
    start = time.perf_counter()
    with pytest.raises(MeasurementFailed, match="longer than"):
        hardware.measure(Sleeper(30.0), SHAPE, runtime="torch", time_limit_s=0.1)
    assert time.perf_counter() - start < 5
    assert timer.poll() is not None


@pytest.mark.slow
def test_inputs_that_numpy_does_not_know() -> None:
    network = nn.Linear(3, 2).bfloat16()
    x = torch.ones(1, 3, dtype=torch.bfloat16, requires_grad=True)
    assert hardware.measure(network, x, runtime="torch", time_limit_s=0.01).latency_ms > 0
    with pytest.raises(MeasurementFailed, match=r"no input of torch.bfloat16; convert .*float\(\)"):
        hardware.measure(network, x, runtime="onnx", time_limit_s=0.01)


def test_keyword_only_arguments_are_no_hindrance_to_an_export(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor, *, scale: float = 2.0) -> torch.Tensor:
            return self.layer(x) * scale

    network, x = Scaled().train(), torch.ones(1, 3)
    path = hardware.export_onnx(network, x, tmp_path / "net.onnx", for_users=True)
    assert network.training
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    (output,) = session.run(None, {"x": x.numpy()})
    assert torch.allclose(torch.from_numpy(output), network(x), atol=1e-5)


def test_attention_is_exported(tmp_path: Path) -> None:
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    path = hardware.export_onnx(network, torch.ones(1, 5, 8), tmp_path / "net.onnx", for_users=True)
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    (output,) = session.run(None, {"src": x.numpy()})
    assert torch.allclose(torch.from_numpy(output), network.eval()(x), atol=1e-5)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.slow
def test_two_inputs() -> None:
    bilinear = _Two()
    inputs = torch.zeros(2, 3), torch.zeros(3, 4)
    for runtime in ("torch", "onnx"):
        found = hardware.measure(bilinear, inputs, runtime=runtime, time_limit_s=0.05)
        assert found.latency_ms > 0


class _Two(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b


# ---- in ONNX Runtime ----


def network(width: int = 64) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))


def test_onnx_runs_what_is_exported(tmp_path: Path) -> None:
    import numpy as np
    import onnxruntime

    module = nn.Sequential(network(), nn.Dropout(0.5))
    file = hardware.export_onnx(module, torch.zeros(SHAPE), tmp_path / "net.onnx")
    x = torch.randn(SHAPE)
    session = onnxruntime.InferenceSession(str(file))
    [y] = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert np.allclose(y, module.eval()(x).detach().numpy(), atol=1e-6)

    found = hardware.measure(module, SHAPE, time_limit_s=0.1)
    assert found.runtime == "onnx"
    assert found.size_mb == file.stat().st_size / 1e6
    assert set(found.versions) == {"python", "onnx", "onnxruntime"}
    of_file = hardware.measure(file, SHAPE, time_limit_s=0.1)
    assert of_file.size_mb == found.size_mb


@pytest.mark.slow
def test_more_work_takes_longer_and_two_measurements_agree() -> None:
    """Bounds far from what is measured (28 times, 3 %): other tests run beside this one."""
    wide = nn.Sequential(*(nn.Linear(512, 512) for _ in range(8)))
    thin = nn.Sequential(*(nn.Linear(64, 64) for _ in range(8)))
    times = [
        hardware.measure(module, (16, width), cached=False).latency_ms
        for module, width in ((thin, 64), (wide, 512), (wide, 512))
    ]
    assert times[1] > 4 * times[0]
    assert max(times[1:]) < 1.5 * min(times[1:])


def test_what_was_measured_is_kept_by_the_form_of_the_network(cache: Path) -> None:
    first = hardware.measure(network(), SHAPE, time_limit_s=0.05)
    again = hardware.measure(network(), SHAPE)  # Other weights, the same form.
    assert again == first
    assert len(list(cache.iterdir())) == 1
    assert hardware.measure(network(65), SHAPE, time_limit_s=0.05) != first
    assert hardware.measure(network(), (2, 3), time_limit_s=0.05) != first
    assert hardware.measure(network(), SHAPE, time_limit_s=0.05, cached=False) != first
    for file in cache.iterdir():
        file.write_text("{")
    assert hardware.measure(network(), SHAPE, time_limit_s=0.05) != first


def test_kernel_size_is_part_of_the_form() -> None:
    """Padded, both give the same shapes: only the weights' differ."""
    small, large = (nn.Conv1d(2, 2, k, padding=k // 2) for k in (3, 5))
    inputs = (torch.zeros(1, 2, 8),)
    assert measurement._form(small, inputs) != measurement._form(large, inputs)


def test_a_network_that_ignores_its_input(tmp_path: Path) -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ones(1, 2)

    assert hardware.measure(Constant(), SHAPE, time_limit_s=0.05).latency_ms > 0


# ---- arguments ----


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"threads": 0}, "threads: got 0"),
        ({"threads": 1.5}, "threads: got"),
        ({"time_limit_s": 0}, "time_limit_s: got 0"),
        ({"cached": "no"}, "cached: got 'no'; give True or False"),
        ({"runtime": "tflite"}, "runtime: got 'tflite'"),
        ({"input_shape": (1, 0)}, "input_shape: got"),
        ({"input_shape": ()}, "input_shape: got"),
        ({"model": "nowhere.onnx"}, "model: got 'nowhere.onnx'; there is no such file"),
        ({"model": 3}, "model: got 3"),
        ({"model": __file__, "runtime": "torch"}, "an ONNX file runs in 'onnx'"),
    ],
)
def test_bad_argument_is_named(keywords: dict[str, object], message: str) -> None:
    arguments = {"model": nn.Identity(), "input_shape": SHAPE, **keywords}
    with pytest.raises(InvalidValueError, match=message):
        hardware.measure(**arguments)  # type: ignore[arg-type]


def test_what_can_not_be_exported_is_a_failed_measurement() -> None:
    class Raises(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("not today")

    with pytest.raises(MeasurementFailed, match=r"export to ONNX failed: .*not today"):
        hardware.measure(Raises(), SHAPE)


def test_a_failed_export_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Unknown(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(x).real

    with pytest.raises(MeasurementFailed, match=r"export to ONNX failed: .*linalg_eigvals"):
        hardware.measure(Unknown(), (4, 4))
    assert capfd.readouterr() == ("", "")


def test_networks_of_graphs_are_exported_but_for_attention(tmp_path) -> None:
    import onnxruntime

    space = op.spaces.GnnDag()

    def network(*operations: str) -> nn.Module:
        arch = space.listed([0, 1, 1, 2], operations)
        return space.build(arch, features=4, classes=2, width=4).eval()

    x, edges = torch.randn(3, 4), torch.tensor([[0, 1, 2, 0], [1, 2, 0, 2]])
    file = tmp_path / "network.onnx"
    given = network("gcn", "sage", "gin", "cheb")
    hardware.export_onnx(given, (x, edges), file)
    session = onnxruntime.InferenceSession(file)
    (found,) = session.run(None, {"input_0": x.numpy(), "input_1": edges.numpy()})
    assert found == pytest.approx(given(x, edges).detach().numpy(), abs=1e-5)
    with pytest.raises(MeasurementFailed, match=r"does not support .*index_add"):
        hardware.export_onnx(network(*["gat"] * 4), (x, edges), file)


# ---- in a task ----


@pytest.mark.slow
def test_a_measurement_is_a_metric_and_says_how_it_was_made() -> None:
    space = op.spaces.Chain({"width": [4, 8]})

    def evaluate(arch: op.Architecture) -> dict[str, object]:
        made = hardware.measure(network(arch["width"]), SHAPE, time_limit_s=0.05)
        return {"score": 1.0, "latency_ms": made}

    study = op.Study("device", space, evaluate, objectives={"score": "max"}, method="random")
    study.run(2)
    for record in study.queries:
        assert record.metrics is not None
        how = record.measured["latency_ms"]
        assert record.metrics["latency_ms"] == how["latency_ms"] > 0
        assert (how["runtime"], how["threads"]) == ("onnx", 1)
        assert json.dumps(how)


def test_a_state_that_is_no_tensor_is_measured_without() -> None:
    class Counted(nn.Linear):
        def get_extra_state(self) -> dict[str, Any]:
            return {"runs": 3, "scale": torch.zeros(25_000)}

        def set_extra_state(self, state: Any) -> None:
            pass

    made = hardware.measure(Counted(3, 4), (1, 3), runtime="torch", time_limit_s=0.05)
    assert made.size_mb == pytest.approx((25_000 + 16) * 4e-6)
