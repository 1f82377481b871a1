"""Networks written as code: the same outputs in a process without us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optiproxy.errors import OptiProxyError
from optiproxy.nn import Choose, space_of
from optiproxy.nn.code import as_python, constructor

RUN = """
import sys
import torch
sys.path.insert(0, {folder!r})
from best import load
x = torch.load({folder!r} + "/x.pt", weights_only=True)
torch.save(load()(*x), {folder!r} + "/y.pt")
assert not [name for name in sys.modules if name.startswith("optiproxy")]
"""


def write_and_run(model: nn.Module, folder: Path, *x: Tensor) -> tuple[Any, str]:
    """The outputs of the written network in another process, and its code."""
    text, weights = as_python(model, x, module="best")
    (folder / "best.py").write_text(text)
    torch.save(weights, folder / "best.pt")
    torch.save(x, folder / "x.pt")
    code = RUN.format(folder=str(folder))
    # Isolated: neither the checkout nor the environment is looked at.
    subprocess.run([sys.executable, "-I", "-c", code], check=True, cwd="/")
    return torch.load(folder / "y.pt", weights_only=True), text


class Residual(nn.Module):
    """Layers of every kind of name, a buffer that is not stored, arithmetic on shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.SiLU())
            for _ in range(2)
        )
        self.stem = nn.Conv2d(3, 8, (3, 1), stride=(1, 2), bias=False, padding_mode="reflect")
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.register_buffer("shift", torch.rand(8, 1, 1), persistent=False)
        self.norm, self.drop = nn.GroupNorm(2, 8), nn.Dropout(0.5)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = x + self.scale * stage(x) + self.shift
        x = self.drop(nn.functional.gelu(self.norm(x)))
        return self.head(x.flatten(2).transpose(1, 2).reshape(x.shape[0], -1, 8).mean(1))


@pytest.mark.slow
def test_a_network_of_layers_is_written_with_its_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = Residual().train(), torch.rand(3, 3, 8, 8)
    model(x)  # Running means are no longer zero.
    found, text = write_and_run(model, tmp_path, x)
    assert model.training
    torch.testing.assert_close(found, model.eval()(x), atol=1e-5, rtol=1e-5)
    assert "nn.BatchNorm2d(8" in text
    assert "torch.ops" not in text
    assert "optiproxy" not in text


class Attention(nn.Module):
    """A condition on the shape, which torch.fx can't trace."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x) if x.shape[1] > 3 else x
        return self.attention(x, x, x, need_weights=False)[0]


@pytest.mark.slow
def test_what_can_not_be_traced_is_written_by_its_operations(tmp_path: Path) -> None:
    model, x = Attention(), torch.rand(2, 5, 16)
    found, text = write_and_run(model, tmp_path, x)
    torch.testing.assert_close(found, model.eval()(x), atol=1e-5, rtol=1e-5)
    assert "torch.ops.aten" in text


@pytest.mark.slow
def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Bilinear(3, 4, 5), nn.Embedding(7, 4)

        def forward(self, x: Tensor, i: Tensor) -> tuple[Tensor, Tensor]:
            y = self.b(i)
            return self.a(x, y), y

    model, x = Two(), (torch.rand(2, 3), torch.tensor([1, 6]))
    found, _ = write_and_run(model, tmp_path, *x)
    torch.testing.assert_close(found, model(*x), atol=1e-5, rtol=1e-5)


def network(choose: Choose) -> nn.Module:
    width = choose("width", [4, 8])
    layers: list[nn.Module] = [nn.Linear(3, width)]
    for i in range(choose("depth", [1, 2])):
        layers.append(
            choose(f"act{i}", {"relu": nn.ReLU, "prelu": nn.PReLU, "none": nn.Identity})()
        )
        layers.append(nn.Linear(width, width))
    return nn.Sequential(*layers)


@pytest.mark.slow
def test_only_what_was_chosen_is_written(tmp_path: Path) -> None:
    space = space_of(network)
    arch = space.architecture({"width": 4, "depth": 1, "act0": "prelu"})
    model, x = space.build(arch), torch.rand(2, 3)
    found, text = write_and_run(model, tmp_path, x)
    torch.testing.assert_close(found, model(x), atol=1e-5, rtol=1e-5)
    assert text.count("nn.Linear") == 2
    assert "PReLU" in text
    assert "Identity" not in text


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(2, 4, 3, dilation=2, groups=2), nn.ConvTranspose2d(3, 4, 2, output_padding=0),
        nn.BatchNorm1d(3, eps=1e-3, momentum=None), nn.BatchNorm2d(3, affine=False),
        nn.LayerNorm([3, 4], bias=False), nn.RMSNorm(4), nn.GroupNorm(2, 4, affine=False),
        nn.InstanceNorm2d(3), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool1d(2),
        nn.AdaptiveAvgPool2d((1, None)), nn.GELU("tanh"), nn.LeakyReLU(0.2), nn.Softmax(dim=-1),
        nn.Hardtanh(-2, 2), nn.ReLU6(), nn.Hardswish(), nn.PReLU(4), nn.Threshold(0.1, 0),
        nn.Upsample(scale_factor=2, mode="nearest"), nn.PixelShuffle(2), nn.Unflatten(1, (2, 3)),
        nn.Embedding(7, 4, padding_idx=0), nn.LSTM(3, 4, num_layers=2, batch_first=True),
        nn.GRU(3, 4, bidirectional=True), nn.Bilinear(2, 3, 4, bias=False), nn.ZeroPad2d(1),
        nn.Linear(3, 4, dtype=torch.float32), nn.Dropout2d(0.3), nn.LocalResponseNorm(3),
        nn.MultiheadAttention(8, 2, dropout=0.1, bias=False, batch_first=True),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_are_made_again_from_their_settings(layer: nn.Module) -> None:
    again = eval(constructor(layer), {"nn": nn, "inf": float("inf")})
    assert repr(again) == repr(layer)
    again.load_state_dict(layer.state_dict())


def test_what_can_not_be_written_is_told_by_both_ways() -> None:
    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if float(x.sum()) > 0 else x

    with pytest.raises(OptiProxyError, match=r"as code: by its layers, .*; by its operations, "):
        as_python(Looks(), (torch.rand(2, 3),), module="best")


def test_the_network_is_left_as_it_was() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.seen = nn.Linear(4, 4), torch.zeros(1)

        def forward(self, x: Tensor) -> Tensor:
            self.seen = self.layer(x)
            return self.seen.relu()

    model = Keeps()
    before = model.seen
    as_python(model, (torch.zeros(1, 4),), module="best")
    assert model.seen is before
    model(torch.zeros(1, 4))  # What it keeps has a graph now.
    as_python(model, (torch.zeros(1, 4),), module="best")
    assert model.training


def written(model: nn.Module, *x: Tensor) -> nn.Module:
    """The network of the written code."""
    text, weights = as_python(model, x, module="best")
    names: dict[str, Any] = {"__name__": "best", "__file__": "best.py"}
    exec(text, names)
    network: nn.Module = names["Network"]()
    network.load_state_dict(weights)
    return network.eval()


def test_outputs_have_their_structure() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 4)

        def forward(self, x: Tensor) -> dict[str, Any]:
            y, state = self.lstm(x)
            return {"y": y, "state": state, "list": [y + 1]}

    x = torch.rand(5, 2, 3)
    for model in (nn.LSTM(3, 4), Named()):
        torch.testing.assert_close(written(model, x)(x), model(x), atol=1e-5, rtol=1e-5)


class OverBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.layer(row) for row in x])


def test_a_loop_over_the_batch_is_written_for_this_batch_alone() -> None:
    model, x = OverBatch(), torch.rand(2, 4)
    network = written(model, x)
    torch.testing.assert_close(network(x), model(x), atol=1e-5, rtol=1e-5)
    with pytest.raises(AssertionError, match=r"x: give the shape \(2, 4\)"):
        network(torch.rand(3, 4))


@pytest.mark.parametrize("traced", [True, False])
def test_parts_that_share_a_weight_share_it(traced: bool) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.ModuleList([nn.Embedding(7, 4)])
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.rows[0].weight

        def forward(self, x: Tensor) -> Tensor:
            y = self.head(self.rows[0](x))
            return y if traced or x.shape[1] > 1 else -y

    model, x = Tied(), torch.tensor([[1, 2]])
    network = written(model, x)
    assert sum(p.numel() for p in network.parameters()) == 28
    torch.testing.assert_close(network(x), model(x), atol=1e-5, rtol=1e-5)
