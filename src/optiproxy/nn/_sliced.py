"""A network with some of its channels, heads and layers, and whether it still computes the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from optiproxy._copied import copied
from optiproxy.nn._changes import Change, Depth, Heads, Removed, Width
from optiproxy.nn._passes import Passes
from optiproxy.nn._placement import misplaced, unchanged
from optiproxy.nn._sources import Source, on_meta
from optiproxy.nn.choose import Choose


class Sliced(Source):
    """A model and what may change in it.

    Args:
        model: It is copied for each network.
        changes: In the order of the model.
    """

    def __init__(self, model: nn.Module, changes: Sequence[Change]) -> None:
        self._model = model
        self._changes = tuple(changes)

    def ask(self, choose: Choose) -> None:
        depths = {c.layer: c for c in self._changes if isinstance(c, Depth)}
        counts: dict[str, int] = {}
        for change in self._changes:
            if any(_there(layer, depths, counts) for layer in change.layers):
                option = choose(change.name, list(change.options))
                if isinstance(change, Depth):
                    counts[change.layer] = option

    def build(self, choose: Choose) -> nn.Module:
        self.ask(choose)
        model = copied(self._model)
        chosen = [(c, choose.picked[c.name]) for c in self._changes if c.name in choose.picked]
        _apply(model, chosen)
        return model

    def without_weights(self) -> Source:
        return Sliced(on_meta(copied(self._model)), self._changes)

    def problems(self, passes: Passes) -> list[str]:
        """What does not run, or takes channels for others, each option tried alone."""
        found = []
        for change in self._changes:
            for option in change.options:
                model = copied(self._model)
                try:
                    _apply(model, [(change, option)])
                    passes(model)
                    if self._in_vain(change, option, passes):
                        found.append(
                            f"{change.name}: {option} changes nothing of what it puts out: it "
                            "takes its heads from another number, or the example is one token"
                        )
                    if place := self._misplaced(change, option, passes):
                        found.append(
                            f"{change.name}: {option} gives {place!r} other values than the same "
                            "channels of the whole network: an operation before it goes by their "
                            "place or number (a split, a shuffle, heads); change another layer"
                        )
                except Exception as error:
                    text = str(error).splitlines()[0] if str(error) else type(error).__name__
                    found.append(f"{change.name}: {option} does not run: {text}")
        return found

    def _in_vain(self, change: Change, option: int | float, passes: Passes) -> bool:
        """Whether code takes its heads from another number than the one that changes."""
        if not isinstance(change, Heads) or change.parts or option == change.count:
            return False
        changed = partial(_apply, chosen=[(change, option)])
        return unchanged(self._model, change.layer, changed, passes)

    def _misplaced(self, change: Change, option: int | float, passes: Passes) -> str:
        removed: Removed = {}
        change.remove(option, removed)
        if not any(removed.values()):
            return ""
        return misplaced(self._model, removed, partial(_apply, chosen=[(change, option)]), passes)


def _there(layer: str, depths: Mapping[str, Depth], counts: Mapping[str, int]) -> bool:
    """Whether a layer is in the network; what is around it has been asked before."""
    return all(
        depths[around].has(layer, counts[around]) if around in counts else False
        for around in depths
        if layer.startswith(f"{around}.")
    )


def _apply(model: nn.Module, chosen: Sequence[tuple[Change, Any]]) -> None:
    """Widths first, since they are found by the layers of the whole model; then the others."""
    removed: dict[tuple[str, str | int], set[int]] = {}
    for change, option in chosen:
        change.remove(option, removed)
    Width.cut(model, removed)
    for change, option in chosen:
        change.apply(model, option)
