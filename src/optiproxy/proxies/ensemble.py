"""The basis of the neural proxies: K networks as one tensor dimension, trained side by side.

An ensemble is a dictionary of weights, each with a leading dimension K, and a function of it: a few
large matrix products instead of K loops. The fit loss is that of Lyu et
al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656: mean squared error plus a pairwise hinge.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy.proxies.base import Proxy
from optiproxy.spaces import Space

#: Name → weights with a leading dimension K; see `linear_weights`.
Weights = dict[str, Tensor]

HINGE_WEIGHT, HINGE_MARGIN = 0.2, 0.1  # of the published loss
# With more architectures, each epoch uses the pairs of another subset of at most this size.
PAIRED = 300
# As published: the learning rate is multiplied by 0.9 every 10 epochs.
DECAY, DECAY_EPOCHS = 0.9, 10
BETA_1, BETA_2 = 0.9, 0.999


@dataclass(frozen=True)
class Training:
    """Epochs and AdamW's rates."""

    epochs: int
    learning_rate: float
    weight_decay: float


class Ensemble(Proxy):
    """K networks as a proxy; mean and spread are those of the members' outputs.

    A subclass defines the inputs, the initial weights and the outputs.
    """

    #: K, and how the members are trained; a subclass may change both.
    members: int
    training: Training

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._weights: Weights = {}

    @abstractmethod
    def _inputs(self, p: Tensor) -> tuple[Tensor, ...]:
        """The networks' inputs for choice probabilities p (B, C, O)."""

    @abstractmethod
    def _initial(
        self, inputs: tuple[Tensor, ...], metrics: int, generator: torch.Generator
    ) -> Weights:
        """Random weights for these inputs and M outputs."""

    @abstractmethod
    def _outputs(
        self, weights: Weights, inputs: tuple[Tensor, ...], generator: torch.Generator | None = None
    ) -> Tensor:
        """(K, B, M); with dropout if there is a generator."""

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._weights = self._trained(p, y)

    def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
        """By one training, in which each member leaves one fold out and predicts it."""
        weights = self._trained(p, y, others(folds, self.members))
        with torch.no_grad():
            out = self._outputs(weights, self._inputs(p))
        return out[folds, torch.arange(len(p))]

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        out = self._outputs(self._weights, self._inputs(p))
        return out.mean(0), out.std(0, correction=int(self.members > 1))

    def _trained(self, p: Tensor, y: Tensor, learns: Tensor | None = None) -> Weights:
        generator = torch.Generator().manual_seed(self.seed)
        inputs = self._inputs(p)
        return train(
            self._initial(inputs, y.shape[1], generator),
            lambda weights: self._outputs(weights, inputs, generator),
            y,
            self.training,
            learns,
        )


def linear_weights(
    name: str, members: int, fan_in: int, fan_out: int, generator: torch.Generator
) -> Weights:
    """The weights (K, in, out) and bias (K, 1, out) of a linear layer, as torch.nn.Linear draws."""
    bound = 1 / math.sqrt(fan_in)
    weights = {}
    for key, shape in (("w", (members, fan_in, fan_out)), ("b", (members, 1, fan_out))):
        draw = torch.rand(shape, generator=generator)
        weights[f"{name}.{key}"] = bound * (2 * draw - 1)
    return weights


def linear(w: Weights, name: str, z: Tensor) -> Tensor:
    """Applies each member's layer: z (K, …, in) → (K, …, out)."""
    flat = torch.baddbmm(w[f"{name}.b"], z.reshape(len(z), -1, z.shape[-1]), w[f"{name}.w"])
    return flat.view(*z.shape[:-1], flat.shape[-1])


def dropout(
    h: Tensor, mask_shape: tuple[int, ...], rate: float, generator: torch.Generator
) -> Tensor:
    """Inverted dropout with one mask of `mask_shape`, broadcast over h."""
    keep = torch.rand(mask_shape, generator=generator, dtype=h.dtype)
    return h * ((keep >= rate) / (1 - rate))


def train(
    weights: Weights,
    forward: Callable[[Weights], Tensor],
    y: Tensor,
    training: Training,
    learns: Tensor | None = None,
) -> Weights:
    """Fits all members to y (T, M) at once by AdamW; returns the weights.

    Args:
        weights: The initial weights.
        forward: Weights → the outputs (K, T, M) for the architectures of `y`.
        y: Standardised metrics.
        training: Epochs, learning rate and weight decay.
        learns: (K, T), 1 where a member learns from an architecture, else 0; by default all 1.
    """
    if learns is None:
        learns = torch.ones(1, len(y))
    share = learns / learns.sum(1, keepdim=True)
    strides = math.ceil(len(y) / PAIRED)
    # All weights are views of one vector, so that an optimiser step is a few operations.
    flat = torch.cat([w.flatten() for w in weights.values()])
    parts = torch.split(flat, [w.numel() for w in weights.values()])
    leaves = {
        name: part.view_as(w).detach().requires_grad_()
        for (name, w), part in zip(weights.items(), parts, strict=True)
    }
    first, second = torch.zeros_like(flat), torch.zeros_like(flat)
    for epoch in range(training.epochs):
        out = forward(leaves)
        # A sum over members, so that the gradients of each are those of its own loss.
        squared = (((out - y) ** 2).mean(2) * share).sum()
        some = slice(epoch % strides, None, strides)
        loss = squared + HINGE_WEIGHT * hinge(out[:, some], y[some], learns[:, some])
        gradient = torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, list(leaves.values()))]
        )
        # AdamW (https://arxiv.org/abs/1711.05101, algorithm 2), as in torch.optim, whose first
        # optimiser imports a compiler.
        rate = training.learning_rate * DECAY ** (epoch // DECAY_EPOCHS)
        flat.mul_(1 - rate * training.weight_decay)
        first.lerp_(gradient, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        unbiased = (second.sqrt() / (1 - BETA_2 ** (epoch + 1)) ** 0.5).add_(1e-8)
        flat.addcdiv_(first, unbiased, value=-rate / (1 - BETA_1 ** (epoch + 1)))
    return {name: w.detach() for name, w in leaves.items()}


def hinge(out: Tensor, y: Tensor, learns: Tensor) -> Tensor:
    """Pairwise ranking loss over all pairs that differ; (K, T, M), (T, M) → scalar over members."""
    better = (y[:, None] > y[None, :]).to(out.dtype)  # (T, T, M): row before column
    pairs = learns[:, :, None, None] * learns[:, None, :, None] * better  # (K or 1, T, T, M)
    gap = out[:, :, None] - out[:, None, :]  # (K, T, T, M)
    loss = (F.relu(HINGE_MARGIN - gap) * pairs).sum((1, 2, 3))
    return (loss / pairs.sum((1, 2, 3)).clamp(min=1)).sum()


def others(folds: Tensor, members: int) -> Tensor:
    """`learns` of `train` when member k leaves fold k out, (K, T)."""
    assert int(folds.max()) < members, "a fold has no member that leaves it out"
    return (torch.arange(members)[:, None] != folds[None]).float()
