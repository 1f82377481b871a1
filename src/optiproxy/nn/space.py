"""The search space of a model: an ordinary space that builds what is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.nn import _flow
from optiproxy.nn._discovery import discover
from optiproxy.nn._order import in_order
from optiproxy.nn._runs import quick_layers
from optiproxy.nn._sources import Source, on_meta, source_of
from optiproxy.nn.choose import Choose
from optiproxy.nn.modules import Choice, Repeat
from optiproxy.spaces import Architecture, Conditional, GraphTemplate, Option


class ModelSpace(Conditional):
    """The choices of a function that builds a network, or of the choice points in a model.

    Made by `space_of`. It is a `Conditional` space that builds its networks. Where the model has
    choice points, the graph encoding has the edges of the model instead of a chain.

    Args:
        source: As of `space_of`.
        example_input: As of `space_of`.
        where: As of `space_of`.

    Raises:
        InvalidValueError: See `space_of`.
    """

    def __init__(
        self,
        source: Callable[..., nn.Module] | nn.Module | Source,
        *,
        example_input: Callable[[], Any] | None = None,
        where: Sequence[str] = (),
    ) -> None:
        self._source = source_of(source)
        choices, when, runs = discover(self._source.ask, where)
        self._edges: tuple[tuple[str, str], ...] = ()
        first = Choose(lambda name, labels: labels.index(runs[0].picked[name]))
        with quick_layers():
            model = self._source.unresolved(first)
        if model is not None and any(isinstance(m, Choice | Repeat) for m in model.modules()):
            given = None if example_input is None else example_input()
            self._edges = _flow.edges(model, given)
            order = in_order(list(choices), self._edges)
            choices = {name: choices[name] for name in order}
        try:
            super().__init__(choices, when, where=where)
        except InvalidValueError as error:
            raise InvalidValueError(f"space_of: the choices make no space: {error}") from None

    def build(self, arch: Architecture) -> nn.Module:
        """The network of `arch`: a plain module.

        Raises:
            InvalidValueError: The function asks for a choice that is inactive in `arch`.
        """
        return self._source.build(self._answers(arch))

    def skeleton(self, arch: Architecture) -> nn.Module:
        """The network of `arch` on the ``meta`` device: its shapes, without any weights; one with
        lazy layers, which have no shapes yet, on the CPU.
        """
        with quick_layers():
            return on_meta(self._without_weights.build(self._answers(arch)))

    @cached_property
    def _without_weights(self) -> Source:
        return self._source.without_weights()

    def _answers(self, arch: Architecture) -> Choose:
        arch = self.architecture(arch)

        def answer(name: str, labels: tuple[Option, ...]) -> int:
            option = arch.get(name)
            if option is None:
                raise invalid(
                    f"choose: {name!r}",
                    self.to_text(arch),
                    "the function asks for it here, which the runs that looked for its choices did "
                    "not show; ask for it in every run, or write the space by hand",
                )
            return labels.index(option)

        ranges = (self.names[choice] for choice in self.numbers)
        return Choose(answer, {name: arch[name] for name in ranges if arch[name] is not None})

    def picture(self, arch: Architecture) -> str:
        """The active choices, one a line."""
        active = {name: option for name, option in arch.items() if option is not None}
        width = max(map(len, active))
        return "\n".join(f"{name:<{width}}  {option}" for name, option in active.items())

    @cached_property
    def graph(self) -> GraphTemplate:
        chain = super().graph
        if not self._edges:
            return chain
        n = len(self.names) + 2
        adjacency = np.zeros((n, n), np.float32)
        for source, target in self._numbered:
            adjacency[source + 1, target + 1] = 1
        adjacency[0, 1:-1] = adjacency[1:-1, 1:-1].sum(0) == 0
        adjacency[1:-1, -1] = adjacency[1:-1, 1:-1].sum(1) == 0
        return GraphTemplate(adjacency, chain.features, chain.feature_terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Single choices, those that follow each other, and each with each of its parents."""
        if not self._edges:
            return super().paths
        parents = super().paths
        chain = {(c, c + 1) for c in range(len(self.names) - 1)}
        kept = [p for p in parents if p not in chain or set(p) in self._families]
        return tuple(dict.fromkeys((*kept, *self._numbered)))

    @cached_property
    def _families(self) -> list[set[int]]:
        return [
            {choice, parent}
            for choice, terms in self._conditions
            for term in terms
            for parent, _ in term
        ]

    @cached_property
    def _numbered(self) -> list[tuple[int, int]]:
        numbers = {name: c for c, name in enumerate(self.names)}
        pairs = ((numbers[a], numbers[b]) for a, b in self._edges)
        return sorted({(a, b) for a, b in pairs if a < b})


def space_of(
    source: Callable[..., nn.Module] | nn.Module,
    *,
    example_input: Callable[[], Any] | None = None,
    where: Sequence[str] = (),
) -> ModelSpace:
    """The search space of a model.

    >>> def network(choose):
    ...     width = choose("width", [8, 16, 32])
    ...     layers = [nn.Linear(4, width)]
    ...     if choose("deep", [False, True]):
    ...         layers += [nn.ReLU(), nn.Linear(width, choose("width2", [8, 16, 32]))]
    ...     return nn.Sequential(*layers)
    >>> space_of(network)
    ModelSpace(3 choices, 12 architectures)
    >>> space_of(network, where=["width2 <= width"])
    ModelSpace(3 choices, 9 architectures)
    >>> space_of(nn.Sequential(nn.Linear(4, 8), Choice({"relu": nn.ReLU(), "tanh": nn.Tanh()})))
    ModelSpace(1 choices, 2 architectures)

    Args:
        source: One of

            - a function ``network(choose)`` that asks for its choices, see `Choose`;
            - a function or class without arguments, whose model has `Choice`, `Repeat` and `Value`
              in it: it is called again for each network;
            - a model with `Choice` and `Repeat` in it, of which each network is a copy, weights
              included.
        example_input: ``example_input()`` → an input of the model, a tuple of several, or a mapping
            of keywords. It is needed for the order of choice points where torch.fx can't trace the
            model; without it their order is that of registration.
        where: Rules between the choices, as of `spaces.Chain`.

    Raises:
        InvalidValueError: It has no choices; it can't be built with answers that keep the rules;
            the function does not build the same network from the same answers; options depend on
            other choices; a name is asked twice with other options.
        OptiProxyError: A model's constructor used `Value`.
    """
    return ModelSpace(source, example_input=example_input, where=where)
