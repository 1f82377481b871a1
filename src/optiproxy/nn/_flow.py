"""Which choice point of a model follows which, by torch.fx where a module can be traced.

Each module that has choice points in it is traced on its own, the parts of it as leaves. One that
can't be, for what its `forward` does depends on values, counts as a row of its parts: in the order
in which they are run on an example input, or else in which they were registered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from optiproxy._example_input import run
from optiproxy.nn.modules import Choice, Repeat, inside, point_name


@dataclass(frozen=True)
class _Ends:
    """The first choice points on the ways through a module, and the last; `through` where a way
    meets none.
    """

    first: frozenset[str]
    last: frozenset[str]
    through: bool


_NOTHING = _Ends(frozenset(), frozenset(), True)


def edges(model: nn.Module, example_input: Any = None) -> tuple[tuple[str, str], ...]:
    """Pairs of choice points, the second one the next on a way through the model.

    Args:
        model: With choice points.
        example_input: What it is run on to see the order of parts, once; None for not at all.
    """
    flow = _Flow({} if example_input is None else _executed(model, example_input))
    flow.ends(model, "")
    return tuple(sorted(flow.edges))


def _executed(model: nn.Module, example_input: Any) -> dict[int, int]:
    """Each module's id → when it was first run."""
    order: dict[int, int] = {}

    def note(module: nn.Module, _: Any) -> None:
        order.setdefault(id(module), len(order))

    handles = [module.register_forward_pre_hook(note) for module in model.modules()]
    try:
        with torch.no_grad():
            run(model, example_input)
    finally:
        for handle in handles:
            handle.remove()
    return order


class _Flow:
    """Finds the edges module by module.

    Args:
        order: A module's id → its place among those that were run.
    """

    def __init__(self, order: Mapping[int, int]) -> None:
        self.edges: set[tuple[str, str]] = set()
        self._order = order

    def ends(self, module: nn.Module, path: str) -> _Ends:
        if isinstance(module, Choice):
            parts = [
                self.ends(option, inside(path, label))
                for label, option in zip(module.labels, module.options, strict=True)
            ]
            return self._headed(point_name(module, path), parts)
        if isinstance(module, Repeat):
            rows = _NOTHING
            lasts = [rows] if 0 in module.counts else []
            for i, block in enumerate(module):
                rows = self._row(rows, self.ends(block, inside(path, i)))
                if i + 1 in module.counts:
                    lasts.append(rows)
            return self._headed(point_name(module, path), lasts)
        if not any(isinstance(part, Choice | Repeat) for part in module.modules()):
            return _NOTHING
        try:
            graph = _Parts().trace(module)
        except Exception:  # Whatever a user's `forward` raises on a tensor without values.
            rows = _NOTHING
            parts_by_run = sorted(
                module.named_children(), key=lambda item: self._order.get(id(item[1]), math.inf)
            )
            for name, part in parts_by_run:
                rows = self._row(rows, self.ends(part, inside(path, name)))
            return rows
        return self._along(graph, module, path)

    def _along(self, graph: fx.Graph, module: nn.Module, path: str) -> _Ends:
        """The ends of a traced module."""
        # Node → the last choice points on the ways to it, and whether a way from the input has
        # none.
        reached: dict[fx.Node, tuple[frozenset[str], bool]] = {}
        first: set[str] = set()
        result = _Ends(frozenset(), frozenset(), False)
        for node in graph.nodes:
            before = [reached[n] for n in node.all_input_nodes]
            last = frozenset(name for names, _ in before for name in names)
            bare = node.op == "placeholder" or any(b for _, b in before)
            if node.op == "call_module":
                part = self.ends(module.get_submodule(str(node.target)), inside(path, node.target))
                self.edges.update((a, b) for a in last for b in part.first)
                if bare:
                    first |= part.first
                last = part.last | (last if part.through else frozenset())
                bare = bare and part.through
            reached[node] = last, bare
            if node.op == "output":
                result = _Ends(frozenset(first), last, bare)
        return result

    def _headed(self, name: str, parts: Iterable[_Ends]) -> _Ends:
        """A choice point, and behind it what is chosen."""
        parts = list(parts)
        last = {end for part in parts for end in part.last}
        self.edges.update((name, b) for part in parts for b in part.first)
        if any(part.through for part in parts):
            last.add(name)
        return _Ends(frozenset([name]), frozenset(last), False)

    def _row(self, one: _Ends, other: _Ends) -> _Ends:
        self.edges.update((a, b) for a in one.last for b in other.first)
        return _Ends(
            one.first | (other.first if one.through else frozenset()),
            other.last | (one.last if other.through else frozenset()),
            one.through and other.through,
        )


class _Parts(fx.Tracer):
    """Traces one module's `forward`, each part of it as a whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True
