"""The layers whose widths can be changed: where their channels are, and how they are sliced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_Conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_Transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_Batch = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_Instance = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


#: (a tensor's id, axis) → the tensor, and what it became.
Done = dict[tuple[int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Kind:
    """How a layer treats channels.

    Attributes:
        reads: It mixes the channels that it is given.
        writes: It makes new channels.
        axis: Of its inputs and outputs, where the channels are: 1 or -1.
        inputs: Its parameters and buffers with an axis of input channels, name → axis.
        outputs: The same of output channels; of a layer that neither mixes nor makes channels, of
            those that pass through it.
        sizes: Attributes that hold the number of (input, output) channels.
        refused: Why its channels can't be changed; empty where they can.
    """

    reads: bool
    writes: bool
    axis: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    sizes: tuple[tuple[str, ...], tuple[str, ...]]
    refused: str = ""


def kind_of(layer: nn.Module) -> Kind | None:
    """The kind of a layer; None for modules that are none, whose parts or parameters count."""
    vector = {"weight": 0, "bias": 0}
    if isinstance(layer, nn.MultiheadAttention):
        return Kind(True, True, -1, {}, {}, ((), ()), "the width of nn.MultiheadAttention is fixed")
    if isinstance(layer, nn.RNNBase):
        return Kind(True, True, -1, {}, {}, ((), ()), "it is a recurrent layer")
    if isinstance(layer, _Conv):
        sizes = ("in_channels",), ("out_channels",)
        if layer.groups == 1:
            return Kind(True, True, 1, {"weight": 1}, vector, sizes)
        if layer.groups == layer.in_channels == layer.out_channels:
            both = ("in_channels", "out_channels", "groups")
            return Kind(False, False, 1, {}, vector, ((), both))
        return Kind(True, True, 1, {}, {}, sizes, f"it is a convolution of {layer.groups} groups")
    if isinstance(layer, _Transposed):
        sizes = ("in_channels",), ("out_channels",)
        refused = "" if layer.groups == 1 else f"it is a convolution of {layer.groups} groups"
        return Kind(True, True, 1, {"weight": 0}, {"weight": 1, "bias": 0}, sizes, refused)
    if isinstance(layer, nn.Linear):
        return Kind(True, True, -1, {"weight": 1}, vector, (("in_features",), ("out_features",)))
    if type(layer).__name__ == "Conv1D" and hasattr(layer, "nf"):  # Of transformers: a Linear.
        return Kind(True, True, -1, {"weight": 0}, {"weight": 1, "bias": 0}, (("nx",), ("nf",)))
    if isinstance(layer, nn.Embedding):
        return Kind(False, True, -1, {}, {"weight": 1}, ((), ("embedding_dim",)))
    if isinstance(layer, (*_Batch, *_Instance)):
        names = {**vector, "running_mean": 0, "running_var": 0}
        return Kind(False, False, 1, {}, names, ((), ("num_features",)))
    if isinstance(layer, nn.GroupNorm):
        return Kind(False, False, 1, {}, vector, ((), ("num_channels",)))
    if isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
        return Kind(False, False, 1, {}, vector, ((), ("num_parameters",)))
    weight = getattr(layer, "weight", None)
    vectors = isinstance(layer, nn.LayerNorm | nn.RMSNorm) and len(layer.normalized_shape) == 1
    by_name = type(layer).__name__.endswith("Norm")
    if vectors or (by_name and isinstance(weight, Tensor) and weight.dim() == 1):
        return Kind(False, False, _normalised(layer), {}, vector, ((), ("normalized_shape",)))
    return None


def _normalised(layer: nn.Module) -> int:
    """The axis of a layer norm: the last one, or 1 where its `forward` takes images."""
    if type(layer).forward in (nn.LayerNorm.forward, nn.RMSNorm.forward):
        return -1
    known: Any = layer
    x = known.normalized_shape if known.weight is None else known.weight.detach()
    x = (torch.ones(x) if known.weight is None else x)[None, :, None, None]
    try:
        with torch.no_grad():
            shape = layer.forward(x).shape
    except Exception:  # It is given something else.
        return -1
    return 1 if shape == x.shape and x.shape[1] > 1 else -1


def size_of(layer: nn.Module, kind: Kind, side: str) -> int:
    """Channels of a layer, ``"in"`` or ``"out"``."""
    for name, axis in (kind.inputs if side == "in" else kind.outputs).items():
        if isinstance(tensor := getattr(layer, name, None), Tensor):
            return int(tensor.shape[axis])
    # A layer without parameters has its number as an attribute.
    size = getattr(layer, kind.sizes[side == "out"][0])
    return int(size[0] if isinstance(size, tuple) else size)


def layers_of(model: nn.Module) -> dict[str, tuple[nn.Module, Kind]]:
    """Name → layer and kind, without the parts of layers."""
    found: dict[str, tuple[nn.Module, Kind]] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{other}.") for other in found)
        kind = None if inside else kind_of(module)
        if kind is not None:
            found[name] = module, kind
    return found


def free_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that belong to no layer, such as position embeddings."""
    layers = tuple(f"{name}." if name else "" for name in layers_of(model))
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name: tensor
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not name.startswith(layers or ("?",))
    }


def cut(layer: nn.Module, kind: Kind, side: str, kept: list[int], done: Done) -> None:
    """Keeps some of a layer's channels.

    Args:
        layer: Changed in place.
        kind: What `kind_of` said.
        side: ``"in"`` or ``"out"``.
        kept: The numbers of the channels that stay, ascending.
        done: What parameters became: one that two layers share stays one.

    Raises:
        ValueError: The layer can't have so many.
    """
    names = kind.inputs if side == "in" else kind.outputs
    for name, axis in names.items():
        tensor = getattr(layer, name, None)
        if isinstance(tensor, Tensor):
            set_tensor(layer, name, tensor, axis, kept, done)
    if isinstance(layer, nn.GroupNorm) and len(kept) % layer.num_groups:
        raise ValueError(f"{layer.num_groups} groups of a GroupNorm do not divide {len(kept)}")
    for attribute in kind.sizes[side == "out"]:
        if hasattr(layer, attribute):
            shape = attribute == "normalized_shape"
            setattr(layer, attribute, (len(kept),) if shape else len(kept))


def set_tensor(
    holder: nn.Module,
    name: str,
    tensor: Tensor,
    axis: int,
    kept: list[int],
    done: Done,
) -> None:
    """Keeps some entries of a parameter or buffer along an axis."""
    # The old one is kept beside the new one, so that no other tensor gets its number.
    key = id(tensor), axis
    if key not in done:
        index = torch.tensor(kept, dtype=torch.long, device=tensor.device)
        new = tensor.detach().index_select(axis, index)
        if isinstance(tensor, nn.Parameter):
            new = nn.Parameter(new, requires_grad=tensor.requires_grad)
        done[key] = tensor, new
    setattr(holder, name, done[key][1])
