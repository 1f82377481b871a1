"""Runs networks by the clock, in a process of its own.

A program of one file that imports nothing of the package, so that the process that measures holds
the runtime and the network and nothing else. It is started by `_process`, reads one JSON request a
line and answers each with one JSON line. On Linux each request is served by a fork of the process,
which has imported the runtime and nothing more: no measurement sees what an earlier one left.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

# The first calls allocate memory, choose kernels and wake the processor; they are not counted.
WARM_UP = 5
WARM_UP_S = 0.02
# A block of runs is long enough for its median to mean something, short enough that some blocks
# meet no other program.
BLOCK = 10
BLOCK_S = 0.01
# The median is stable when the three quietest of at least so many blocks agree to this part of it.
BLOCKS = 8
QUIET = 3
TOLERANCE = 0.02


def timed(run: Callable[[], object], time_limit_s: float) -> list[float]:
    """The seconds of single runs in the quietest blocks.

    Other programs only ever add time, so the block with the least median is the nearest to the
    network's own; that it was reached `QUIET` times tells it from a stroke of luck.

    Args:
        run: One forward pass.
        time_limit_s: When to stop, in seconds; one run is counted in any case.
    """
    start = time.perf_counter()
    end = start + time_limit_s
    for count in range(1_000_000):
        if count >= WARM_UP and time.perf_counter() > start + WARM_UP_S:
            break
        run()
        if time.perf_counter() > end:
            break
    blocks: list[tuple[float, list[float]]] = []
    while True:
        runs = _block(run, end)
        blocks.append((statistics.median(runs), runs))
        quiet = sorted(blocks, key=lambda block: block[0])[:QUIET]
        steady = quiet[-1][0] - quiet[0][0] <= TOLERANCE * quiet[0][0]
        if (len(blocks) >= BLOCKS and steady) or time.perf_counter() > end:
            return [seconds for _, runs in quiet for seconds in runs]


def _block(run: Callable[[], object], end: float) -> list[float]:
    runs: list[float] = []
    began = time.perf_counter()
    while True:
        start = time.perf_counter()
        run()
        now = time.perf_counter()
        runs.append(now - start)
        if now > end or (len(runs) >= BLOCK and now > began + BLOCK_S):
            return runs


def quartiles(seconds: list[float]) -> tuple[float, float]:
    """The median and the distance between the quartiles, in milliseconds."""
    if len(seconds) < 2:
        return seconds[0] * 1e3, 0.0
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return median * 1e3, (high - low) * 1e3


def processor() -> str:
    """The processor's name as the system tells it; the architecture where it tells none."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # Not on macOS, not on Windows.
        pass
    return platform.processor() or platform.machine()


def _peak_mb() -> float | None:
    """The most memory that this process has had, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Not on Windows.
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def _onnx(request: dict[str, Any]) -> Callable[[], object]:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        request["model"], options, providers=["CPUExecutionProvider"]
    )
    names = [argument.name for argument in session.get_inputs()]
    with np.load(request["inputs"], allow_pickle=False) as arrays:
        ours = set(names) <= set(arrays.files)
        # By name where we exported it: an input that the output does not depend on is dropped.
        pairs = zip(names, names if ours else arrays.files, strict=True)
        inputs = {name: arrays[array] for name, array in pairs}
    return lambda: session.run(None, inputs)


def _torch(request: dict[str, Any]) -> Callable[[], object]:
    import pickle

    import numpy as np
    import torch

    torch.set_num_threads(request["threads"])
    torch.set_grad_enabled(False)
    sys.path[:] = request["path"]
    with open(request["model"], "rb") as file:
        module = pickle.load(file)  # Written by the process that started this one.
    with np.load(request["inputs"], allow_pickle=False) as arrays:
        inputs = [torch.from_numpy(arrays[name]) for name in arrays.files]
    return lambda: module(*inputs)


def _measured(request: dict[str, Any]) -> dict[str, Any]:
    load = {"onnx": _onnx, "torch": _torch}[request["runtime"]]
    import numpy  # noqa: F401  # Not the network's memory.

    before = _peak_mb()
    seconds = timed(load(request), request["time_limit_s"])
    after = _peak_mb()
    median, iqr = quartiles(seconds)
    return {
        "latency_ms": median,
        "iqr_ms": iqr,
        "repeats": len(seconds),
        "peak_memory_mb": None if before is None or after is None else after - before,
        "device": processor(),
    }


def _answer(request: dict[str, Any]) -> str:
    try:
        return json.dumps(_measured(request))
    except BaseException as error:
        text = "".join(traceback.format_exception_only(error)).strip()
        return json.dumps({"error": text})


def _serve(answers: IO[str]) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if sys.platform != "linux":
            # Elsewhere a fork may break what the libraries hold; the next request gets a new one.
            print(_answer(request), file=answers, flush=True)
            return
        child = os.fork()
        if child == 0:
            print(_answer(request), file=answers, flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            code = os.waitstatus_to_exitcode(status)
            text = f"the measuring process died ({f'signal {-code}' if code < 0 else code})"
            print(json.dumps({"error": text}), file=answers, flush=True)


def main() -> None:
    """``python _timer.py RUNTIME``: serves until its standard input is closed."""
    # What a network or a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Where it is missing, the request is told so.
    with contextlib.suppress(ImportError):
        if sys.argv[1] == "torch":
            import torch  # noqa: F401
        else:
            import onnxruntime  # noqa: F401
    _serve(answers)


if __name__ == "__main__":
    main()
