"""The latency of a network on this machine's CPU."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from optiproxy.errors import invalid
from optiproxy.hardware._modes import Inputs, as_tuple, deployed
from optiproxy.hardware.threads import pinned_threads

# The first calls allocate memory and choose kernels; they are not counted.
WARM_UP = 5
# Runs between two looks at the median.
BLOCK = 10
# It is stable when its last three looks lie within this part of it.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Latency:
    """How long one forward pass takes, and on what it was measured.

    Attributes:
        median_ms: The median, in milliseconds.
        iqr_ms: The distance between the quartiles, in milliseconds: the noise of a single run.
        repeats: How many runs were counted.
        device: The processor's name.
        threads: How many threads torch had.
        versions: Of what the number depends on, name → version.
    """

    median_ms: float
    iqr_ms: float
    repeats: int
    device: str
    threads: int
    versions: dict[str, str]


def measure_latency(
    module: nn.Module, example_input: Inputs, *, threads: int = 1, time_limit_s: float = 2.0
) -> Latency:
    """Measures the forward pass of a network on the CPU, in evaluation mode without gradients.

    After a warm-up, it is run until the median is stable to 2 %, or until the time is up.

    Args:
        module: The network, on the CPU; it is left as it was.
        example_input: Its input, or a tuple of several. For the latency of one example, a batch
            of 1.
        threads: For torch; the earlier number is put back. One, by default: the result then does
            not depend on how many cores are free.
        time_limit_s: When to stop, in seconds; one run is counted in any case.

    Raises:
        InvalidValueError: `threads` or `time_limit_s` can't be used.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise invalid("threads", threads, "give a whole number of 1 or more")
    if not time_limit_s > 0:
        raise invalid("time_limit_s", time_limit_s, "give a number of seconds above 0")
    inputs = as_tuple(example_input)
    with pinned_threads(threads), deployed(module):
        end = time.perf_counter() + time_limit_s
        for _ in range(WARM_UP):
            module(*inputs)
            if time.perf_counter() > end:
                break
        runs = _timed(module, inputs, end)
    low, median, high = np.percentile(runs, [25, 50, 75])
    return Latency(
        median_ms=float(median) * 1e3,
        iqr_ms=float(high - low) * 1e3,
        repeats=len(runs),
        device=_processor(),
        threads=threads,
        versions={"python": platform.python_version(), "torch": str(torch.__version__)},
    )


def _timed(module: nn.Module, inputs: tuple[torch.Tensor, ...], end: float) -> list[float]:
    """The seconds of single runs, until the median is stable or `end` has come."""
    runs: list[float] = []
    medians: list[float] = []
    while True:
        start = time.perf_counter()
        module(*inputs)
        now = time.perf_counter()
        runs.append(now - start)
        if now > end:
            return runs
        if len(runs) % BLOCK == 0:
            medians = [*medians[-2:], float(np.median(runs))]
            if len(medians) == 3 and max(medians) - min(medians) <= TOLERANCE * medians[-1]:
                return runs


@cache
def _processor() -> str:
    """The processor's name as the system tells it; the architecture where it tells none."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # Not on macOS, not on Windows.
        pass
    return platform.processor() or platform.machine()
