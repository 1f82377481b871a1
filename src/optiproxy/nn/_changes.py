"""What may change in a network that exists: widths, heads and depths; kernels in `_kernels`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import nn

from optiproxy.nn._channels import Channels, Follower, NotAdaptableError
from optiproxy.nn._layers import Done, cut, free_tensors, kind_of, layers_of, set_tensor, size_of

# Attributes in which attention layers keep their number of heads, the size of one, and of all.
_HEADS = ("num_heads", "num_attention_heads", "n_head", "n_heads", "heads")
_SIZES = ("head_dim", "head_size", "dim_head", "attention_head_size", "key_value_proj_dim")
_INNER = ("split_size", "all_head_size", "inner_dim", "attn_dim")

#: (layer, "in" or "out") or (tensor, axis) → channels to be removed.
Removed = dict[tuple[str, str | int], set[int]]


@dataclass(frozen=True)
class Change:
    """A choice of an option for a part of the network.

    Attributes:
        name: Of the choice.
        layer: Where it was asked for.
        what: Such as ``out_channels``.
        options: As given.
        layers: Those that change; it is active where any of them is in the network.
    """

    name: str
    layer: str
    what: str
    options: tuple[int | float, ...]
    layers: tuple[str, ...]

    def remove(self, option: int | float, removed: Removed) -> None:
        """Adds the channels to be removed; by default none."""

    def apply(self, model: nn.Module, option: int | float) -> None:
        """Changes the model in place after its channels are cut; by default nothing more."""


@dataclass(frozen=True)
class Width(Change):
    """How many channels a layer has, and all that goes with it."""

    channels: Channels
    order: tuple[int, ...]
    numbers: tuple[int, ...]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        follower: Follower,
        name: str,
        options: list[int | float],
        keep: str,
        numbers: list[int] | None = None,
        label: str = "",
    ) -> Self:
        layer = model.get_submodule(name)
        kind = kind_of(layer)
        if kind is None or not (kind.reads and kind.writes):
            if kind is not None:
                hint = "name the layer before it"
            elif layers_of(layer):
                hint = "name a layer in it"
            else:
                where = f"{type(layer).__module__}.{type(layer).__qualname__}"
                hint = f"it is {where}, none of torch's convolutions, linear layers and embeddings"
            raise NotAdaptableError(f"{type(layer).__name__} makes no channels; {hint}")
        if kind.refused:
            raise NotAdaptableError(kind.refused)
        if (
            numbers is None
            and 1 in [o for o in options if isinstance(o, int)]
            and any(isinstance(o, float) for o in options)
        ):
            raise NotAdaptableError("1 is one channel; beside fractions write 1.0 for all of them")
        channels = follower.channels(name)
        size = channels.size
        if numbers is None:
            numbers = [max(1, round(o * size)) if isinstance(o, float) else o for o in options]
        if max(numbers) > size or min(numbers) < 1:
            raise NotAdaptableError(f"it has {size} channels; give fewer, or fractions up to 1.0")
        weight = torch.zeros(size)
        if keep == "importance":
            modules = dict(model.named_modules())
            for (source, axis), rows in channels.outputs.items():
                part = modules.get(source)
                if axis is None and part is not None and (kind := kind_of(part)) is not None:
                    tensor: Any = part.weight
                    others = [d for d in range(tensor.dim()) if d != kind.outputs["weight"]]
                    norms = tensor.detach().abs().sum(others).cpu()
                    weight += torch.stack([norms[row].sum() for row in rows])
        what = "out_channels" if hasattr(layer, "out_channels") else "out_features"
        layers = (name, *(s for s, axis in channels.outputs if axis is None and s != name))
        return cls(
            label or f"{name}.{what}", name, what, tuple(options), layers, channels,
            tuple(weight.argsort(descending=True, stable=True).tolist()), tuple(numbers),
        )  # fmt: skip

    def holds(self, layer: str, what: str) -> bool:
        """Whether the width of another layer is this one."""
        return what in ("out_channels", "out_features") and (layer, None) in self.channels.outputs

    def remove(self, option: int | float, removed: Removed) -> None:
        gone = self.order[self.numbers[self.options.index(option)] :]
        for (name, axis), rows in self.channels.outputs.items():
            place = removed.setdefault((name, "out" if axis is None else axis), set())
            place.update(c for channel in gone for c in rows[channel])
        for (name, side), rows in self.channels.inputs.items():
            place = removed.setdefault((name, side), set())
            place.update(c for channel in gone for c in rows[channel])

    @staticmethod
    def cut(model: nn.Module, removed: Removed) -> None:
        """Cuts the channels that go."""
        layers, tensors = layers_of(model), free_tensors(model)
        done: Done = {}
        for (name, side), gone in removed.items():
            if not gone:
                continue
            if isinstance(side, int):
                tensor = tensors[name]
                path, _, attribute = name.rpartition(".")
                kept = [c for c in range(tensor.shape[side]) if c not in gone]
                set_tensor(model.get_submodule(path), attribute, tensor, side, kept, done)
                continue
            layer, kind = layers[name]
            size = size_of(layer, kind, side)
            cut(layer, kind, side, [c for c in range(size) if c not in gone], done)


@dataclass(frozen=True)
class Depth(Change):
    """How many of a row of modules there are."""

    children: tuple[str, ...]

    @classmethod
    def of(cls, model: nn.Module, name: str, options: list[int | float]) -> Self:
        row = model.get_submodule(name)
        if not isinstance(row, nn.Sequential | nn.ModuleList):
            kind = type(row).__name__
            raise NotAdaptableError(f"{kind} is no row of modules; give a Sequential or ModuleList")
        if max(options) > len(row) or any(isinstance(option, float) for option in options):
            raise NotAdaptableError(f"it has {len(row)} modules; give whole numbers up to that")
        children = tuple(row._modules)  # `named_children` has a module that is there twice once.
        return cls(f"{name}.depth", name, "depth", tuple(options), (name,), children)

    def has(self, layer: str, count: int) -> bool:
        """Whether a layer inside is among the first `count`."""
        child = layer.removeprefix(f"{self.layer}.").split(".")[0]
        return child in self.children[:count]

    def apply(self, model: nn.Module, option: int | float) -> None:
        row = model.get_submodule(self.layer)
        for child in self.children[int(option) :]:
            del row._modules[child]


@dataclass(frozen=True)
class Heads(Change):
    """The heads of an attention: some of them, or the same weights in other heads."""

    holder: str
    attribute: str
    count: int
    size: int
    #: (layer, side, channels of each head); empty to regroup.
    parts: tuple[tuple[str, str, tuple[tuple[int, ...], ...]], ...]
    order: tuple[int, ...]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        name: str,
        options: list[int | float],
        keep: str,
        *,
        by_head: bool = False,
    ) -> Self:
        """With heads to take away where that is possible.

        Args:
            by_head: Whether a layer of queries, keys and values has those of each head together.
        """
        holders = [
            (path, attribute)
            for path, module in model.named_modules()
            if path == name or path.startswith(f"{name}." if name else "")
            for attribute in _HEADS
            if isinstance(getattr(module, attribute, None), int)
        ]
        if len(holders) != 1:
            raise NotAdaptableError(f"{len(holders)} modules in it have a number of heads, not one")
        holder, attribute = holders[0]
        module = model.get_submodule(holder)
        count = int(getattr(module, attribute))
        whole = all(isinstance(option, int) for option in options)
        size, blocks = _projections(model, name, count)
        parts = tuple(
            (path, side, _by_head(count, number, size, by_head)) for path, side, number in blocks
        )
        if parts:
            if not whole or max(options) > count:
                raise NotAdaptableError(f"it has {count} heads; give whole numbers up to that")
        elif not whole:
            raise NotAdaptableError("give whole numbers of heads")
        weight = torch.zeros(count)
        for path, side, heads in parts if keep == "importance" else ():
            layer: Any = model.get_submodule(path)
            kind = kind_of(layer)
            assert kind is not None
            axis = (kind.inputs if side == "in" else kind.outputs)["weight"]
            norms = layer.weight.detach().abs().movedim(axis, 0).flatten(1).sum(1).cpu()
            weight += norms[torch.tensor(heads)].sum(1)
        order = tuple(weight.argsort(descending=True, stable=True).tolist())
        change = cls(
            f"{name}.num_heads", name, "num_heads", tuple(options), (name,), holder, attribute,
            count, size, parts, order,
        )  # fmt: skip
        return change if parts else change.regrouped()

    def regrouped(self) -> Self:
        """With all weights, in other heads."""
        channels = self.count * self.size
        if any(channels % option for option in self.options):
            raise NotAdaptableError(
                f"its {channels} channels can only be grouped in other heads; give divisors of that"
            )
        return replace(self, parts=())

    def remove(self, option: int | float, removed: Removed) -> None:
        for path, side, heads in self.parts:
            place = removed.setdefault((path, side), set())
            for head in self.order[int(option) :]:
                place.update(heads[head])

    def apply(self, model: nn.Module, option: int | float) -> None:
        module: Any = model.get_submodule(self.holder)
        setattr(module, self.attribute, int(option))
        for part in model.get_submodule(self.layer).modules():
            for attribute in _INNER:
                if self.parts and getattr(part, attribute, None) == self.count * self.size:
                    setattr(part, attribute, int(option) * self.size)
        if not self.parts:
            size = self.count * self.size // int(option)
            for attribute in _SIZES:
                if getattr(module, attribute, None) == self.size:
                    setattr(module, attribute, size)
            for attribute in ("scale", "scaling"):
                if isinstance(getattr(module, attribute, None), float):
                    setattr(module, attribute, size**-0.5)


def _by_head(count: int, blocks: int, size: int, by_head: bool) -> tuple[tuple[int, ...], ...]:
    """The channels of each head in a layer of one block, or of three: queries, keys, values."""
    channels = torch.arange(count * blocks * size)
    if by_head:
        heads = channels.reshape(count, -1)
    else:
        heads = channels.reshape(blocks, count, size).movedim(1, 0).flatten(1)
    return tuple(map(tuple, heads.tolist()))


def _projections(
    model: nn.Module, name: str, count: int
) -> tuple[int, tuple[tuple[str, str, int], ...]]:
    """Channels of a head, and the projections of an attention that heads can be cut from."""
    attention = model.get_submodule(name)
    if isinstance(attention, nn.MultiheadAttention):
        return attention.head_dim, ()
    linear: list[tuple[str, int, int]] = []
    for path, layer in attention.named_modules():
        kind = kind_of(layer)
        if kind is not None and kind.reads and kind.writes and not kind.refused:
            weight: Any = layer.weight
            shape = (
                int(weight.shape[kind.inputs["weight"]]),
                int(weight.shape[kind.outputs["weight"]]),
            )
            linear.append((f"{name}.{path}" if name else path, *shape))
    parts: tuple[tuple[str, str, int], ...]
    if len(linear) == 2 and linear[0][2] == 3 * linear[1][1]:
        (first, _, _), (last, inner, _) = linear
        parts = ((first, "out", 3), (last, "in", 1))
    elif len(linear) == 4 and len({outs for _, _, outs in linear[:3]} | {linear[3][1]}) == 1:
        inner = linear[3][1]
        parts = (*((path, "out", 1) for path, _, _ in linear[:3]), (linear[3][0], "in", 1))
    else:
        shapes = ", ".join(f"{path} {ins} → {outs}" for path, ins, outs in linear) or "none"
        raise NotAdaptableError(
            "name the module that has the projections of queries, keys and values and of the "
            f"output, and no other layers; this one has {shapes}"
        )
    if inner % count:
        raise NotAdaptableError(f"{count} heads do not divide its {inner} channels")
    return inner // count, parts


def hidden_layer(model: nn.Module, name: str) -> tuple[str, int]:
    """The first layer of the MLP in a block, and the width of what it reads."""
    attention = [
        path
        for path, module in model.named_modules()
        if any(isinstance(getattr(module, attribute, None), int) for attribute in _HEADS)
        and path != name
    ]
    found = []
    for path, (layer, kind) in layers_of(model.get_submodule(name)).items():
        whole = f"{name}.{path}" if name else path
        inside = any(whole.startswith(f"{a}.") for a in attention)
        if kind.reads and kind.writes and not kind.refused and not inside:
            weight: Any = layer.weight
            ins, outs = (int(weight.shape[axes["weight"]]) for axes in (kind.inputs, kind.outputs))
            if outs > ins:
                found.append((whole, ins))
    if len(found) != 1:
        names = ", ".join(path for path, _ in found) or "none"
        raise NotAdaptableError(f"it must have one layer that widens, the first of an MLP: {names}")
    return found[0]
