"""What the networks of a space are built from."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from optiproxy._copied import copied
from optiproxy.errors import invalid
from optiproxy.nn.choose import Choose
from optiproxy.nn.modules import check_no_values, resolve


class Source(ABC):
    """Asks for choices, and builds networks from the answers."""

    @abstractmethod
    def ask(self, choose: Choose) -> nn.Module | None:
        """Asks for everything that `build` asks for, as quickly as possible.

        Returns:
            A network of the same shapes, where one was made.
        """

    @abstractmethod
    def build(self, choose: Choose) -> nn.Module:
        """The network, a plain module."""

    def without_weights(self) -> Source:
        """The same source for networks whose weights do not matter."""
        return self

    def unresolved(self, choose: Choose) -> nn.Module | None:
        """A model of its own with its choice points, where there may be some."""
        return None


class FunctionSource(Source):
    """A function ``network(choose)``, or one without arguments whose model has choice points.

    Raises:
        InvalidValueError: It takes something else.
    """

    def __init__(self, function: Callable[..., nn.Module]) -> None:
        parameters = inspect.signature(function).parameters.values()
        variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        needed = [p for p in parameters if p.default is p.empty and p.kind not in variable]
        if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
            got = f"{getattr(function, '__name__', function)}{inspect.signature(function)}"
            raise invalid("space_of", got, "give a function of choose alone, or of nothing")
        self._function, self._asks = function, bool(needed)

    def ask(self, choose: Choose) -> nn.Module:
        return self.build(choose)

    def build(self, choose: Choose) -> nn.Module:
        return resolve(self.unresolved(choose), choose)

    def unresolved(self, choose: Choose) -> nn.Module:
        with choose.running():
            model: Any = self._function(choose) if self._asks else self._function()
        if not isinstance(model, nn.Module):
            remedy = "a function that builds a network must return a torch.nn.Module"
            raise invalid("space_of: the function returned", model, remedy)
        return model


class ModelSource(Source):
    """A model with choice points, of which each network is a copy.

    Raises:
        OptiProxyError: Its constructor used `Value`.
    """

    def __init__(self, model: nn.Module) -> None:
        check_no_values(model)
        self._model = model

    def ask(self, choose: Choose) -> nn.Module:
        return resolve(self._model, choose, replace=False)

    def build(self, choose: Choose) -> nn.Module:
        return resolve(copied(self._model), choose)

    def without_weights(self) -> Source:
        return ModelSource(on_meta(copied(self._model)))

    def unresolved(self, choose: Choose) -> nn.Module:
        return copied(self._model)


def on_meta(model: nn.Module) -> nn.Module:
    """The model on the ``meta`` device. One with lazy layers stays where it is: moved, torch takes
    them for layers of no weights.
    """
    named = (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    )
    if any(is_lazy(tensor) for _, tensor in named):
        return model
    model = model.to("meta")
    first: dict[int, torch.Tensor] = {}
    for name, tensor in named:  # Torch makes several of a weight that parts share.
        path, _, last = name.rpartition(".")
        part = model.get_submodule(path)
        moved = getattr(part, last)
        if first.setdefault(id(tensor), moved) is not moved:
            setattr(part, last, first[id(tensor)])
    return model


def source_of(given: Any) -> Source:
    """What `space_of` was given.

    Raises:
        InvalidValueError: It is none.
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, nn.Module):
        return ModelSource(given)
    if not callable(given):
        raise invalid("space_of", given, "give a function network(choose), or a model")
    return FunctionSource(given)
