"""Smaller versions of networks that exist: exact weights, every layer that follows, reasons."""

from __future__ import annotations

import importlib.util
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.nn import ModelSpace, searchable

_spec = importlib.util.spec_from_file_location(
    "exemplars", Path(__file__).with_name("exemplars.py")
)
assert _spec is not None
assert _spec.loader is not None
ex: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ex)

X = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def resnet(block: Any = ex.BasicBlock, layers: Any = (2, 2)) -> Any:
    torch.manual_seed(0)
    model = ex.ResNet(block, list(layers))
    model(torch.rand(8, 3, 16, 16))  # Running means of their own.
    return model.eval()


def outputs(model: nn.Module, *x: Tensor) -> Tensor:
    with torch.no_grad():
        found = model.eval()(*x)
    return found if isinstance(found, Tensor) else found.logits


def silenced(layer: Any, channels: list[int], norm: Any = None) -> None:
    """Makes channels of a layer zero, behind its normalisation as well."""
    with torch.no_grad():
        for part in (layer, norm):
            if part is not None:
                part.weight[channels] = 0
                if part.bias is not None:
                    part.bias[channels] = 0


def test_a_model_of_keywords_is_run_on_them() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(3, 8), nn.Linear(8, 2)

        def forward(self, *, x: torch.Tensor) -> torch.Tensor:
            return self.down(self.up(x))

    space = searchable(Named(), {"up": {"out_features": [4, 8]}}, {"x": torch.zeros(1, 3)})
    network = space.build(space.architecture({"up.out_features": 4}))
    assert network(x=torch.zeros(5, 3)).shape == (5, 2)


def test_all_of_it_is_the_model_and_the_model_is_left_alone() -> None:
    model = resnet()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    space = searchable(
        model, {"layer1.*.conv1": {"out_channels": [0.5, 1.0]}, "layer2": {"depth": [1, 2]}}, X
    )
    full = space.build(space.architecture(
        {"layer1.0.conv1.out_channels": 1.0, "layer1.1.conv1.out_channels": 1.0,
         "layer2.depth": 2}))  # fmt: skip
    assert torch.equal(outputs(full, X), outputs(model, X))
    space.build(space.sample(1, seed=1)[0])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_channels_that_do_nothing_go_without_changing_the_outputs() -> None:
    """Half of the inner channels of a block, and of a stage with its residual stream."""
    model = resnet()
    block, inner, stage = model.layer1[0], [1, 3, 4, 6], [0, 1, 5, 9, 10, 12, 13, 15]
    silenced(block.conv1, inner, block.bn1)
    for part, norm in (
        (model.layer2[0].conv2, model.layer2[0].bn2),
        (model.layer2[0].downsample[0], model.layer2[0].downsample[1]),
        (model.layer2[1].conv2, model.layer2[1].bn2),
    ):
        silenced(part, stage, norm)
    changes = {
        "layer1.0.conv1": {"out_channels": [4, 8]}, "layer2.1.conv2": {"out_channels": [8, 16]},
    }  # fmt: skip
    space = searchable(model, changes, X)
    small = space.build(space.architecture(
        {"layer1.0.conv1.out_channels": 4, "layer2.1.conv2.out_channels": 8}))  # fmt: skip
    torch.testing.assert_close(outputs(small, X), outputs(model, X))
    assert small.layer2[0].downsample[1].running_mean.shape == (8,)
    assert small.layer2[1].conv1.in_channels == small.fc.in_features == 8
    assert small.layer1[0].bn1.num_features == 4
    # The first channels are others.
    first = searchable(model, changes, X, keep="first")
    other = first.build(first.architecture(space.sample(1)[0]))
    assert other.conv1.weight.shape == model.conv1.weight.shape
    half = first.build(first.architecture(
        {"layer1.0.conv1.out_channels": 4, "layer2.1.conv2.out_channels": 16}))  # fmt: skip
    assert torch.equal(half.layer1[0].conv1.weight, block.conv1.weight[:4])


def test_inverted_residuals_with_squeeze_and_flattening() -> None:
    torch.manual_seed(0)
    model = ex.MobileNet().eval()
    hidden, last = list(range(0, 48, 2)), [0, 2, 3, 7, 8, 11]
    block = model.features[3].block
    silenced(block[0][0], hidden, block[0][1])
    silenced(block[1][0], hidden, block[1][1])
    silenced(block[2].fc2, hidden)
    for i in (2, 3):
        silenced(model.features[i].block[3][0], last, model.features[i].block[3][1])
    space = searchable(
        model,
        {
            "features.3.block.0.0": {"out_channels": [0.5, 1.0]},
            "features.3.block.3.0": {"out_channels": [0.5, 1.0]},
            "classifier.0": {"out_features": [10, 20]},
        },
        X,
    )
    arch = {
        "features.3.block.0.0.out_channels": 0.5, "features.3.block.3.0.out_channels": 0.5,
        "classifier.0.out_features": 20,
    }  # fmt: skip
    small = space.build(space.architecture(arch))
    torch.testing.assert_close(outputs(small, X), outputs(model, X))
    assert small.features[3].block[1][0].groups == 24
    assert small.features[3].block[2].fc1.in_channels == 24
    assert small.classifier[0].in_features == 6 * 16
    assert searchable(
        model, {"features.3.block.1.0": {"kernel_size": [1, 3, 5]}}, X
    ).count == 3  # fmt: skip


def test_kernels_keep_their_middle() -> None:
    model = resnet()
    with torch.no_grad():
        model.conv1.weight[:, :, [0, 6]] = 0
        model.conv1.weight[:, :, :, [0, 6]] = 0
    space = searchable(model, {"conv1": {"kernel_size": [3, 5, 7]}}, X)
    small = space.build(space.architecture({"conv1.kernel_size": 5}))
    assert small.conv1.kernel_size == (5, 5)
    torch.testing.assert_close(outputs(small, X), outputs(model, X))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular"])
def test_kernels_of_any_padding_put_out_as_much(mode: Any) -> None:
    x = X[:, :, 0]
    for padding in ("same", 4):
        model = nn.Conv1d(3, 4, 5, padding=padding, padding_mode=mode, dilation=2)
        with torch.no_grad():
            model.weight[..., [0, 4]] = 0
        space = searchable(nn.Sequential(model), {"0": {"kernel_size": [3, 5]}}, x)
        small = space.build(space.architecture({"0.kernel_size": 3}))
        torch.testing.assert_close(outputs(small, x), outputs(model, x))


def test_a_parametrised_kernel_is_set_through_it_or_refused() -> None:
    parametrizations, x = nn.utils.parametrizations, X[:, :, 0]
    model = nn.Sequential(parametrizations.weight_norm(nn.Conv1d(3, 4, 3, padding=1)))
    with torch.no_grad():
        model[0].parametrizations.weight.original1[..., [0, 2]] = 0
    space = searchable(model, {"0": {"kernel_size": [1, 3]}}, x)
    small = space.build(space.architecture({"0.kernel_size": 1}))
    torch.testing.assert_close(outputs(small, x), outputs(model, x))
    assert small[0].parametrizations.weight.original1.shape == (4, 3, 1)
    small(x).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    for layer, kind in (
        (parametrizations.spectral_norm(nn.Conv1d(3, 4, 3, padding=1)), "remove_parametrizations"),
        (nn.utils.spectral_norm(nn.Conv1d(3, 4, 3, padding=1)), "SpectralNorm .* remove_spectral"),
    ):
        with pytest.raises(InvalidValueError, match=rf"0.kernel_size: .* weight .*{kind}"):
            searchable(nn.Sequential(layer), {"0": {"kernel_size": [1, 3]}}, x)


def test_a_module_that_is_twice_in_a_row_counts_twice() -> None:
    relu, linear = nn.ReLU(), nn.Linear(4, 4)
    for row in (
        nn.Sequential(nn.Linear(4, 4), relu, nn.Linear(4, 4), relu, relu),
        nn.Sequential(*[linear] * 5),
    ):
        x = torch.rand(1, 4)
        space = searchable(row, {"": {"depth": [1, 3, 5]}}, x)
        for depth in (1, 3, 5):
            small = space.build(space.architecture({".depth": depth}))
            assert len(small) == depth
            torch.testing.assert_close(outputs(small, x), outputs(row[:depth], x))


def test_a_bottleneck_s_grouped_convolution_is_named() -> None:
    model = resnet(ex.Bottleneck, (1, 1, 1))
    space = searchable(model, {"layer1.0.conv1": {"out_channels": [0.5, 1.0]}}, X)
    assert outputs(space.build(space.sample(1)[0]), X).shape == (2, 5)
    with pytest.raises(InvalidValueError) as raised:
        searchable(
            model,
            {"layer3.0.conv1": {"out_channels": [0.5]}, "layer3.0.conv2": {"out_channels": [0.5]}},
            X,
        )
    assert "layer3.0.conv1.out_channels: 'layer3.0.conv2' can't follow" in str(raised.value)
    assert "layer3.0.conv2.out_channels: it is a convolution of 4 groups" in str(raised.value)


def test_choices_in_blocks_that_are_left_out_are_inactive() -> None:
    space = searchable(
        resnet(layers=(3, 2)),
        {"layer1": {"depth": [1, 2, 3]}, "layer1.*.conv1": {"out_channels": [0.5, 1.0]}},
        X,
    )
    assert space.when == {
        "layer1.1.conv1.out_channels": {"layer1.depth": (2, 3)},
        "layer1.2.conv1.out_channels": {"layer1.depth": (3,)},
    }
    assert space.count == 2 + 4 + 8
    short = space.build(space.architecture({"layer1.depth": 1, "layer1.0.conv1.out_channels": 0.5}))
    assert len(short.layer1) == 1


def test_layers_of_one_width_are_one_choice() -> None:
    space = searchable(resnet(), {"layer2.*.conv2": {"out_channels": [0.5, 1.0]}}, X)
    assert list(space.choices) == ["layer2.0.conv2.out_channels"]
    with pytest.raises(InvalidValueError, match=r"same width as layer2.0.conv2.out_channels"):
        searchable(
            resnet(),
            {"layer2.0.conv2": {"out_channels": [8]}, "layer2.1.conv2": {"out_channels": [4]}},
            X,
        )


def test_heads_of_timm_s_attention_are_regrouped_and_its_mlp_is_cut() -> None:
    torch.manual_seed(0)
    model = ex.VisionTransformer().eval()
    silenced(model.blocks[1].mlp.fc1, list(range(1, 64, 2)))
    space = searchable(
        model,
        {
            "blocks": {"depth": [1, 2, 3]},
            "blocks.*": {"mlp_ratio": [2, 4]},
            "blocks.*.attn": {"num_heads": [2, 4]},
        },
        X,
    )
    arch = {name: options[-1] for name, options in space.choices.items()}
    full = space.build(space.architecture(arch))
    assert torch.equal(outputs(full, X), outputs(model, X))
    small = space.build(space.architecture({**arch, "blocks.1.mlp_ratio": 2}))
    torch.testing.assert_close(outputs(small, X), outputs(model, X))
    assert small.blocks[1].mlp.fc2.in_features == 32
    other = space.build(space.architecture({**arch, "blocks.0.attn.num_heads": 2})).blocks[0].attn
    assert (other.num_heads, other.head_dim, other.scale) == (2, 8, 8**-0.5)
    assert torch.equal(other.qkv.weight, model.blocks[0].attn.qkv.weight)
    reason = r"patch_embed.proj.out_channels: 0.5 does not run: shape .* is invalid"
    with pytest.raises(InvalidValueError, match=reason):
        searchable(model, {"patch_embed.proj": {"out_channels": [0.5]}}, X)


class Encoder(nn.Module):
    """Of torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.embed, self.encoder = nn.Embedding(50, 16), nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x)).mean(1))


def test_torch_s_own_encoder() -> None:
    tokens = torch.randint(0, 50, (2, 7))
    space = searchable(
        Encoder(),
        {
            "encoder.layers": {"depth": [1, 2]},
            "encoder.layers.*": {"mlp_ratio": [1, 2]},
            "encoder.layers.*.self_attn": {"num_heads": [2, 4, 8]},
        },
        tokens,
    )
    assert space.count == 6 + 36
    for arch in space.sample(5):
        assert outputs(space.build(arch), tokens).shape == (2, 5)
    with pytest.raises(
        InvalidValueError, match=r"can't follow: the width of nn.MultiheadAttention"
    ):
        searchable(Encoder(), {"encoder.layers.0.linear2": {"out_features": [0.5]}}, tokens)


class TestTransformers:
    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        pytest.importorskip("transformers")

    def gpt2(self) -> Any:
        from transformers import GPT2Config, GPT2LMHeadModel

        torch.manual_seed(0)
        config = GPT2Config(
            n_layer=2, n_embd=32, n_head=4, vocab_size=50, n_positions=16, bos_token_id=0,
            eos_token_id=0,
        )  # fmt: skip
        return GPT2LMHeadModel(config).eval()

    def test_gpt2(self) -> None:
        model, tokens = self.gpt2(), torch.randint(0, 50, (2, 7))
        first, second = model.transformer.h[0], model.transformer.h[1]
        with torch.no_grad():
            heads = [c for h in (0, 2) for c in range(8 * h, 8 * h + 8)]  # 8 channels a head
            gone = [32 * block + c for block in range(3) for c in heads]
            first.attn.c_attn.weight[:, gone] = 0
            first.attn.c_attn.bias[gone] = 0
            first.attn.c_proj.weight[heads] = 0
            second.mlp.c_fc.weight[:, ::2] = 0
            second.mlp.c_fc.bias[::2] = 0
        space = searchable(
            model,
            {
                "transformer.h": {"depth": [1, 2]},
                "transformer.h.*": {"mlp_ratio": [1, 2, 4]},
                "transformer.h.*.attn": {"num_heads": [1, 2, 4]},
            },
            tokens,
        )
        assert space.count == 9 + 81
        arch = {
            "transformer.h.depth": 2, "transformer.h.0.mlp_ratio": 4,
            "transformer.h.1.mlp_ratio": 2, "transformer.h.0.attn.num_heads": 2,
            "transformer.h.1.attn.num_heads": 4,
        }  # fmt: skip
        small = space.build(space.architecture(arch))
        torch.testing.assert_close(outputs(small, tokens), outputs(model, tokens))
        assert small.transformer.h[0].attn.c_attn.weight.shape == (32, 48)
        assert small.transformer.h[1].mlp.c_proj.nx == 64
        # Its embedding is also its head: one parameter still.
        assert small.lm_head.weight is small.transformer.wte.weight
        loss = small(tokens, labels=tokens).loss
        loss.backward()
        reason = r"mixed before 'transformer.h.0.attn.c_proj' by an operation between layers"
        with pytest.raises(InvalidValueError, match=reason):
            searchable(model, {"transformer.h.0.attn.c_attn": {"out_features": [0.5]}}, tokens)

    def test_vit(self) -> None:
        from transformers import ViTConfig, ViTForImageClassification

        torch.manual_seed(0)
        model = ViTForImageClassification(ViTConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            image_size=16, patch_size=4, num_labels=5)).eval()  # fmt: skip
        space = searchable(
            model,
            {
                "vit.layers": {"depth": [1, 2]},
                "vit.layers.*": {"mlp_ratio": [1, 2]},
                "vit.layers.*.attention": {"num_heads": [1, 2, 4]},
                "vit.embeddings.patch_embeddings.projection": {"out_channels": [0.5, 1.0]},
            },
            X,
        )
        assert space.count == 2 * (6 + 36)
        for arch in space.sample(6):
            assert outputs(space.build(arch), X).shape == (2, 5)
        arch = {name: options[-1] for name, options in space.choices.items()}
        arch["vit.embeddings.patch_embeddings.projection.out_channels"] = 0.5
        small = space.build(space.architecture(arch))
        assert small.vit.embeddings.position_embeddings.shape == (1, 17, 16)
        assert small.vit.layernorm.normalized_shape == (16,)
        # Heads are as wide as before; what they read and write is half.
        assert small.vit.layers[0].attention.q_proj.weight.shape == (32, 16)
        assert small.vit.layers[0].attention.o_proj.weight.shape == (16, 32)

    def test_resnet(self) -> None:
        from transformers import ResNetConfig, ResNetForImageClassification

        torch.manual_seed(0)
        model = ResNetForImageClassification(ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[2, 2], layer_type="basic",
            num_labels=5)).eval()  # fmt: skip
        stages = "resnet.encoder.stages"
        space = searchable(
            model,
            {
                f"{stages}.*.layers": {"depth": [1, 2]},
                f"{stages}.*.layers.*.layer.0.convolution": {"out_channels": [0.5, 1.0]},
                f"{stages}.1.layers.0.layer.1.convolution": {"out_channels": [0.5, 1.0]},
            },
            X,
        )
        assert space.count == 2 * (2 + 4) ** 2
        for arch in space.sample(6):
            assert outputs(space.build(arch), X).shape == (2, 5)


def test_a_task_of_smaller_versions_is_searched_under_a_limit() -> None:
    model = resnet()
    space = searchable(
        model,
        {"layer1": {"depth": [1, 2]}, "layer2.*.conv1": {"out_channels": [0.25, 0.5, 1.0]}},
        lambda: X,
    )

    def near(model: nn.Module) -> float:
        """How near the outputs are to those of the whole: no training at all."""
        return -float((outputs(model, X) - outputs(whole, X)).abs().mean())

    whole = resnet()
    task = op.Task(
        "smaller", space, near, objectives="near=max", constraints="params<=80%",
        example_input=lambda: X[:1],
    )  # fmt: skip
    study = op.Study(task, method="random")
    study.run(budget=5)
    assert study.best is not None
    assert study.best.metrics["params"] <= 0.8 * sum(p.numel() for p in model.parameters())
    assert task.exact["flops"](space.sample(1)[0]) > 0


def test_it_travels_to_another_process_with_its_weights() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    space = searchable(model, {"0": {"out_features": [2, 4, 8]}}, torch.zeros(1, 4))
    again: ModelSpace = pickle.loads(pickle.dumps(space))
    arch = space.architecture({"0.out_features": 4})
    x = torch.rand(2, 4)
    assert torch.equal(again.build(arch)(x), space.build(arch)(x))
    assert space.skeleton(arch)[2].weight.device.type == "meta"


LINEAR = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        (LINEAR, {"2": {"out_features": [2]}}, "2.out_features: its channels are outputs of the"),
        (LINEAR, {"1": {"out_features": [2]}}, "1.out_features: ReLU makes no channels"),
        (LINEAR, {"0": {"out_features": [9]}}, "it has 8 channels; give fewer, or fractions"),
        (LINEAR, {"0": {"width": [2]}}, "'0': got 'width'; "),
        (LINEAR, {"7": {"out_features": [2]}}, "module: got '7'; "),
        (LINEAR, {"0": {"out_features": [0]}}, "'0': out_features: got [0]; give positive numbers"),
        (LINEAR, {"0": {"out_features": "2"}}, "give positive numbers"),
        (LINEAR, {"0": {"out_features": [float("inf")]}}, "got [inf]; give positive numbers"),
        (LINEAR, {0: {"out_features": [2]}}, "changes: got 0; give the name of a module"),
        (LINEAR, {"0": [2]}, "'0': got [2]; give {what: [options]}"),
        (LINEAR, {}, "changes: got {}; give {module: {what: [options]}}"),
        (LINEAR, {"0": {"kernel_size": [3]}}, "Linear is no convolution"),
        (LINEAR, {"0": {"depth": [1]}}, "Linear is no row of modules"),
        (LINEAR, {"0": {"num_heads": [1]}}, "0 modules in it have a number of heads, not one"),
        (LINEAR, {"2": {"mlp_ratio": [1]}}, "it must have one layer that widens"),
        (resnet(), {"layer1": {"depth": [3]}}, "it has 2 modules; give whole numbers up to"),
        (resnet(), {"conv1": {"kernel_size": [4]}}, "its kernel is 7; give whole odd"),
        (resnet(), {"conv1": {"kernel_size": [1.0, 7]}}, "its kernel is 7; give whole odd numbers"),
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding="valid"), nn.Conv2d(8, 3, 1)),
         {"0": {"kernel_size": [1]}}, "with 1 its outputs would be larger: no padding"),
        (resnet(), {"layer2": {"depth": [1], "width": [1]}}, "got 'width'"),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 1)), {"0": {"kernel_size": [1]}},
         "with 1 its outputs would be larger: no padding"),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 8), nn.Conv2d(8, 3, 1)),
         {"0": {"out_channels": [6]}}, "4 groups of a GroupNorm do not divide 6"),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2), nn.Conv2d(2, 3, 1)),
         {"0": {"out_channels": [4]}}, "its channels are mixed before '2'"),
        (ex.VisionTransformer(), {"blocks.0.attn": {"num_heads": [3]}},
         "its 16 channels can only be grouped in other heads"),
        (3, {"0": {"depth": [1]}}, "searchable: model: got 3"),
    ],
)  # fmt: skip
def test_what_can_not_be_adapted_is_named_with_the_reason(
    model: Any, changes: Any, reason: str
) -> None:
    x = torch.zeros(1, 4) if model is LINEAR else X
    with pytest.raises(InvalidValueError, match=re.escape(reason)):
        searchable(model, changes, x)
    if model is LINEAR:
        with pytest.raises(InvalidValueError, match="keep"):
            searchable(model, {"0": {"out_features": [2]}}, x, keep="last")  # type: ignore[arg-type]


class Looked(nn.Module):
    """It looks numbers up by what a layer puts out, as some networks do to sort or to select."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.table, self.down = nn.Linear(4, 8), nn.Embedding(9, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        up = self.up(x).sigmoid()
        if up.isnan().any():
            raise IndexError("index -1 is out of range")
        return self.down(up + self.table((8 * up[:, 0]).long()))


def test_an_input_that_does_not_fit_and_code_that_does_not_take_nan_are_told_apart() -> None:
    changes = {"up": {"out_features": [2]}}
    reason = r"searchable: example_input: the model fails on it: RuntimeError: mat1 .*; give one"
    with pytest.raises(InvalidValueError, match=reason):
        searchable(Looked(), changes, torch.zeros(1, 5))
    reason = (
        r"up.out_features: the model's code can't be followed: .* NaN, .*: IndexError: index -1"
    )
    with pytest.raises(InvalidValueError, match=reason):
        searchable(Looked(), changes, torch.zeros(1, 4))


@pytest.mark.parametrize("what", [{"out_channels": [0.5, 1.0]}, {"kernel_size": [1, 3]}])
@pytest.mark.parametrize("place", [0, 2])
def test_a_weight_that_is_computed_before_each_run_is_refused_by_name(
    what: dict[str, list[float]], place: int
) -> None:
    layers = [nn.Conv1d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 2, 1)]
    prune.l1_unstructured(layers[place], "weight", 0.5)
    model, x = nn.Sequential(*layers), torch.rand(1, 4, 9)
    if place == 2 and "kernel_size" in what:
        assert len(searchable(model, {"0": what}, x)) == 1  # That layer stays as it is.
    else:
        message = rf"0\.{next(iter(what))}: the weight of '{place}' is no parameter.*prune\.remove"
        with pytest.raises(InvalidValueError, match=message):
            searchable(model, {"0": what}, x)
    prune.remove(layers[place], "weight")
    assert len(searchable(model, {"0": what}, x)) == 1
