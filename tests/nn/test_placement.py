"""Smaller versions of networks in which a channel's place, mode or route decides what it does."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optiproxy.errors import InvalidValueError
from optiproxy.nn import searchable


def smallest(model: nn.Module, changes: Any, x: Tensor, **keep: Any) -> Any:
    space = searchable(model, changes, x, **keep)
    return space.build(space.architecture({name: o[0] for name, o in space.choices.items()}))


class Halves(nn.Module):
    """One half of the channels is a gate of nothing: as in ShuffleNet and CSP."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.a(x).chunk(2, 1)
        return self.b(torch.cat([left, right.sigmoid()], 1))


class Normalised(Halves):
    """The same behind a normalisation over channels, and weights that hide it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, 8)
        self.scale = nn.Parameter(torch.zeros(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.norm(self.a(x)).chunk(2, 1)
        x = self.scale * torch.cat([left, right.sigmoid()], 1)
        return self.b(x)


class Attention(nn.Module):
    """Its sizes are those of its tensors.

    Args:
        by_head: Each head's queries, keys and values lie together.
    """

    def __init__(self, *, by_head: bool = False) -> None:
        super().__init__()
        self.num_heads, self.by_head = 4, by_head
        self.qkv, self.o = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        if self.by_head:
            heads = self.qkv(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            q, k, v = heads.chunk(3, -1)
        else:
            parts = self.qkv(x).chunk(3, -1)
            q, k, v = (p.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for p in parts)
        weights = (q @ k.transpose(-1, -2)).softmax(-1)
        return self.o((weights @ v).transpose(1, 2).flatten(2))


class Values(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (p(x).unflatten(-1, (4, -1)).transpose(1, 2) for p in (self.q, self.k, self.v))
        return self.o(((q @ k.transpose(-1, -2)).softmax(-1) @ v).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("keep", ["importance", "first"])
@pytest.mark.parametrize(
    ("model", "changes", "x", "place"),
    [
        (Halves, {"a": {"out_channels": [0.5, 1.0]}}, torch.zeros(1, 3, 4, 4), "b"),
        (Normalised, {"a": {"out_channels": [0.5, 1.0]}}, torch.zeros(1, 3, 4, 4), "b"),
        (Values, {"v": {"out_features": [0.5, 1.0]}}, torch.zeros(1, 5, 16), "o"),
    ],
)
def test_channels_that_are_used_by_their_place_are_refused(
    model: Any, changes: Any, x: Tensor, place: str, keep: Any
) -> None:
    torch.manual_seed(0)
    with pytest.raises(InvalidValueError, match=f"0.5 gives '{place}' other values than the same"):
        searchable(model(), changes, x, keep=keep)


@pytest.mark.parametrize("by_head", [False, True])
def test_heads_are_cut_from_their_own_rows(by_head: bool) -> None:
    torch.manual_seed(0)
    model: Any = nn.Sequential(Attention(by_head=by_head), nn.Linear(16, 3)).eval()
    x = torch.randn(2, 5, 16)
    small = smallest(model, {"0": {"num_heads": [2, 4]}}, torch.zeros(1, 5, 16), keep="first")
    assert small[0].qkv.out_features == 24
    with torch.no_grad():
        model[0].o.weight[:, 8:] = 0
        torch.testing.assert_close(small(x), model(x))


def test_both_reasons_are_given_where_heads_neither_go_nor_group() -> None:
    class Fixed(Attention):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).reshape(len(x), 5, 16) + 0 * self.qkv(x)[..., :48:3]

    with pytest.raises(InvalidValueError) as raised:
        searchable(nn.Sequential(Fixed(), nn.Linear(16, 3)), {"0": {"num_heads": [3]}},
                   torch.zeros(1, 5, 16))  # fmt: skip
    reason = str(raised.value)
    assert "0.num_heads: heads can't be taken away: 3 does not run" in reason
    assert "nor grouped: its 16 channels can only be grouped" in reason


def test_heads_that_are_grouped_by_another_number_are_refused() -> None:
    class Sized(Attention):
        def forward(self, x: Tensor) -> Tensor:
            qkv = self.qkv(x).reshape(len(x), -1, 48)  # No fewer heads: as many channels.
            q, k, v = (p.unflatten(-1, (-1, 4)).transpose(1, 2) for p in qkv.chunk(3, -1))
            return self.o(((q @ k.transpose(-1, -2)).softmax(-1) @ v).transpose(1, 2).flatten(2))

    model, x = nn.Sequential(Sized(), nn.Linear(16, 3)), torch.zeros(1, 5, 16)
    with pytest.raises(InvalidValueError, match=r"nor grouped: 2 changes nothing of what it puts"):
        searchable(model, {"0": {"num_heads": [2, 4]}}, x)
    other = nn.MultiheadAttention(16, 4, batch_first=True)
    assert searchable(other, {"": {"num_heads": [2, 4]}}, (x, x, x)).count == 2


def test_noise_of_the_network_s_own_is_no_difference() -> None:
    class Noisy(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            x = self[0](x)
            return self[1](x + torch.randn(x.shape[1:]))

    state = torch.get_rng_state()
    noisy = Noisy(nn.Linear(4, 8), nn.Linear(8, 3))
    torch.set_rng_state(state)
    small = smallest(noisy, {"0": {"out_features": [3, 8]}}, torch.zeros(2, 4))
    assert small[1].in_features == 3
    assert torch.equal(torch.get_rng_state(), state)


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(8, 8), nn.Linear(8, 2)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = x.clone()
        for i, expert in enumerate(self.experts):
            mine = torch.arange(len(x)) % 3 == i
            if mine.any():
                y[mine] = y[mine] + expert(x[mine])
        return self.head(y)


def test_layers_that_do_not_run_are_refused() -> None:
    hidden = {"experts.*.0": {"out_features": [0.5, 1.0]}}
    with pytest.raises(InvalidValueError) as raised:
        searchable(Experts(), hidden, torch.zeros(1, 8))
    assert "experts.2.0.out_features: it does not run on the example input" in str(raised.value)
    with pytest.raises(InvalidValueError, match=r"'experts.1.0' may have to follow, but does not"):
        searchable(Experts(), {"stem": {"out_features": [4]}}, torch.zeros(1, 8))
    small = smallest(Experts(), {**hidden, "stem": {"out_features": [4]}}, torch.zeros(3, 8))
    assert [e[2].in_features for e in small.experts] == [8, 8, 8]
    assert small(torch.zeros(9, 8)).shape == (9, 2)


class Auxiliary(nn.Module):
    """A head in training mode alone, as in GoogLeNet and Inception."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.aux, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1), nn.Conv2d(8, 5, 1)
        self.norm, self.drop = nn.BatchNorm2d(5), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Any:
        x = self.a(x).relu()
        y = self.b(x).mean((2, 3))
        return (y, self.drop(self.norm(self.aux(x)).mean((2, 3)))) if self.training else y


def test_heads_of_training_follow() -> None:
    x = torch.zeros(2, 3, 8, 8)
    small = smallest(Auxiliary(), {"a": {"out_channels": [0.5, 1.0]}}, x)
    assert small.train()(x)[1].shape == small.eval()(x).shape == (2, 5)
    with pytest.raises(InvalidValueError, match=r"aux.out_channels: its channels are outputs of"):
        searchable(Auxiliary(), {"aux": {"out_channels": [0.5]}}, x)


@dataclass
class Result:
    logits: Tensor


class Held:
    __slots__ = ("__dict__", "own")

    def __init__(self, logits: Tensor) -> None:
        self.inner = {"result": [Result(logits)]}


@pytest.mark.parametrize("result", [Result, Held])
def test_outputs_in_objects_are_outputs(result: Any) -> None:
    class Wrapped(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return result(super().forward(x))

    model = Wrapped(nn.Linear(4, 8), nn.Linear(8, 10))
    with pytest.raises(InvalidValueError, match=r"1.out_features: its channels are outputs of the"):
        searchable(model, {"1": {"out_features": [0.5, 1.0]}}, torch.zeros(1, 4))
    assert smallest(model, {"0": {"out_features": [0.5]}}, torch.zeros(1, 4))[0].out_features == 4


class LayerNorm2d(nn.LayerNorm):
    """torchvision's and timm's."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("side", [8, 9])
def test_a_layer_norm_of_images_has_its_own_axis(side: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), LayerNorm2d(8), nn.Conv2d(8, 4, 1))
    nn.init.normal_(model[1].weight)
    x = torch.randn(1, 3, side, side)
    small = smallest(model, {"0": {"out_channels": [3, 8]}}, x)
    assert small[1].normalized_shape == (3,)
    assert small(x).shape == (1, 4, side, side)


@pytest.mark.parametrize(
    "norm",
    [nn.LayerNorm(8, elementwise_affine=False), nn.RMSNorm(8, elementwise_affine=False),
     nn.GroupNorm(2, 8, affine=False), nn.BatchNorm1d(8, affine=False)],
)  # fmt: skip
def test_normalisation_without_weights_follows(norm: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(4, 8), norm, nn.Linear(8, 3))
    small = smallest(model, {"0": {"out_features": [0.5, 1.0]}}, torch.zeros(1, 4))
    assert small.eval()(torch.rand(2, 4)).shape == (2, 3)


class Quantised(nn.Module):
    """A layer of another library."""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"0": {"out_features": [0.5, 1]}}, "0.out_features: 1 is one channel; beside fractions"),
        ({"1": {"out_features": [1]}}, "Quantised makes no channels; it is "),
        ({"": {"out_features": [1]}}, "Model makes no channels; name a layer in it"),
    ],
)
def test_slips_are_named(changes: Any, reason: str) -> None:
    class Model(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return self[2](self[0](x))

    model = Model(nn.Linear(4, 8), Quantised(), nn.Linear(8, 3))
    with pytest.raises(InvalidValueError, match=re.escape(reason)):
        searchable(model, changes, torch.zeros(1, 4))


def test_a_model_that_can_not_be_copied_is_no_fault_of_the_input() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    model.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(InvalidValueError, match="searchable: the model, a Sequential, can't be"):
        searchable(model, {"0": {"out_features": [4]}}, torch.zeros(1, 4))
