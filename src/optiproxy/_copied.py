"""Copies of a user's network, whatever state it keeps."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy
from torch.overrides import TorchFunctionMode

from optiproxy.errors import OptiProxyError


def copied(model: nn.Module) -> nn.Module:
    """A deep copy, of tensors with a graph without the graph, wherever the model keeps them.

    Such tensors are an attention map of the last run, or the ``weight`` that the older
    `torch.nn.utils.weight_norm` and `torch.nn.utils.prune` compute before each run.

    Raises:
        OptiProxyError: It has something that Python can't copy, such as a lock or an open file.
    """
    kept = [value for part in model.modules() for value in vars(part).values()]
    # Python's modules, such as a `self.F = torch.nn.functional`: there is one of each.
    memo = {id(value): value for value in kept if isinstance(value, ModuleType)}
    try:
        with _WithoutGraph():
            return copy.deepcopy(model, memo)
    except Exception as error:  # Whatever a user's `__deepcopy__` or `__getstate__` raises.
        raise OptiProxyError(
            f"the model, a {type(model).__name__}, can't be copied "
            f"({type(error).__name__}: {error}): give a function that builds it, or leave "
            "out of it what can't be copied"
        ) from error


class _WithoutGraph(TorchFunctionMode):
    """In which the tensors can be copied that torch refuses to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo and is_lazy(tensor):
                memo[id(tensor)] = UninitializedBuffer(device=tensor.device, dtype=tensor.dtype)  # type: ignore[call-arg]
            elif id(tensor) not in memo and not tensor.is_leaf:
                memo[id(tensor)] = tensor.detach().clone()
            if id(tensor) in memo:
                return memo[id(tensor)]
        return func(*args, **(kwargs or {}))
