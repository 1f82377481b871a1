"""What a model does on an example input: which layers run, and what it returns."""

from __future__ import annotations

import dataclasses
import types
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from optiproxy._copied import copied
from optiproxy._example_input import run
from optiproxy.nn._layers import kind_of, layers_of


class Passes:
    """Runs copies of a model, in training mode too where that runs more layers.

    Its layers, dropout and other parts without parts are always in evaluation mode.

    Args:
        model: It is left as it is: a copy is run.
        example_input: What it is run on.

    Attributes:
        ran: Names of the layers that run.
    """

    def __init__(self, model: nn.Module, example_input: Any) -> None:
        self._given = example_input
        model = copied(model)
        self.ran: set[str] = set()
        for name, (layer, _) in layers_of(model).items():
            layer.register_forward_pre_hook(lambda *_, name=name: self.ran.add(name))
        self._modes: tuple[bool, ...] = (False,)
        self(model)
        evaluated = set(self.ran)
        try:
            self._modes = (True,)
            self(model)
        except Exception:  # Such as without the targets that it needs in training.
            self.ran = evaluated
        self._modes = (False, True) if self.ran > evaluated else (False,)

    def __call__(self, model: nn.Module, seed: int = 0) -> list[Tensor]:
        """The tensors that the model, or a changed copy, returns; random ones by the seed."""
        found = []
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            for training in self._modes:
                torch.default_generator.manual_seed(seed)
                model.eval()
                for module in model.modules() if training else ():
                    if kind_of(module) is None and next(module.children(), None) is not None:
                        module.training = True
                found += tensors_in(run(model, self._given))
        return found


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in an output: in containers, dataclasses and other objects."""
    found: list[Tensor] = []
    waiting: list[Any] = [value]
    seen: list[Any] = []
    while waiting:
        for leaf in pytree.tree_leaves(waiting.pop(0)):
            if isinstance(leaf, Tensor):
                found.append(leaf)
            elif not callable(leaf) and not any(leaf is one for one in seen):
                seen.append(leaf)
                waiting.append(_parts(leaf))
    return found


def _parts(value: Any) -> list[Any]:
    if dataclasses.is_dataclass(value):
        return [getattr(value, part.name, None) for part in dataclasses.fields(value)]
    held = {} if isinstance(value, types.ModuleType) else getattr(value, "__dict__", {})
    return list(held.values())
