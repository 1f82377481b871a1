"""Latency, parameters and FLOPs of known networks."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from optiproxy.errors import InvalidValueError
from optiproxy.hardware import count_flops, count_parameters, measure_latency


class _Sleeper(nn.Module):
    """Takes a known time, and remembers how it was called."""

    def __init__(self, *seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.inner = nn.Linear(3, 3)
        self.calls: list[tuple[bool, bool, int]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds[len(self.calls) % len(self.seconds)])
        self.calls.append((self.training, torch.is_grad_enabled(), torch.get_num_threads()))
        return x


X = torch.zeros(1, 3)


def test_latency_is_the_median_in_milliseconds() -> None:
    latency = measure_latency(_Sleeper(0.004, 0.004, 0.004, 0.02), X)
    assert 4.0 <= latency.median_ms < 12.0
    assert latency.iqr_ms >= 0.0
    assert latency.repeats >= 30
    assert latency.device
    assert latency.threads == 1
    assert latency.versions["torch"] == torch.__version__


def test_network_is_measured_as_deployed_and_left_as_it_was() -> None:
    network = _Sleeper(0.0)
    network.train()
    network.inner.eval()
    threads = torch.get_num_threads()
    measure_latency(network, X, threads=2, time_limit_s=0.1)
    assert set(network.calls) == {(False, False, 2)}
    assert network.training
    assert not network.inner.training
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


def test_measurement_ends_with_its_time() -> None:
    start = time.perf_counter()
    latency = measure_latency(_Sleeper(0.05), X, time_limit_s=0.12)
    assert time.perf_counter() - start < 1.0
    assert 1 <= latency.repeats < 10


def test_one_slow_run_is_counted() -> None:
    assert measure_latency(_Sleeper(0.03), X, time_limit_s=0.001).repeats == 1


def test_network_that_raises_is_left_as_it_was() -> None:
    network = nn.Linear(4, 4)
    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        measure_latency(network, X)
    assert network.training
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("keywords", [{"threads": 0}, {"threads": 1.5}, {"time_limit_s": 0}])
def test_bad_argument_is_named(keywords: dict[str, int]) -> None:
    [name] = keywords
    with pytest.raises(InvalidValueError, match=f"{name}: got"):
        measure_latency(nn.Identity(), X, **keywords)


def test_parameters_are_counted_once() -> None:
    linear = nn.Linear(3, 3)
    assert count_parameters(nn.Sequential(linear, linear, nn.BatchNorm1d(3))) == 12 + 6


def test_multiply_add_counts_as_two() -> None:
    assert count_flops(nn.Linear(3, 5, bias=False), X) == 2 * 3 * 5
    convolution = nn.Conv1d(2, 4, 3, padding=1)
    assert count_flops(convolution, torch.zeros(1, 2, 10)) == 2 * (2 * 4 * 3) * 10


def test_network_of_two_inputs_is_measured() -> None:
    bilinear = _Two()
    assert count_flops(bilinear, (torch.zeros(2, 3), torch.zeros(3, 4))) == 2 * 2 * 3 * 4
    inputs = torch.zeros(2, 3), torch.zeros(3, 4)
    assert measure_latency(bilinear, inputs, time_limit_s=0.05).median_ms > 0


class _Two(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b
