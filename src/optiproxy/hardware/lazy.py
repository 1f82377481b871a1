"""Networks whose layers get their shapes from the first input, such as ``LazyLinear`` of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from optiproxy._copied import copied
from optiproxy._example_input import run
from optiproxy.errors import MeasurementFailed
from optiproxy.hardware._modes import deployed


def has_lazy_layers(module: nn.Module) -> bool:
    """Whether a weight or buffer has no shape yet."""
    return any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers()))


def materialise(module: nn.Module, example_input: Any) -> nn.Module:
    """`module` itself, or a copy whose lazy layers have their shapes and weights.

    Args:
        module: The network; it is left as it was.
        example_input: Its input, a tuple of several, or a mapping of keywords, on which a copy
            with lazy layers is run.

    Raises:
        Exception: Whatever the network raises on this input.
    """
    if not has_lazy_layers(module):
        return module
    module = copied(module)
    with deployed(module):
        run(module, example_input)
    return module


def shaped(module: nn.Module, example_input: Any) -> nn.Module:
    """As `materialise`, without moving torch's generator, from which new weights are drawn.

    Raises:
        MeasurementFailed: The network can't be run on this input.
    """
    if not has_lazy_layers(module):
        return module
    try:
        with torch.random.fork_rng(devices=[]):
            return materialise(module, example_input)
    except Exception as error:
        raise MeasurementFailed(
            "measurement: the network has lazy layers and can't be run on its example input: "
            f"{type(error).__name__}: {error}"
        ) from error
