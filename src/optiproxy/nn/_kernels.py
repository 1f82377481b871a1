"""Smaller kernels of the convolutions of a network that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from optiproxy._copied import copied
from optiproxy.nn._changes import Change
from optiproxy.nn._channels import NotAdaptableError


@dataclass(frozen=True)
class Kernel(Change):
    """The size of a convolution's kernel."""

    @classmethod
    def of(cls, model: nn.Module, name: str, options: list[int | float]) -> Self:
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            raise NotAdaptableError(f"{type(layer).__name__} is no convolution")
        size = layer.kernel_size[0]
        if set(layer.kernel_size) != {size} or not size % 2:
            raise NotAdaptableError(f"its kernel {layer.kernel_size} is not odd and square")
        if any(isinstance(o, float) or o > size or not o % 2 for o in options):
            raise NotAdaptableError(f"its kernel is {size}; give whole odd numbers up to it")
        for option in options:
            if min(_padding(layer, option)) < 0:
                raise NotAdaptableError(f"with {option} its outputs would be larger: no padding")
        _check_weight(layer, options)
        return cls(f"{name}.kernel_size", name, "kernel_size", tuple(options), (name,))

    def apply(self, model: nn.Module, option: int | float) -> None:
        layer: Any = model.get_submodule(self.layer)
        if option == layer.kernel_size[0]:
            return
        padding, weight = _padding(layer, option), _middle(layer, option)
        if "weight" in layer._parameters:
            weight = nn.Parameter(weight, requires_grad=layer.weight.requires_grad)
        layer.weight = weight  # A parametrisation sets what it computes the weight from.
        if not isinstance(layer.padding, str):
            layer.padding = padding
        # For the modes of padding that torch does itself.
        layer._reversed_padding_repeated_twice = [p for p in reversed(padding) for _ in range(2)]
        layer.kernel_size = tuple(int(option) for _ in layer.kernel_size)


def _padding(layer: Any, option: int | float) -> tuple[int, ...]:
    """What a kernel needs on each side of each axis for outputs as large as now; negative where
    there is not so much to take away.
    """
    size, padding = layer.kernel_size[0], layer.padding
    if isinstance(padding, str):
        padding = [size // 2 * d if padding == "same" else 0 for d in layer.dilation]
    less = (size - int(option)) // 2
    return tuple(p - less * d for p, d in zip(padding, layer.dilation, strict=True))


def _middle(layer: Any, option: int | float) -> Tensor:
    weight: Tensor = layer.weight.detach()
    for axis in range(2, weight.dim()):
        weight = weight.narrow(axis, (weight.shape[axis] - int(option)) // 2, int(option))
    return weight.clone()


def _check_weight(layer: Any, options: Sequence[int | float]) -> None:
    """Looks whether a weight that is computed from others can be set.

    Raises:
        NotAdaptableError: It can't.
    """
    if not parametrize.is_parametrized(layer, "weight"):
        return
    for option in options:
        trial = copied(layer).eval()
        wanted = _middle(trial, option)
        try:
            trial.weight = wanted
            same = torch.allclose(trial.weight, wanted, rtol=1e-4, atol=1e-6)
        except Exception:  # Whatever a parametrisation raises on another shape.
            same = False
        if not same:
            kinds = ", ".join(type(kind).__name__ for kind in layer.parametrizations["weight"])
            raise NotAdaptableError(
                f"its weight is parametrised by {kinds}, which does not give the middle of it for "
                f"{option}; make it a plain one first: "
                'torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")'
            )
