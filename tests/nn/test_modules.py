"""Choice points in a module: names, plain networks, and which follows which."""

from __future__ import annotations

import io
import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import optiproxy as op
from optiproxy.encodings import make
from optiproxy.errors import InvalidValueError, OptiProxyError
from optiproxy.nn import Choice, ModelSpace, Repeat, Value, space_of
from optiproxy.spaces import Space, check
from optiproxy.testing.spaces import SpaceCases


class Block(nn.Module):
    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.op = Choice({
            "conv3": nn.Conv2d(inside, width, 3, padding=1),
            "conv1": nn.Conv2d(inside, width, 1),
        })  # fmt: skip
        self.act = Choice({"relu": nn.ReLU(), "gelu": nn.GELU()}, name="act")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.op(x))


class Net(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.width = Value("width", [8, 16])
        self.stem = nn.Conv2d(3, self.width, 3, padding=1)
        self.stage = Repeat(lambda i: Block(self.width, self.width), [1, 2, 3])
        self.side = Choice({"conv": nn.Conv2d(self.width, self.width, 1), "skip": nn.Identity()})
        self.head = nn.Linear(self.width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head((self.stage(x) + self.side(x)).mean((2, 3)))


class ByHand(nn.Module):
    """What `Net` is for depth 2, a 3x3 and a 1x1 convolution, relu and a convolution beside."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        first, second = nn.Module(), nn.Module()
        first.op, second.op = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)
        first.act = second.act = nn.ReLU()
        self.stage = nn.Sequential(first, second)
        self.side = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, 10)


ARCH = {
    "width": 16, "stage": 2, "stage.0.op": "conv3", "act": "relu", "stage.1.op": "conv1",
    "side": "conv",
}  # fmt: skip
SPACE = space_of(Net)


class TestSpace(SpaceCases):
    @pytest.fixture
    def space(self) -> Space:
        return SPACE


def test_choices_are_named_by_their_place_and_counted_once() -> None:
    check(SPACE)
    assert set(SPACE.choices) == {*ARCH, "stage.2.op"}
    assert SPACE.when == {"stage.1.op": {"stage": (2, 3)}, "stage.2.op": {"stage": (3,)}}
    assert SPACE.count == 2 * 2 * 2 * (2 + 4 + 8)


def test_a_network_has_no_trace_of_us_and_the_names_of_one_by_hand() -> None:
    model = SPACE.build(SPACE.architecture(ARCH))
    by_hand = ByHand()
    shapes = {name: p.shape for name, p in model.state_dict().items()}
    assert shapes == {name: p.shape for name, p in by_hand.state_dict().items()}
    assert type(model.stage) is nn.Sequential
    assert all("optiproxy" not in type(module).__module__ for module in model.modules())
    x = torch.rand(2, 3, 8, 8)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again(x), model(x))


@pytest.mark.parametrize("source", [Net, lambda: Net(classes=3)], ids=["class", "function"])
def test_a_network_is_exported_by_torch_and_to_onnx(source: type[Net]) -> None:
    onnx = pytest.importorskip("onnxruntime")
    space = space_of(source)
    model, x = space.build(space.sample(1)[0]).eval(), torch.rand(1, 3, 8, 8)
    program = torch.export.export(model, (x,))
    torch.testing.assert_close(program.module()(x), model(x))
    file = io.BytesIO()
    torch.onnx.export(model, (x,), file, dynamo=False)
    session = onnx.InferenceSession(file.getvalue())
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(y, model(x).detach().numpy(), atol=1e-5)


def test_which_choice_follows_which_is_traced() -> None:
    names = SPACE.names
    edges = {(names[a - 1], names[b - 1]) for a, b in np.argwhere(SPACE.graph.adjacency[1:-1, 1:-1])
             + 1}  # fmt: skip
    # A named choice that stands at several places has edges from its first place on.
    assert {("stage", "stage.0.op"), ("stage.0.op", "act")} <= edges
    assert not {("side", "stage"), ("stage", "side"), ("stage.2.op", "side")} & edges
    adjacency = SPACE.graph.adjacency
    place = {name: i + 1 for i, name in enumerate(names)}
    assert adjacency[0, place["stage"]] == adjacency[0, place["side"]] == 1
    assert adjacency[place["side"], -1] == 1
    pairs = {tuple(sorted(names[c] for c in path)) for path in SPACE.paths if len(path) == 2}
    assert ("stage", "stage.0.op") in pairs
    assert ("side", "stage") not in pairs
    x = make("adjacency", SPACE).discrete(torch.from_numpy(SPACE.to_indices(SPACE.sample(3))))
    assert x[0].shape == (3, 9, 9)


class Untraceable(nn.Module):
    """Its forward looks at values, so that it can't be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.a = Choice({"linear": nn.Linear(4, 4), "skip": nn.Identity()})
        self.b = Choice({"relu": nn.ReLU(), "gelu": nn.GELU()})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x)) if float(x.sum()) > 0 else self.a(x)


def test_a_model_that_cannot_be_traced_is_a_row_of_its_parts() -> None:
    space = space_of(Untraceable())
    assert space.names == ("a", "b")
    assert np.argwhere(space.graph.adjacency).tolist() == [[0, 1], [1, 2], [2, 3]]


class UntraceableBackwards(Untraceable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(self.b(x)) if float(x.sum()) >= 0 else x


def test_a_model_that_cannot_be_traced_is_run_where_an_input_is_given() -> None:
    space = space_of(UntraceableBackwards(), example_input=lambda: torch.ones(1, 4))
    assert space.names == ("b", "a")
    assert space_of(UntraceableBackwards()).names == ("a", "b")


class Backwards(nn.Module):
    """Registered in another order than it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.last = Choice({"relu": nn.ReLU(), "gelu": nn.GELU()})
        self.first = Choice({"linear": nn.Linear(4, 4), "skip": nn.Identity()})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x))


def test_choices_stand_in_the_order_of_computation() -> None:
    assert space_of(Backwards()).names == ("first", "last")


def test_networks_of_a_model_are_copies_with_its_weights() -> None:
    model = nn.Sequential(
        nn.Linear(4, 4), Choice({"linear": nn.Linear(4, 4), "skip": nn.Identity()})
    )
    space = space_of(model)
    assert list(space.choices) == ["1"]
    built = space.build(space.architecture({"1": "linear"}))
    assert torch.equal(built[0].weight, model[0].weight)
    with torch.no_grad():
        built[0].weight.zero_()
    assert float(model[0].weight.detach().abs().sum()) > 0
    assert isinstance(model[1], Choice)


def test_choices_inside_options_are_active_with_them() -> None:
    inner = {
        "a": nn.Tanh(),
        "b": nn.Sequential(nn.Linear(2, 2), Choice({"x": nn.ReLU(), "y": nn.GELU()})),
    }
    outer = nn.Sequential(Choice({"inner": Choice(inner), "skip": nn.Identity()}), nn.Linear(2, 2))
    space = space_of(outer)
    assert space.count == 2 + 1 + 1
    assert space.when == {
        "0.inner": {"0": ("inner",)}, "0.inner.b.1": {"0.inner": ("b",)},
    }  # fmt: skip
    arch = space.architecture({"0": "inner", "0.inner": "b", "0.inner.b.1": "y"})
    assert [name for name, _ in space.build(arch).named_parameters()] == [
        "0.0.weight", "0.0.bias", "1.weight", "1.bias",
    ]  # fmt: skip


def test_copies_of_a_block_have_weights_of_their_own() -> None:
    model = nn.Sequential(Repeat(nn.Linear(4, 4), [0, 2]))
    assert not torch.equal(model[0][0].weight, model[0][1].weight)
    space = space_of(model)
    assert space.count == 2
    none = space.build(space.architecture({"0": 0}))
    x = torch.rand(3, 4)
    assert torch.equal(none(x), x)


def test_a_module_at_two_places_stays_one() -> None:
    shared = Choice({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    space = space_of(nn.Sequential(shared, nn.ReLU(), shared))
    assert space.count == 2
    built = space.build(space.sample(1)[0])
    assert built[0] is built[2]


def test_before_anything_is_chosen_a_model_computes_its_first_options() -> None:
    model = Net()
    assert model(torch.rand(1, 3, 8, 8)).shape == (1, 10)
    assert model.width == 8


def test_values_of_a_finished_model_can_not_be_changed() -> None:
    with pytest.raises(OptiProxyError, match=r"Net uses Value 'width' .*: give .* space_of\(Net\)"):
        space_of(Net())


def test_values_are_arguments_of_any_layer() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, Value("heads", [2, 4, 8]))
            self.act = Value("act", {"relu": nn.ReLU, "gelu": nn.GELU})()

    space = space_of(Heads)
    built = space.build(space.architecture({"heads": 8, "act": "gelu"}))
    assert built.attention.num_heads == 8
    assert type(built.act) is nn.GELU
    assert not np.isnan(space.levels[0]).any()


def test_a_search_uses_the_graph_of_a_model() -> None:
    opt = op.OptiProxy(SPACE, objectives="y=max", proxy="gcn", seed=0)
    for _ in range(4):
        archs = opt.ask(5)
        opt.tell(archs, [float(arch["width"]) + (arch["act"] == "gelu") for arch in archs])
    assert len(opt.queries) == 20


@pytest.mark.parametrize(
    ("make_one", "message"),
    [
        (lambda: Choice({}), "Choice: options: got {}"),
        (lambda: Choice({"a": nn.ReLU}), "Choice: option 'a': got .*; give a module"),
        (lambda: Repeat(nn.ReLU(), []), "Repeat: counts: got "),
        (lambda: Repeat(nn.ReLU(), [-1]), "Repeat: counts: got "),
        (lambda: Repeat(3, [1]), "Repeat: block: got 3"),
        (lambda: space_of(nn.ReLU()), "asks for no choice"),
    ],
)
def test_mistakes_are_told(make_one: type[ModelSpace], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make_one()


class Remembers(nn.Module):
    """Keeps what it computed in its first run, and what it computed last."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.functions = nn.Linear(4, 4), nn.functional
        self.act = Choice({"relu": nn.ReLU(), "gelu": nn.GELU()})
        self.norm = nn.BatchNorm1d(4)
        self.places: torch.Tensor | None = None
        self.last: dict[str, list[torch.Tensor]] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.places is None:
            self.places = torch.arange(4.0) + 0 * x[:1]
        self.last["map"] = [self.act(self.layer(x))]
        return self.norm(self.functions.relu(self.last["map"][0])) + self.places


@pytest.mark.parametrize("example_input", [None, lambda: torch.rand(3, 4)])
def test_looking_for_choices_leaves_nothing_in_the_model(example_input: Any) -> None:
    model = Remembers()
    before = model.norm.state_dict()
    space = space_of(model, example_input=example_input)
    assert model.places is None
    assert model.last == {}
    assert all(torch.equal(value, before[name]) for name, value in model.norm.state_dict().items())
    assert space.build(space.sample(1)[0])(torch.zeros(2, 4)).shape == (2, 4)


def _weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


def _pruned(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", 0.5)


def _run_before(_: nn.Module) -> nn.Module:
    model = Remembers()
    model(torch.rand(3, 4))
    assert not model.last["map"][0].is_leaf
    return model


@pytest.mark.parametrize("change", [_weight_norm, _pruned, _run_before])
def test_a_model_with_tensors_that_have_a_graph_is_copied(change: Any) -> None:
    act = Choice({"relu": nn.ReLU(), "gelu": nn.GELU()})
    model, x = nn.Sequential(change(nn.Linear(4, 4)), act).eval(), torch.rand(2, 4)
    space = space_of(model)
    network = space.build(space.architecture(dict.fromkeys(space.names, "relu")))
    torch.testing.assert_close(network(x), model(x))
    network(x).sum().backward()
    assert all(p.grad is None for p in model.parameters())
    assert space.skeleton(space.sample(1)[0]) is not None


def test_what_can_not_be_copied_is_an_error_with_its_remedy() -> None:
    model = nn.Sequential(Choice({"relu": nn.ReLU(), "gelu": nn.GELU()}))
    model.lock = threading.Lock()
    with pytest.raises(OptiProxyError, match=r"a Sequential, can't be copied .*lock.*a function"):
        space_of(model)
