"""Whether the channels that stay of a network are used as they were.

Operations between layers that take channels by their place (a fixed split, a shuffle, a reshape to
heads) may take others when some are gone, and still run. So a cut network is compared with the
whole one in which its layers stand in for their own: each is given the channels that stay, and its
outputs are filled up with zeros for the operations. Layers are then given the same, bit for bit
but for rounding. All that write add a noise, so that neither an input nor weights of zeros hide
anything.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from optiproxy._copied import copied
from optiproxy.nn._layers import Kind, free_tensors, layers_of, size_of
from optiproxy.nn._passes import Passes, tensors_in

#: What a layer is given: its name, and the tensor.
Given = tuple[str, Tensor]


def misplaced(
    model: nn.Module,
    removed: Mapping[tuple[str, str | int], set[int]],
    cut: Callable[[nn.Module], None],
    passes: Passes,
) -> str:
    """The first layer that is given other channels than in the whole network.

    Args:
        model: It is left as it is.
        removed: (layer, "in" or "out") or (tensor, axis) → channels that go.
        cut: Removes them from a copy, in place.
        passes: Of the model.

    Returns:
        Its name; empty for none, and where the whole network differs from run to run.
    """
    whole = copied(model)
    noise = torch.Generator().manual_seed(0)
    tensors = free_tensors(whole)
    for name, axis in removed:
        if isinstance(axis, int):  # Such as a scale of about zero.
            tensor = tensors[name].detach()
            tensor.add_(torch.rand(tensor.shape, generator=noise).to(tensor))
    small = copied(whole)
    cut(small)
    stand_ins = {name: layer for name, (layer, _) in layers_of(small.eval()).items()}
    given: list[Given] = []
    for name, (layer, kind) in layers_of(whole).items():
        sides = {side: removed.get((name, side), set()) for side in ("in", "out")}
        if any(sides.values()):
            stand_ins[name].register_forward_pre_hook(_recording(given, name), with_kwargs=True)
            stand_ins[name].register_forward_hook(_noisy(name))
            kept = {side: _kept(layer, kind, side, gone) for side, gone in sides.items() if gone}
            hook = _standing_in(stand_ins[name], kind, kept)
            layer.register_forward_hook(hook, with_kwargs=True)
        elif kind.writes:
            stand_ins[name].register_forward_hook(_noisy(name))
            layer.register_forward_hook(_noisy(name))

    def run(network: nn.Module, seed: int = 0) -> list[Given]:
        given.clear()
        passes(network, seed)
        return list(given)

    expected = run(whole)
    different = _difference(expected, run(small))
    return "" if different and _difference(expected, run(whole, 1)) else different


def unchanged(
    model: nn.Module, name: str, change: Callable[[nn.Module], None], passes: Passes
) -> bool:
    """Whether a module puts out the same after a change, whatever its input and weights."""
    whole = copied(model)
    module = whole.get_submodule(name)
    noise = torch.Generator().manual_seed(0)
    for weight in module.parameters():
        weight.detach().add_(torch.randn(weight.shape, generator=noise).to(weight))

    def add(_: Any, args: Any, kwargs: Any) -> Any:
        return pytree.tree_map(lambda x: _with_noise(x, name), (args, kwargs))

    found: list[Tensor] = []
    module.register_forward_pre_hook(add, with_kwargs=True)
    module.register_forward_hook(lambda _, __, output: found.extend(tensors_in(output)))
    other = copied(whole)
    change(other)
    passes(whole)
    expected, found[:] = list(found), []
    passes(other)
    return bool(found) and all(map(torch.equal, expected, found))


def _difference(expected: list[Given], found: list[Given]) -> str:
    """Where the first one differs, beyond rounding."""
    for (name, ours), (other, theirs) in zip(expected, found, strict=False):
        if name != other or ours.shape != theirs.shape:
            return other
        finite = ours[ours.isfinite()].abs()
        allowed = float(finite.max()) * torch.finfo(ours.dtype).eps ** 0.5 if len(finite) else 0
        if not torch.allclose(ours, theirs, rtol=0, atol=allowed, equal_nan=True):
            return name
    rest = expected[len(found) :] or found[len(expected) :]
    return rest[0][0] if rest else ""


def _kept(layer: nn.Module, kind: Kind, side: str, gone: set[int]) -> tuple[Tensor, int]:
    size = size_of(layer, kind, side)
    return torch.tensor([c for c in range(size) if c not in gone]), size


def _recording(given: list[Given], name: str) -> Any:
    def record(layer: Any, args: Any, kwargs: Any) -> None:
        given.extend(
            (name, leaf.detach().clone())
            for leaf in pytree.tree_leaves((args, kwargs))
            if isinstance(leaf, Tensor) and leaf.is_floating_point()
        )

    return record


def _noisy(name: str) -> Any:
    def add(layer: Any, args: Any, output: Any) -> Any:
        return _with_noise(output, name)

    return add


def _with_noise(x: Any, name: str) -> Any:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return x
    noise = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return x + torch.randn(x.shape, generator=noise).to(x)


def _standing_in(layer: nn.Module, kind: Kind, kept: Mapping[str, tuple[Tensor, int]]) -> Any:
    """A hook whose output is that of a cut layer."""
    # Layers that neither mix nor make channels have the same ones on both sides.
    read = kept.get("in" if kind.reads or kind.writes else "out")
    written = kept.get("out")

    def stand_in(_: Any, args: Any, kwargs: Any, output: Any) -> Any:
        def selected(x: Any) -> Any:
            if read is None or not isinstance(x, Tensor) or not x.is_floating_point():
                return x
            return x.index_select(kind.axis, read[0])

        args, kwargs = pytree.tree_map(selected, (args, kwargs))
        found: Tensor = layer(*args, **kwargs)
        if written is None:
            return found
        shape = list(found.shape)
        shape[kind.axis] = written[1]
        return found.new_zeros(shape).index_copy_(kind.axis, written[0], found)

    return stand_in
