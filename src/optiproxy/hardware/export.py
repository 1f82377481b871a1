"""A network as an ONNX file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from torch import nn

from optiproxy.errors import MeasurementFailed, OptiProxyError
from optiproxy.hardware._modes import Inputs, as_tuple, deployed

MISSING = "pip install 'optiproxy[onnx]'"


def input_names(inputs: tuple[torch.Tensor, ...]) -> list[str]:
    """The names of the inputs in the file: ``input_0``, ``input_1``, …."""
    return [f"input_{i}" for i in range(len(inputs))]


def export_onnx(module: nn.Module, example_input: Inputs, path: str | os.PathLike[str]) -> Path:
    """Writes a network in evaluation mode as an ONNX file of fixed input shapes.

    Args:
        module: The network, on the CPU; it is not changed.
        example_input: Its input, or a tuple of several.
        path: The file to write, weights included.

    Raises:
        OptiProxyError: The package ``onnx`` is missing.
        MeasurementFailed: The network can't be exported; the message says why.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise OptiProxyError(f"onnx: the package is missing; {MISSING}") from None
    inputs = as_tuple(example_input)
    with deployed(module), warnings.catch_warnings():
        # The tracing exporter: the newer one takes seconds for each network and needs another
        # package. It warns that it is deprecated, and of constants in the trace.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module, inputs, str(path), input_names=input_names(inputs), dynamo=False
            )
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise MeasurementFailed(f"measurement: the export to ONNX failed: {text}") from error
    return Path(path)
