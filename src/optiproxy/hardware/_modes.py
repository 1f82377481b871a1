"""Evaluation mode for a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

Inputs = torch.Tensor | tuple[torch.Tensor, ...]


@contextmanager
def deployed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; restores the mode of each part."""
    # A frozen script has no mode.
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def unfused_attention() -> Iterator[None]:
    """`nn.MultiheadAttention` and what has it by single operations.

    Evaluation mode has fused ones, which have neither a formula in torch nor a form in ONNX.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
