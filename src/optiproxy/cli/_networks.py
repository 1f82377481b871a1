"""The network of an architecture: trained again, and written to a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy.errors import MeasurementFailed, OptiProxyError, invalid
from optiproxy.study import Best, Study
from optiproxy.tasks import evaluation_seed

if TYPE_CHECKING:
    from torch import nn


def network(study: Study, found: Best) -> tuple[nn.Module, bool]:
    """The network of an architecture, and whether it is trained, which depends on its task.

    Raises:
        OptiProxyError: Neither the task nor its space can build a network.
    """
    import torch

    train = study.task.train
    seed = evaluation_seed(study.seed, found.architecture)
    if train is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # The same initial weights in every file.
            return found.build(), False
    # The same seed gives the same network.
    print(f"training the architecture of query {found.query} once more", file=sys.stderr)
    return train(found.architecture, seed), True


def write_state(model: nn.Module, study: Study, found: Best, path: Path) -> None:
    """Weights and their architecture, for ``torch.load(path, weights_only=True)``."""
    import torch

    content = {
        "state_dict": model.state_dict(),
        "architecture": dict(found.architecture),
        "task": study.task.name,
        "metrics": dict(found.metrics),
    }
    torch.save(content, path)


def write_program(model: nn.Module, inputs: tuple[Any, ...], path: Path) -> None:
    """The whole network, for ``torch.export.load(path).module()``, which needs no code of it.

    Raises:
        OptiProxyError: torch can't export it.
    """
    import torch

    model.eval()
    content = io.BytesIO()  # torch warns about file names that do not end in .pt2.
    try:
        torch.export.save(torch.export.export(model, inputs), content)
    except Exception as error:
        raise OptiProxyError(f"export: torch can't export this network: {_first(error)}") from error
    path.write_bytes(content.getvalue())


def write_onnx(model: nn.Module, inputs: tuple[Any, ...], path: Path) -> None:
    """The whole network in evaluation mode, with fixed input shapes and its weights.

    Raises:
        OptiProxyError: The package ``onnx`` is missing, or torch can't export the network.
    """
    from optiproxy.hardware import export_onnx

    try:
        export_onnx(model, inputs, path)
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
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
