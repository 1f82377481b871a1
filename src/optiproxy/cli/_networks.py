"""The network of an architecture, written to a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy._atomic_write import whole
from optiproxy._example_input import positional, tensors
from optiproxy._exported import exported
from optiproxy.cli._say import say
from optiproxy.errors import MeasurementFailed, OptiProxyError, invalid
from optiproxy.study import Best, Study

if TYPE_CHECKING:
    from torch import nn


def network(found: Best, inputs: tuple[Any, ...], *, retrain: bool) -> nn.Module:
    """The network of an architecture as `Best.module` gives it; a training is announced."""
    if retrain and found.weights is None:
        say(f"training the architecture of query {found.query} once more", file=sys.stderr)
    elif found.weights is None:
        return found.initial(inputs).cpu()  # What is printed at the end says so.
    return found.module(inputs, retrain=retrain)


def write_code(model: nn.Module, inputs: tuple[Any, ...], out: Path, found: Best) -> Path:
    """The network as Python code in `out`, and its weights beside it, in the file returned.

    Raises:
        OptiProxyError: It can't be written so.
    """
    import torch

    from optiproxy.nn.code import as_python

    title = f"The network of {found.task.name}, query {found.query}."
    text, weights = as_python(model, inputs, module=out.stem, title=title)
    beside = out.with_suffix(".pt")
    with whole(beside) as unfinished:
        torch.save(weights, unfinished)
    with whole(out) as unfinished:
        unfinished.write_text(text, "utf-8")
    return beside


def write_program(model: nn.Module, inputs: tuple[Any, ...], path: Path) -> None:
    """The whole network, for ``torch.export.load(path).module()``, which needs no code of it. Of
    inputs that begin with the batch, batches of any size are taken where torch can write it so.

    Raises:
        OptiProxyError: torch can't export it.
    """
    import torch

    model.eval()
    content = io.BytesIO()  # torch warns about file names that do not end in .pt2.
    try:
        torch.export.save(exported(model, inputs), content)
    except Exception as error:
        raise OptiProxyError(f"export: torch can't export this network: {_first(error)}") from error
    path.write_bytes(content.getvalue())


def write_onnx(model: nn.Module, inputs: tuple[Any, ...], path: Path) -> None:
    """The whole network in evaluation mode with its weights. Inputs are called as in its `forward`,
    and a batch is of any size where the network takes that.

    Raises:
        OptiProxyError: The package ``onnx`` is missing, or torch can't export the network.
    """
    from optiproxy.hardware import export_onnx

    try:
        export_onnx(model, inputs, path, for_users=True)
    except MeasurementFailed as error:
        reason = str(error).removeprefix("measurement: ")
        raise OptiProxyError(f"export: {reason}") from error


def example_input(study: Study, shape: str | None) -> tuple[Any, ...]:
    """The inputs that the network is traced with: zeros of `shape`, or else the task's own.

    Raises:
        InvalidValueError: `shape` can't be read.
        OptiProxyError: There is no shape, and the task has no example input.
    """
    import torch

    remedy = "give the sizes of one input with commas between, such as 1,3,32,32"
    if shape is not None:
        try:
            sizes = [int(size) for size in shape.split(",")]
        except ValueError:
            raise invalid("input shape", shape, remedy) from None
        if min(sizes) < 1:
            raise invalid("input shape", shape, remedy)
        return (torch.zeros(sizes),)
    given = study.task.example_input
    if given is None:
        raise OptiProxyError(
            f"export: task {study.task.name!r} has no example_input; --input-shape: {remedy}"
        )
    inputs = given()
    if not tensors(inputs):
        raise OptiProxyError(
            f"export: the example_input of task {study.task.name!r} is a {type(inputs).__name__}; "
            f"a file takes a tensor, or several in a tuple; --input-shape: {remedy}"
        )
    return positional(inputs)


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
