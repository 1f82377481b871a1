"""Each score on networks small enough to be computed by hand, and what all scores keep to."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optiproxy.errors import ScoreFailed
from optiproxy.hardware import count_flops, count_parameters
from optiproxy.scores import (
    SCORES,
    flops,
    grad_norm,
    grasp,
    logsynflow,
    naswot,
    parameters,
    score,
    small_network,
    snip,
    synflow,
)
from optiproxy.scores.base import Batch, Score, forward
from optiproxy.scores.jacobian import OFFSET, jacob_cov
from optiproxy.spaces import (
    NB101_OPERATIONS,
    NB201_OPERATIONS,
    Cell,
    Darts,
    GnnDag,
    Graph,
    Macro,
    Recurrent,
    Space,
)

ALL = SCORES.names()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip


# ---- known values ----


def test_synflow_of_a_chain_is_the_product_of_its_weights() -> None:
    """Of linear maps W, V and an input of ones R = 1'|V||W|1, and each layer's sum is R."""
    chain = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    first, last = chain[0].weight.detach().abs(), chain[2].weight.detach().abs()
    r = float((last @ first).sum())
    assert synflow(chain, torch.randn(5, 3)) == pytest.approx(math.log(2 * r))
    upper = last.sum(0)[:, None].expand(4, 3)  # ∂R/∂|W|
    lower = first.sum(1)[None, :].expand(2, 4)  # ∂R/∂|V|
    expected = (first * upper.log1p()).sum() + (last * lower.log1p()).sum()
    assert logsynflow(chain, torch.randn(5, 3)) == pytest.approx(float(expected))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(4), nn.LayerNorm(4), nn.GroupNorm(2, 4)])
def test_synflow_leaves_normalisation_out(norm: nn.Module) -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(3, 4), nn.Linear(4, 2)
    x = torch.randn(5, 3)
    without = synflow(nn.Sequential(first, last), x)
    assert synflow(nn.Sequential(first, norm, last), x) == pytest.approx(without)


def test_synflow_does_not_overflow() -> None:
    deep = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(60)))
    for layer in deep:
        nn.init.constant_(layer.weight, 1.0)  # R = 64 ** 61, beyond single precision
    value = synflow(deep, torch.randn(2, 64))
    assert value == pytest.approx(61 * math.log(64) + math.log(60))


class Cut(nn.Module):
    """Its output does not depend on its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 2)


def test_a_network_without_a_path_has_the_worst_synflow_and_no_gradient() -> None:
    x = torch.randn(4, 3)
    assert synflow(Cut(), x) < -700
    assert logsynflow(Cut(), x) == 0
    assert grad_norm(Cut(), x) == snip(Cut(), x) == grasp(Cut(), x) == 0
    # The same as that of a linear map, whose gradient is the same for all inputs.
    assert jacob_cov(Cut(), x) == pytest.approx(jacob_cov(nn.Linear(3, 2), x), rel=1e-3)


def test_naswot_counts_activations_that_two_inputs_switch_alike() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU())
    nn.init.eye_(model[0].weight)
    x = torch.tensor([[1.0, 1, 1], [1, 1, -1], [-1, -1, -1]])
    kernel = torch.tensor([[3.0, 2, 0], [2, 3, 1], [0, 1, 3]])
    expected = float(torch.logdet(kernel + torch.eye(3)))
    assert naswot(model, x) == pytest.approx(expected, rel=1e-6)


def test_naswot_of_equal_inputs_and_of_no_activation() -> None:
    model = nn.Sequential(nn.Linear(3, 7), nn.ReLU())
    assert naswot(model, torch.ones(5, 3)) == pytest.approx(math.log(1 + 5 * 7))
    assert naswot(nn.Linear(3, 7), torch.ones(5, 3)) == 0


@pytest.mark.parametrize(
    "activation",
    [nn.functional.relu, nn.ReLU(inplace=True), nn.ReLU6(), nn.GELU(), nn.SiLU(), nn.LeakyReLU(),
     nn.PReLU(), nn.ELU(), nn.Hardswish(), nn.Mish(), nn.Tanh(), torch.relu, Tensor.relu_],
)  # fmt: skip
def test_naswot_sees_functions_as_well_as_modules(activation: Callable[[Tensor], Tensor]) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 20)
            self.activation = activation

        def forward(self, x: Tensor) -> Tensor:
            return self.activation(self.linear(x))

    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = Model()
    torch.manual_seed(0)
    expected = naswot(nn.Sequential(nn.Linear(3, 20), nn.ReLU()), x)
    assert naswot(model, x) == pytest.approx(expected)


def test_naswot_sees_into_fused_encoder_layers() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert naswot(layer, torch.randn(4, 5, 8)) > 0


def test_jacobian_covariance_of_orthogonal_and_of_equal_gradients() -> None:
    class Squares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(1)

    # The gradient of an input is twice itself; these are uncorrelated.
    x = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    expected = -2 * (math.log(1 + OFFSET) + 1 / (1 + OFFSET))
    assert jacob_cov(Squares(), x) == pytest.approx(expected, rel=1e-6)
    equal = -(math.log(2 + OFFSET) + 1 / (2 + OFFSET) + math.log(OFFSET) + 1 / OFFSET)
    assert jacob_cov(Squares(), x[:1].repeat(2, 1)) == pytest.approx(equal, rel=1e-6)


def test_scores_of_gradients_are_those_of_the_loss() -> None:
    """With one output the loss is the mean squared distance to noise of the seed."""
    model = nn.Linear(2, 1, bias=False)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(3))
    noise = torch.randn(4, 1, generator=torch.Generator().manual_seed(7))
    w = model.weight.detach()  # (1, 2)
    gradient = 2 / 4 * (x @ w.T - noise).T @ x
    hessian = 2 / 4 * x.T @ x
    assert grad_norm(model, x, seed=7) == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert snip(model, x, seed=7) == pytest.approx(float((w * gradient).abs().sum()), rel=1e-5)
    expected = -float((w * (gradient @ hessian)).sum())
    assert grasp(model, x, seed=7) == pytest.approx(expected, rel=1e-5)


def test_counts_are_those_of_hardware(images: Tensor) -> None:
    model = convolutional()
    assert parameters(model, images) == count_parameters(model)
    assert flops(model, images) == count_flops(model, images[:1])
    with torch.device("meta"):
        huge = nn.Sequential(nn.Linear(10**5, 10**5), nn.ReLU(), nn.Linear(10**5, 10))
    x = torch.ones(3, 10**5)
    assert parameters(huge, x) == 10**10 + 10**5 + 10**6 + 10
    assert flops(huge, x) == 2 * (10**10 + 10**6)


# ---- what all scores keep to ----


@pytest.mark.parametrize("name", ALL)
def test_the_model_and_all_generators_are_left_as_they_were(name: str, images: Tensor) -> None:
    model = convolutional()
    model[0].bias.requires_grad_(False)
    model[1].eval()
    model(images).sum().backward()
    model[2].register_forward_hook(lambda *_: None)
    before = copy.deepcopy(model)
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    pointers = [t.data_ptr() for t in (*model.parameters(), *model.buffers())]
    given = images.clone()
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    threads = torch.get_num_threads()

    SCORES.get(name)(model, images)

    for ours, theirs in zip(model.modules(), before.modules(), strict=True):
        assert ours.training == theirs.training
        assert len(ours._forward_hooks) == len(theirs._forward_hooks)
    for (key, weight), original in zip(
        model.state_dict().items(), before.state_dict().values(), strict=True
    ):
        assert weight.dtype == original.dtype, key
        assert torch.equal(weight, original), key
    assert pointers == [t.data_ptr() for t in (*model.parameters(), *model.buffers())]
    for parameter, original, gradient in zip(
        model.parameters(), before.parameters(), gradients, strict=True
    ):
        assert parameter.requires_grad == original.requires_grad
        if gradient is None:
            assert parameter.grad is None
        else:
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradient)
    assert torch.equal(images, given)
    assert images.grad is None
    assert not images.requires_grad
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
    assert torch.get_num_threads() == threads
    model(images).sum().backward()  # it can be trained on


@pytest.mark.parametrize("name", ALL)
def test_a_model_is_left_as_it_was_by_a_score_that_fails(name: str) -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no such shape")

    model = nn.Sequential(nn.Linear(3, 2), Fails())
    before = copy.deepcopy(model)
    if name != "parameters":
        with pytest.raises(ScoreFailed, match=f"score {name}: RuntimeError: no such shape"):
            SCORES.get(name)(model, torch.randn(4, 3))
    assert model.training
    assert model[0].weight.dtype == torch.float32
    assert torch.equal(model[0].weight, before[0].weight)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_score_in_any_context(name: str, images: Tensor) -> None:
    function: Score = SCORES.get(name)
    model = convolutional()
    value = function(model, images, seed=3)
    torch.manual_seed(99)
    assert function(model, images, seed=3) == value
    model.eval()
    with torch.no_grad():
        assert function(model, images, seed=3) == value
    with torch.inference_mode():
        assert function(model, images, seed=3) == value


def test_scores_of_gradients_depend_on_the_seed(images: Tensor) -> None:
    model = convolutional()
    assert grad_norm(model, images, seed=0) != grad_norm(model, images, seed=1)


@pytest.mark.parametrize("name", ALL)
def test_lazy_layers_get_their_shapes_in_a_copy(name: str, images: Tensor) -> None:
    lazy = nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5)
    )
    value = SCORES.get(name)(lazy, images)
    assert isinstance(lazy[0].weight, nn.UninitializedParameter)
    lazy(images)
    if name in ("parameters", "flops"):
        assert value == SCORES.get(name)(lazy, images)
    else:
        assert math.isfinite(value)


@pytest.mark.parametrize(
    "space",
    [Cell(4, NB201_OPERATIONS), Graph(7, NB101_OPERATIONS, max_edges=9), Darts(), Macro(),
     GnnDag(), Recurrent()],
    ids=lambda space: type(space).__name__,
)  # fmt: skip
def test_networks_of_the_published_spaces_have_all_scores(space: Space) -> None:
    small = small_network(space)
    torch.manual_seed(0)
    model = small.build(space.sample(1, seed=1)[0])
    for name in ALL:
        assert math.isfinite(SCORES.get(name)(model, small.example_input)), name


# ---- what can't be scored ----


def test_a_network_that_does_not_run_is_reported_with_score_and_reason() -> None:
    with pytest.raises(ScoreFailed, match=r"score naswot: RuntimeError: .*cannot be multiplied"):
        naswot(nn.Linear(3, 2), torch.randn(4, 5))


def test_token_numbers_have_no_jacobian_but_the_other_scores() -> None:
    model = nn.Sequential(nn.Embedding(10, 6), nn.Flatten(), nn.ReLU(), nn.Linear(24, 3))
    tokens = torch.randint(10, (5, 4), generator=torch.Generator().manual_seed(0))
    for name in set(ALL) - {"jacob_cov"}:
        assert math.isfinite(SCORES.get(name)(model, tokens)), name
    with pytest.raises(ScoreFailed, match=r"score jacob_cov: the input is torch.int64"):
        jacob_cov(model, tokens)


def test_a_network_without_parameters_has_no_gradient() -> None:
    for function in (grad_norm, snip, grasp, synflow):
        with pytest.raises(ScoreFailed, match="the network has no"):
            function(nn.ReLU(), torch.randn(4, 5))


def test_a_score_that_is_no_number_is_refused() -> None:
    @score
    def spread(model: nn.Module, batch: Batch) -> float:
        return float(forward(model, batch).detach().std())

    broken = nn.Linear(3, 2)
    nn.init.constant_(broken.weight, math.nan)
    with pytest.raises(ScoreFailed, match="score spread: got nan"):
        spread(broken, torch.randn(4, 3))
    with pytest.raises(ScoreFailed, match="score spread: batch: got str"):
        spread(broken, "images")  # type: ignore[arg-type]


def test_the_first_output_is_read_and_anything_else_refused() -> None:
    class Returns(nn.Module):
        def __init__(self, value: Callable[[Tensor], object]) -> None:
            super().__init__()
            self.linear, self.value = nn.Linear(3, 2), value

        def forward(self, x: Tensor) -> object:
            return self.value(self.linear(x))

    x = torch.randn(4, 3)
    torch.manual_seed(0)
    plain = grad_norm(Returns(lambda y: y), x)
    torch.manual_seed(0)
    assert grad_norm(Returns(lambda y: ({"logits": y}, None)), x) == plain
    with pytest.raises(ScoreFailed, match="score grad_norm: the network returned str"):
        grad_norm(Returns(str), x)
