"""The network of an architecture: trained again, and written to a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy._atomic_write import whole
from optiproxy.cli._say import say
from optiproxy.errors import MeasurementFailed, OptiProxyError, invalid
from optiproxy.study import Best, Study
from optiproxy.tasks.networks import NETWORK

if TYPE_CHECKING:
    from torch import nn


def network(
    study: Study, found: Best, inputs: tuple[Any, ...] = (), *, retrain: bool
) -> tuple[nn.Module, bool]:
    """The network of an architecture, and whether it is trained.

    It is the one that its evaluator kept. If there is none, it is trained again where that is
    wanted, and has its initial weights otherwise.

    Args:
        study: Whose architecture it is.
        found: The architecture.
        inputs: What lazy layers get their shapes from; none for the task's example input.
        retrain: Whether it may be trained again.

    Raises:
        OptiProxyError: Neither the task nor its space can build a network, or the kept weights do
            not belong to the network that is built; or it can't be trained again.
    """
    import torch

    if (path := kept_weights(study, found)) is not None:
        model = found.initial(inputs)
        try:
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            raise OptiProxyError(f"export: {path} is not for this network: {error}") from error
        return model.eval(), True
    if retrain and study.task.train is None:
        raise invalid("retrain", retrain, f"task {study.task.name!r} has no `train`")
    if not retrain:
        return found.initial(inputs).cpu(), False
    # The same seed gives the same network.
    say(f"training the architecture of query {found.query} once more", file=sys.stderr)
    return found.module(inputs).cpu(), True


def kept_weights(study: Study, found: Best) -> Path | None:
    """The file in which the evaluator kept its trained weights; None if it kept none."""
    folder = study.folder(found.query)
    path = None if folder is None else folder / NETWORK
    return path if path is not None and path.is_file() else None


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
    inputs that begin with the batch, batches of any size are taken where the network takes them.

    Raises:
        OptiProxyError: torch can't export it.
    """
    import torch

    from optiproxy.hardware.export import two_batches

    model.eval()
    content = io.BytesIO()  # torch warns about file names that do not end in .pt2.
    twice = two_batches(model, inputs)
    try:
        if twice is None:
            program = torch.export.export(model, inputs)
        else:
            # Of a batch of one, torch concludes that it is always one.
            sizes = tuple({0: torch.export.Dim("batch", min=1)} for _ in twice)
            program = torch.export.export(model, twice, dynamic_shapes=sizes)
        torch.export.save(program, content)
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
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
