"""What a network takes where it is deployed: latency, size and memory, by the clock."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import platform
import re
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from optiproxy.errors import MeasurementFailed, OptiProxyError, invalid, truth
from optiproxy.hardware._cache import keep, kept
from optiproxy.hardware._modes import Inputs, deployed
from optiproxy.hardware._process import ask
from optiproxy.hardware._timer import processor
from optiproxy.hardware.command import Command
from optiproxy.hardware.export import MISSING, export_onnx, input_names

RUNTIMES = ("onnx", "torch")

# What starting the process and loading the network may take, beside the runs by the clock.
_MARGIN_S = 60.0

# What a traced graph says beside the network's form.
_INCIDENTAL = re.compile(r"\.___torch_mangle_\d+|(, scope: [^#\n]*)?(# .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """What was measured of a network, and on what.

    As a number it is its latency, so that an evaluator may return it as a metric; the study then
    keeps the rest of it beside the number.

    Attributes:
        latency_ms: The median of single runs, in milliseconds.
        iqr_ms: The distance between their quartiles: the noise of a single run.
        repeats: How many runs were counted.
        size_mb: Of the network's file: ONNX, or torch's parameters and buffers; in MB (10^6).
        peak_memory_mb: What loading and running it added to the process, in MB; None where the
            system or the command does not tell. Below about 0.1 MB it is nothing but pages.
        runtime: ``"onnx"``, ``"torch"`` or the command.
        device: The processor's name, or what the command calls its device.
        threads: How many the runtime had; None where the command does not tell.
        versions: Of what the number depends on, name → version.
        others: Other metrics that a command printed, such as ``energy_mj``.
    """

    latency_ms: float
    iqr_ms: float | None = None
    repeats: int | None = None
    size_mb: float | None = None
    peak_memory_mb: float | None = None
    runtime: str = ""
    device: str = ""
    threads: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, float] = field(default_factory=dict)

    def __float__(self) -> float:
        return float(self.latency_ms)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a file or a database."""
        return asdict(self)

    def metrics(self) -> dict[str, Any]:
        """``latency_ms`` (this measurement itself), ``size_mb``, ``peak_memory_mb`` and others."""
        known = {"size_mb": self.size_mb, "peak_memory_mb": self.peak_memory_mb}
        told = {name: value for name, value in known.items() if value is not None}
        return {"latency_ms": self, **told, **self.others}


def measure(
    model: nn.Module | str | os.PathLike[str],
    input_shape: tuple[int, ...] | Inputs,
    *,
    runtime: str | Command = "onnx",
    threads: int = 1,
    time_limit_s: float = 2.0,
    cached: bool = True,
) -> Measurement:
    """Measures a network in evaluation mode, in a process of its own on this machine's CPU.

    After a warm-up it is run in blocks until the medians of the three quietest agree to 2 %; their
    runs are counted. The number of threads is fixed: with one, the default, the result does not
    depend on how many cores are free.

    A measurement is kept in the user's cache folder under the network's form (its traced graph with
    the shapes, not its weights), the runtime, the device, the threads and the versions; the same
    network is then measured once, whatever architecture it was built from. What a command said is
    kept as long as this process lives: what is behind it may be another device tomorrow.

    Args:
        model: The network, on the CPU, which is left as it was; or the path of an ONNX file.
        input_shape: The shape of its input, batch included (1 for the latency of one example),
            which is filled with normal random numbers; or the input itself, or a tuple of several.
        runtime: ``"onnx"`` for ONNX Runtime, ``"torch"`` for eager torch, or a `Command`.
        threads: Of the runtime; a command does not see it.
        time_limit_s: For the runs by the clock, in seconds; one run is counted in any case. A
            measurement that takes a minute more than that is ended.
        cached: False measures anew, and keeps that.

    Raises:
        InvalidValueError: An argument can't be used.
        OptiProxyError: The runtime's package is missing.
        MeasurementFailed: The network can't be exported or run, or took too long. As an
            `EvaluationFailed` it is a failed query in a search.
    """
    check_runtime(runtime)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise invalid("threads", threads, "give a whole number of 1 or more")
    if not time_limit_s > 0:
        raise invalid("time_limit_s", time_limit_s, "give a number of seconds above 0")
    cached = truth("cached", cached)
    inputs = _inputs(input_shape)
    if not isinstance(model, nn.Module):
        model = _onnx_file(model, runtime)
    key = _key(model, inputs, runtime, threads)
    lasting = not isinstance(runtime, Command)
    found = kept(key, lasting=lasting) if cached and key else None
    if found is not None:
        return Measurement(**found)
    with tempfile.TemporaryDirectory(prefix="optiproxy-") as folder:
        made = _measured(model, inputs, runtime, threads, time_limit_s, Path(folder))
    if key:
        keep(key, made.to_json(), lasting=lasting)
    return made


def runtime_of(text: str) -> str | Command:
    """``onnx``, ``torch`` or a command, as ``--measure`` is given it.

    Raises:
        InvalidValueError: It is none of them.
        OptiProxyError: What it needs is not installed.
    """
    runtime = text if text in RUNTIMES else Command(text)
    check_runtime(runtime)
    return runtime


def check_runtime(runtime: object) -> None:
    """Raises InvalidValueError for what is no runtime, OptiProxyError where it is not installed."""
    if isinstance(runtime, Command):
        if importlib.util.find_spec("onnx") is None:
            raise OptiProxyError(f"onnx: the package is missing; {MISSING}")
        return
    if runtime not in RUNTIMES:
        raise invalid("runtime", runtime, "give 'onnx', 'torch' or a hardware.Command")
    if runtime == "onnx" and importlib.util.find_spec("onnxruntime") is None:
        raise OptiProxyError(f"onnxruntime: the package is missing; {MISSING}")


def _measured(
    model: nn.Module | Path,
    inputs: tuple[torch.Tensor, ...],
    runtime: str | Command,
    threads: int,
    time_limit_s: float,
    folder: Path,
) -> Measurement:
    if runtime == "torch":
        assert isinstance(model, nn.Module)
        file, size = _pickled(model, folder / "network.pkl"), _torch_bytes(model)
    else:
        file = model if isinstance(model, Path) else export_onnx(model, inputs, folder / "net.onnx")
        size = file.stat().st_size
    if isinstance(runtime, Command):
        answer = runtime.run(file.absolute())
        names = Measurement.__dataclass_fields__
        others = {name: answer.pop(name) for name in list(answer) if name not in names}
        return Measurement(
            **{"size_mb": size / 1e6, **answer, "runtime": runtime.text, "others": others}
        )
    arrays = {
        name: tensor.numpy() for name, tensor in zip(input_names(inputs), inputs, strict=True)
    }
    np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
    answer = ask(
        {
            "runtime": runtime,
            "threads": threads,
            "model": str(file),
            "inputs": str(folder / "inputs.npz"),
            "time_limit_s": time_limit_s,
            "path": sys.path,
        },
        time_limit_s + _MARGIN_S,
    )
    return Measurement(
        **answer,
        size_mb=size / 1e6,
        runtime=runtime,
        threads=threads,
        versions=_versions(runtime),
    )


def _inputs(given: tuple[int, ...] | Inputs) -> tuple[torch.Tensor, ...]:
    if isinstance(given, torch.Tensor):
        return (given,)
    remedy = "give the input's shape, such as (1, 3, 32, 32), or the input itself"
    if not isinstance(given, tuple | list) or not given:
        raise invalid("input_shape", given, remedy)
    if all(isinstance(part, torch.Tensor) for part in given):
        return tuple(given)  # type: ignore[arg-type]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in given):
        raise invalid("input_shape", given, remedy)
    shape = torch.Size(given)  # type: ignore[arg-type]
    return (torch.randn(shape, generator=torch.Generator().manual_seed(0)),)


def _onnx_file(model: Any, runtime: str | Command) -> Path:
    if not isinstance(model, str | os.PathLike):
        raise invalid("model", model, "give an nn.Module or the path of an ONNX file")
    if runtime == "torch":
        raise invalid("runtime", runtime, "an ONNX file runs in 'onnx' or by a hardware.Command")
    path = Path(model).expanduser()
    if not path.is_file():
        raise invalid("model", str(model), "there is no such file; give the path of an ONNX file")
    return path


def _pickled(module: nn.Module, path: Path) -> Path:
    """Writes a module so that another process can read it, wherever its class was defined."""
    import cloudpickle

    names = {type(part).__module__ for part in module.modules()}
    here = [sys.modules[name] for name in names if not _importable(name) and name in sys.modules]
    here = [part for part in here if part.__name__ != "__main__"]  # Written by value anyway.
    for part in here:
        cloudpickle.register_pickle_by_value(part)
    try:
        with deployed(module):
            path.write_bytes(cloudpickle.dumps(module))
    except Exception as error:
        raise MeasurementFailed(
            f"measurement: the network can't be sent to another process ({error})"
        ) from error
    finally:
        for part in here:
            cloudpickle.unregister_pickle_by_value(part)
    return path


def _importable(name: str) -> bool:
    """Whether another process finds the module `name` where this one looks."""
    return importlib.machinery.PathFinder.find_spec(name.partition(".")[0]) is not None


def _torch_bytes(module: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in module.state_dict().values())


def _key(
    model: nn.Module | Path,
    inputs: tuple[torch.Tensor, ...],
    runtime: str | Command,
    threads: int,
) -> str | None:
    """What a measurement is kept under; None for a network that has no form to tell it by."""
    form = _form(model, inputs)
    if form is None:
        return None
    if isinstance(runtime, Command):
        where = [runtime.text]
    else:
        versions = _versions(runtime)
        where = [runtime, platform.node(), processor(), str(threads), json.dumps(versions)]
    return hashlib.sha256("\0".join([form, *where]).encode()).hexdigest()


def _form(model: nn.Module | Path, inputs: tuple[torch.Tensor, ...]) -> str | None:
    if isinstance(model, Path):
        return hashlib.sha256(model.read_bytes()).hexdigest()
    with deployed(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Tracing warns of what it makes constant.
        try:
            traced = torch.jit.trace(model, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        except Exception:
            return None
    graph = _INCIDENTAL.sub("", str(traced.inlined_graph))
    shapes = [(name, str(t.dtype), *t.shape) for name, t in model.state_dict().items()]
    return f"{graph}\n{shapes}"


def _versions(runtime: str) -> dict[str, str]:
    names = ["torch"] if runtime == "torch" else ["onnx", "onnxruntime"]
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
