"""Times networks in a separate process.

A program in one file that imports nothing of the package, so that the measuring process holds only
the runtime and the network. It is started by `_process`, reads one JSON request a line and answers
each with one JSON line. On Linux a fork of the process, which has only imported the runtime, serves
each request, so that measurements do not affect later ones.
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

# The first calls allocate memory, choose kernels and raise the clock rate; they are not counted.
WARM_UP = 5
WARM_UP_S = 0.02
# A block of runs is long enough for a stable median, and short enough that some blocks are not
# disturbed by other programs.
BLOCK = 10
BLOCK_S = 0.01
# The median is stable when the QUIET fastest of at least BLOCKS blocks agree to this share of it.
BLOCKS = 8
QUIET = 3
TOLERANCE = 0.02


def timed(run: Callable[[], object], time_limit_s: float) -> list[float]:
    """The seconds of single runs in the fastest blocks.

    Other programs can only add time, so the block with the least median is the closest to the
    network's time. It must be reached `QUIET` times, which excludes outliers.

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
    """The median and the interquartile range, in milliseconds."""
    if len(seconds) < 2:
        return seconds[0] * 1e3, 0.0
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return median * 1e3, (high - low) * 1e3


def processor() -> str:
    """The processor's name, or its architecture where the system does not report a name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # Not on macOS, not on Windows.
        pass
    return platform.processor() or platform.machine()


def _peak_mb() -> float | None:
    """The peak memory of this process, in MB; None where the system does not report it."""
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
        # By name where we exported it: the export drops inputs that the output does not depend on.
        pairs = zip(names, names if ours else arrays.files, strict=True)
        inputs = {name: arrays[array] for name, array in pairs}
    return lambda: session.run(None, inputs)


def _torch(request: dict[str, Any]) -> Callable[[], object]:
    import pickle

    import torch

    torch.set_num_threads(request["threads"])
    torch.set_grad_enabled(False)
    sys.path[:] = request["path"]
    with open(request["model"], "rb") as file:
        module = pickle.load(file)  # Written by the process that started this one.
    inputs = torch.load(request["inputs"], weights_only=True)
    return lambda: module(*inputs)


def _measured(request: dict[str, Any]) -> dict[str, Any]:
    load = {"onnx": _onnx, "torch": _torch}[request["runtime"]]
    import numpy  # noqa: F401  # its memory does not count

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
            # Elsewhere a fork may break the libraries; a new process serves the next request.
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
    # Prints of a network or a library must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # If it is missing, the answer to the request says so.
    with contextlib.suppress(ImportError):
        if sys.argv[1] == "torch":
            import torch  # noqa: F401
        else:
            import onnxruntime  # noqa: F401
    _serve(answers)


if __name__ == "__main__":
    main()
