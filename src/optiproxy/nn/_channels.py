"""Which layers must change together with one, found by running the network.

A channel is followed by making it NaN where it is written. Whatever then is NaN depends on it, so
that no rule is needed for additions, concatenations, pooling or reshaping. Layers stop it: each one
notes which of its input channels are NaN, and goes on with numbers; normalisation and depthwise
convolutions hand on the channels that they were given. To tell the channels apart, half of them are
NaN at a time, by the bits of their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from optiproxy._copied import copied
from optiproxy.errors import first_line
from optiproxy.nn._layers import Kind, free_tensors, layers_of, size_of
from optiproxy.nn._passes import Passes

#: What writes channels: a layer's name, or a tensor's with an axis.
Source = tuple[str, int | None]
# Where the network's own outputs are noted.
_OUTPUT = ("", "output")


class NotAdaptableError(Exception):
    """A width can't be changed; the text is the reason."""


class _MixedError(NotAdaptableError):
    """A channel depends on several."""


@dataclass
class Channels:
    """The channels that stand or fall together with each channel of a layer.

    Attributes:
        size: Channels of the layer.
        outputs: Source → for each of the layer's channels those of the source.
        inputs: Layer → for each of the layer's channels the input channels of it.
    """

    size: int
    outputs: dict[Source, list[list[int]]] = field(default_factory=dict)
    inputs: dict[tuple[str, str], list[list[int]]] = field(default_factory=dict)


class Follower:
    """Follows the channels of a model's layers.

    Args:
        model: It is left as it is: a copy is run.
        passes: How it is run.
    """

    def __init__(self, model: nn.Module, passes: Passes) -> None:
        self._model = copied(model)
        self._passes = passes
        self._layers = layers_of(self._model)
        self._tensors = free_tensors(self._model)
        self._reached: dict[tuple[str, str], Tensor] = {}
        self._marked: tuple[str, Tensor] | None = None
        for name, (layer, kind) in self._layers.items():
            layer.register_forward_hook(_noting(self, name, kind), with_kwargs=True)
            layer.register_forward_pre_hook(_cleaning(self, name, kind), with_kwargs=True)
        self._all: dict[Source, dict[tuple[str, str], Tensor]] | None = None

    def channels(self, name: str) -> Channels:
        """What depends on the output channels of a layer, and what they depend on.

        Raises:
            NotAdaptableError: Something can't follow, or does not run.
        """
        if name not in self._passes.ran:
            raise NotAdaptableError(
                "it does not run on the example input; give one on which it does"
            )
        start: Source = (name, None)
        maps = {start: self._map(start)}
        waiting, tried = [start], {start}
        while waiting:
            source = waiting.pop()
            if source not in maps:
                try:
                    maps[source] = self._map(source)
                except _MixedError:  # It has another axis than these channels.
                    continue
            for other, touched in self._touching().items():
                ours = maps[source]
                if other not in tried and any(
                    bool((touched[place].bool() & (ours[place] >= 0)).any())
                    for place in touched.keys() & ours.keys()
                ):
                    waiting.append(other)
                    tried.add(other)
        result = self._joined(start, maps)
        self._check_others(result)
        return result

    def _check_others(self, channels: Channels) -> None:
        """That no layer which has not run may have to follow.

        Raises:
            NotAdaptableError: One of the same width has not.
        """
        sizes = {channels.size}
        sources = [name for name, axis in channels.outputs if axis is None]
        for name, side in (*channels.inputs, *((source, "out") for source in sources)):
            sizes.add(size_of(*self._layers[name], side))
        for name, (layer, kind) in self._layers.items():
            side = "in" if kind.reads else "out"
            known = bool(kind.inputs if kind.reads else kind.outputs)
            if name not in self._passes.ran and known and size_of(layer, kind, side) in sizes:
                raise NotAdaptableError(
                    f"{name!r} may have to follow, but does not run on the example input: give one "
                    "on which it does, or a model without it"
                )

    def _sources(self) -> Iterator[Source]:
        for name, (_, kind) in self._layers.items():
            if kind.writes and not kind.refused:
                yield name, None
        for name, tensor in self._tensors.items():
            for axis, size in enumerate(tensor.shape):
                if size > 1:
                    yield name, axis

    def _touching(self) -> dict[Source, dict[tuple[str, str], Tensor]]:
        """Source → what any of its channels reaches."""
        if self._all is None:
            self._all = {
                source: self._run(source, torch.ones(self._size(source), dtype=torch.bool))
                for source in self._sources()
            }
        return self._all

    def _size(self, source: Source) -> int:
        name, axis = source
        if axis is not None:
            return int(self._tensors[name].shape[axis])
        layer, kind = self._layers[name]
        weight: Any = layer.weight
        return int(weight.shape[kind.outputs["weight"]])

    def _map(self, source: Source) -> dict[tuple[str, str], Tensor]:
        """Place → the channel of the source that each channel there depends on; -1 for none.

        Raises:
            _MixedError: A channel there depends on several.
            NotAdaptableError: Something there can't follow.
        """
        size = self._size(source)
        numbers = torch.arange(size)
        found: dict[tuple[str, str], Tensor] = {}
        seen: dict[tuple[str, str], Tensor] = {}
        for bit in range(max(1, math.ceil(math.log2(size)))):
            on = (numbers >> bit & 1).bool()
            for value, channels in ((1 << bit, on), (0, ~on)):
                for place, reached in self._run(source, channels).items():
                    if place not in found:
                        found[place] = torch.zeros(len(reached), dtype=torch.long)
                        seen[place] = torch.zeros(len(reached), dtype=torch.long)
                    found[place] += value * reached
                    seen[place] += reached.long() << bit
        bits = (1 << max(1, math.ceil(math.log2(size)))) - 1
        for place, channels in found.items():
            # Twice the same bit carries over: of a channel alone, each bit is seen once.
            if place != _OUTPUT and bool(((seen[place] != bits) & (seen[place] != 0)).any()):
                raise _MixedError(
                    f"its channels are mixed before {place[0]!r} by an operation between layers, "
                    "as in attention or a reshaping"
                )
            channels[seen[place] == 0] = -1
        if _OUTPUT in found:
            raise NotAdaptableError("its channels are outputs of the network")
        for name, _ in found:
            if reason := self._layers[name][1].refused:
                raise NotAdaptableError(f"{name!r} can't follow: {reason}")
        return found

    def _joined(self, start: Source, maps: dict[Source, dict[tuple[str, str], Tensor]]) -> Channels:
        """Channels of all sources by those of the first, over the places they reach together."""
        owner: dict[tuple[Source, int], int] = {(start, c): c for c in range(self._size(start))}
        holder: dict[tuple[tuple[str, str], int], int] = {}
        while True:
            before = len(owner) + len(holder)
            for source, places in maps.items():
                for place, channels in places.items():
                    for there, here in enumerate(channels.tolist()):
                        if here < 0:
                            continue
                        known = {
                            n for n in (owner.get((source, here)), holder.get((place, there)))
                            if n is not None
                        }  # fmt: skip
                        if len(known) > 1:
                            raise NotAdaptableError(f"two of its channels meet in {place[0]!r}")
                        for number in known:
                            owner[source, here] = holder[place, there] = number
            if len(owner) + len(holder) == before:
                break
        result = Channels(self._size(start))
        for (source, here), number in sorted(owner.items(), key=lambda item: item[0][1]):
            rows = result.outputs.setdefault(source, [[] for _ in range(result.size)])
            rows[number].append(here)
        for (place, there), number in sorted(holder.items(), key=lambda item: item[0][1]):
            rows = result.inputs.setdefault(place, [[] for _ in range(result.size)])
            rows[number].append(there)
        return result

    def _run(self, source: Source, channels: Tensor) -> dict[tuple[str, str], Tensor]:
        """Place → which of its channels are NaN when these channels of a source are."""
        name, axis = source
        self._reached = {}
        # Other kernels of attention take NaN for what is masked.
        plain = sdpa_kernel(SDPBackend.MATH)
        with torch.no_grad(), plain, _spoilt(self._tensors, source, channels):
            self._marked = (name, channels) if axis is None else None
            try:
                output = self._passes(self._model)
            except Exception as error:
                raise NotAdaptableError(
                    "the model's code can't be followed: channels are followed as NaN, with which "
                    f"it fails: {first_line(error)}"
                ) from error
        for leaf in output:
            if leaf.is_floating_point() and bool(leaf.isnan().any()):
                self._reached[_OUTPUT] = torch.ones(1, dtype=torch.long)
        return self._reached

    def note(self, place: tuple[str, str], bad: Tensor, axis: int) -> None:
        """Which channels of a tensor are NaN."""
        others = [d for d in range(bad.dim()) if d != axis % bad.dim()]
        channels = (bad.any(dim=others) if others else bad).long()
        if bool(channels.any()):
            known = self._reached.get(place, torch.zeros_like(channels))
            self._reached[place] = known | channels

    def mark(self, name: str, output: Tensor, axis: int) -> Tensor:
        """The output with the channels that are followed as NaN."""
        if self._marked is None or self._marked[0] != name:
            return output
        channels = self._marked[1].to(output.device)
        shape = [1] * output.dim()
        shape[axis % output.dim()] = len(channels)
        return output.masked_fill(channels.reshape(shape), math.nan)


@contextmanager
def _spoilt(tensors: dict[str, Tensor], source: Source, channels: Tensor) -> Iterator[None]:
    name, axis = source
    if axis is None:
        yield
        return
    tensor = tensors[name]
    kept = tensor.detach().clone()
    tensor.detach().index_fill_(axis, channels.nonzero().flatten(), math.nan)
    try:
        yield
    finally:
        tensor.detach().copy_(kept)


def _cleaning(follower: Follower, name: str, kind: Kind) -> Any:
    def clean(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        def cleaned(x: Any) -> Any:
            if not isinstance(x, Tensor) or not x.is_floating_point():
                return x
            bad = x.isnan()
            follower.note((name, "in" if kind.reads else "out"), bad, kind.axis)
            layer._optiproxy_bad = bad  # Read by the hook behind the layer, and removed there.
            return x.masked_fill(bad, 0.5)

        return pytree.tree_map(cleaned, (args, kwargs))

    return clean


def _noting(follower: Follower, name: str, kind: Kind) -> Any:
    def note(layer: Any, args: Any, kwargs: Any, output: Any) -> Any:
        bad = layer.__dict__.pop("_optiproxy_bad", None)
        if kind.writes:
            return follower.mark(name, output, kind.axis) if isinstance(output, Tensor) else output
        if bad is None or not isinstance(output, Tensor):
            return output
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):  # Depthwise: places are mixed.
            bad = bad.flatten(2).any(2).reshape(*bad.shape[:2], *[1] * (output.dim() - 2))
        return output.masked_fill(bad, math.nan)

    return note
