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
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
