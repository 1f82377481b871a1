"""Measured latency, size and memory of a network."""

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
from torch.utils._pytree import tree_leaves

from optiproxy.errors import MeasurementFailed, OptiProxyError, invalid, truth
from optiproxy.hardware._cache import keep, kept
from optiproxy.hardware._modes import Inputs, deployed
from optiproxy.hardware._process import ask
from optiproxy.hardware._timer import processor
from optiproxy.hardware.command import Command
from optiproxy.hardware.export import MISSING, export_onnx, input_names
from optiproxy.hardware.lazy import shaped

RUNTIMES = ("onnx", "torch")

# Time for starting the process and loading the network, in addition to the timed runs.
_MARGIN_S = 60.0

# Parts of a traced graph that do not belong to the network's structure.
_INCIDENTAL = re.compile(r"\.___torch_mangle_\d+|(, scope: [^#\n]*)?(# .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """A measurement of a network, with the device and the versions.

    As a number it is the latency, so that an evaluator may return it as a metric; the study stores
    the other fields with the number.

    Attributes:
        latency_ms: The median of single runs, in milliseconds.
        iqr_ms: Their interquartile range: the noise of a single run.
        repeats: The number of runs.
        size_mb: The size of the ONNX file, or of torch's parameters and buffers; in MB (10^6).
        peak_memory_mb: Memory that loading and running it added to the process, in MB; None where
            the system or the command does not report it. Values below 0.1 MB are noise.
        runtime: ``"onnx"``, ``"torch"`` or the command.
        device: The processor's name, or the command's name of its device.
        threads: Threads of the runtime; None where the command does not report them.
        versions: Versions of the software involved, name → version.
        others: Other metrics of a command, such as ``energy_mj``.
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
        other = {name: value for name, value in known.items() if value is not None}
        return {"latency_ms": self, **other, **self.others}


def measure(
    model: nn.Module | str | os.PathLike[str],
    input_shape: tuple[int, ...] | Inputs,
    *,
    runtime: str | Command = "onnx",
    threads: int = 1,
    time_limit_s: float = 2.0,
    cached: bool = True,
) -> Measurement:
    """Measures a network in evaluation mode, in a separate process on this machine's CPU.

    After a warm-up it is run in blocks until the medians of the three fastest agree to 2 %; their
    runs are counted. With one thread, the default, the result does not depend on the number of
    free cores.

    A measurement is cached in the user's cache folder by the network's traced graph and shapes (not
    its weights), the runtime, the device, the threads and the versions, so that architectures that
    are one network are measured once. Answers of a command are cached in this process only, since
    the device behind it may change.

    Args:
        model: The network, on the CPU, which is not changed; or the path of an ONNX file.
        input_shape: The shape of its input, batch included (1 for the latency of one example), for
            an input of normal random numbers; or the input itself, or a tuple of several.
        runtime: ``"onnx"`` for ONNX Runtime, ``"torch"`` for eager torch, or a `Command`.
        threads: Threads of the runtime; a command does not get this number.
        time_limit_s: Limit of the timed runs, in seconds; one run is counted in any case. A
            measurement that takes a minute longer is aborted.
        cached: False measures again and stores the result.

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
    else:
        model = shaped(model, inputs)
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
    """``onnx``, ``torch`` or a command, from the text of ``--measure``.

    Raises:
        InvalidValueError: It is none of these.
        OptiProxyError: A package that it needs is not installed.
    """
    runtime = text if text in RUNTIMES else Command(text)
    check_runtime(runtime)
    return runtime


def check_runtime(runtime: object) -> None:
    """Raises InvalidValueError for an unknown runtime, OptiProxyError for one not installed."""
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
    answer = ask(
        {
            "runtime": runtime,
            "threads": threads,
            "model": str(file),
            "inputs": str(_written(inputs, runtime, folder)),
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


def _written(inputs: tuple[torch.Tensor, ...], runtime: str, folder: Path) -> Path:
    """The inputs in a file that the measuring process reads."""
    inputs = tuple(tensor.detach() for tensor in inputs)
    if runtime == "torch":
        torch.save(inputs, file := folder / "inputs.pt")
        return file
    try:
        arrays = {name: x.numpy() for name, x in zip(input_names(inputs), inputs, strict=True)}
    except TypeError:  # Of bfloat16, which numpy lacks.
        kinds = ", ".join(str(tensor.dtype) for tensor in inputs)
        raise MeasurementFailed(
            f"measurement: ONNX Runtime takes no input of {kinds}; convert the network and its "
            "input by .float(), or measure in torch"
        ) from None
    np.savez(file := folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
    return file


def _inputs(given: tuple[int, ...] | Inputs) -> tuple[torch.Tensor, ...]:
    if isinstance(given, torch.Tensor):
        return (given,)
    remedy = "give the input's shape, such as (1, 3, 32, 32), or a tensor, or a tuple of them"
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
    """Pickles a module for another process, wherever its class was defined."""
    import cloudpickle

    names = {type(part).__module__ for part in module.modules()}
    here = [sys.modules[name] for name in names if not _importable(name) and name in sys.modules]
    here = [part for part in here if part.__name__ != "__main__"]  # pickled by value anyway
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
    """Whether another process can import the module `name`."""
    return importlib.machinery.PathFinder.find_spec(name.partition(".")[0]) is not None


def _torch_bytes(module: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for _, t in _tensors(module))


def _tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """The tensors of its state, which may have other things in it."""
    state = module.state_dict().items()
    leaves = [(name, leaf) for name, value in state for leaf in tree_leaves(value)]
    return [(name, leaf) for name, leaf in leaves if isinstance(leaf, torch.Tensor)]


def _key(
    model: nn.Module | Path,
    inputs: tuple[torch.Tensor, ...],
    runtime: str | Command,
    threads: int,
) -> str | None:
    """The key of a measurement in the cache; None for a network that can't be traced."""
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
        warnings.simplefilter("ignore")  # tracing warns of constants
        try:
            traced = torch.jit.trace(model, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        except Exception:
            return None
    graph = _INCIDENTAL.sub("", str(traced.inlined_graph))
    shapes = [(name, str(t.dtype), *t.shape) for name, t in _tensors(model)]
    return f"{graph}\n{shapes}"


def _versions(runtime: str) -> dict[str, str]:
    names = ["torch"] if runtime == "torch" else ["onnx", "onnxruntime"]
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
