"""A network as a program of torch.export."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram


def exported(network: nn.Module, inputs: tuple[Any, ...]) -> ExportedProgram:
    """The program of a network, for batches of any size where torch can write it so.

    Args:
        network: In the mode that is to be exported.
        inputs: Its positional arguments; tensors of one dimension or more begin with the batch.

    Raises:
        Exception: Whatever torch raises on a network that it can't export.
    """
    import torch

    batched = [isinstance(x, torch.Tensor) and x.dim() > 0 for x in inputs]
    # With two examples: of one, torch concludes that it is always one.
    twice = tuple(torch.cat([x, x]) if b else x for x, b in zip(inputs, batched, strict=True))
    batch = torch.export.Dim("batch", min=1)
    sizes = _by_parameter(network, tuple({0: batch} if b else None for b in batched))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(network, twice, dynamic_shapes=sizes)
        except Exception:  # One of a fixed batch, or with a loop over it.
            return torch.export.export(network, inputs)


def _by_parameter(network: nn.Module, sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those of all that goes to ``*args`` are one tuple."""
    parameters = list(inspect.signature(network.forward).parameters.values())
    single = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    return sizes if len(sizes) <= single else (*sizes[:single], sizes[single:])
