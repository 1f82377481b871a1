"""A network as an ONNX file."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from optiproxy._example_input import positional
from optiproxy.errors import MeasurementFailed, OptiProxyError
from optiproxy.hardware._modes import Inputs, deployed, unfused_attention
from optiproxy.hardware.lazy import shaped

MISSING = "pip install 'optiproxy[onnx]'"


def input_names(inputs: tuple[torch.Tensor, ...]) -> list[str]:
    """The names of the inputs in the file: ``input_0``, ``input_1``, …."""
    return [f"input_{i}" for i in range(len(inputs))]


def two_batches(
    module: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...] | None:
    """The inputs twice in one batch; None for a network that does not take that.

    A network takes it where each of its outputs is a tensor with twice as many entries.
    """
    if not all(x.dim() for x in inputs):
        return None
    twice = tuple(torch.cat([x, x]) for x in inputs)
    with deployed(module):
        try:
            outputs = [pytree.tree_leaves(module(*x)) for x in (inputs, twice)]
        except Exception:  # Whatever a network raises that is made for one size.
            return None
    grows = all(
        isinstance(two, torch.Tensor) and two.dim() and two.shape == (2 * len(one), *one.shape[1:])
        for one, two in zip(*outputs, strict=True)
    )
    return twice if grows else None


def _for_users(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """Names from the network's code, and batches of any size where it takes them."""
    parameters = inspect.signature(module.forward).parameters.values()
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    names = [p.name for p in parameters][: len(inputs)]
    ours = input_names(inputs) if several else names
    with deployed(module):
        count = len(pytree.tree_leaves(module(*inputs)))
    outputs = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
    axes = {} if two_batches(module, inputs) is None else dict.fromkeys([*ours, *outputs])
    return {
        "input_names": ours,
        "output_names": outputs,
        "dynamic_axes": {name: {0: "batch"} for name in axes},
    }


class _Positional(nn.Module):
    """A network called by its positional arguments alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.network(*inputs)


def _of_inputs(module: nn.Module, count: int) -> nn.Module:
    """The network, wrapped where it has other arguments: torch's exporter makes tensors of them."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    others = len(parameters) > count or any(p.kind is p.KEYWORD_ONLY for p in parameters)
    return _Positional(module) if others else module


@contextmanager
def _without_log() -> Iterator[None]:
    """Without the graph of a failed export, which torch prints on the standard output unasked."""
    log: Any = getattr(torch._C, "_jit_onnx_log", None)  # private: it may go
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


def export_onnx(
    module: nn.Module,
    example_input: Inputs,
    path: str | os.PathLike[str],
    *,
    for_users: bool = False,
) -> Path:
    """Writes a network in evaluation mode as an ONNX file, of fixed input shapes for a measurement.

    Args:
        module: The network, on the CPU; it is not changed.
        example_input: Its input, or a tuple of several.
        path: The file to write, weights included.
        for_users: Inputs are called as in the network's ``forward``, outputs ``output`` or
            ``output_0``, …; and batches may be of any size where the network takes that.

    Raises:
        OptiProxyError: The package ``onnx`` is missing.
        MeasurementFailed: The network can't be exported; the message says why.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise OptiProxyError(f"onnx: the package is missing; {MISSING}") from None
    inputs = positional(example_input)
    module = shaped(module, inputs)
    with deployed(module), unfused_attention(), _without_log(), warnings.catch_warnings():
        # The tracing exporter: the newer one takes seconds for each network and needs another
        # package. It warns that it is deprecated, and of constants in the trace.
        warnings.simplefilter("ignore")
        try:
            more = _for_users(module, inputs) if for_users else {"input_names": input_names(inputs)}
            network = _of_inputs(module, len(inputs))
            torch.onnx.export(network, inputs, str(path), dynamo=False, **more)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise MeasurementFailed(f"measurement: the export to ONNX failed: {text}") from error
    return Path(path)
