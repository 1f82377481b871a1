"""What the neural proxies share: K networks as one tensor dimension, fitted side by side.

A network is a dictionary of weights, each with the members first (K, in, out), and a function of
it. K networks then cost a few larger matrix products, not K loops. The fit loss is that of Lyu et
al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656: mean squared error plus a pairwise hinge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

#: Name → weights with a leading dimension K; see `linear_weights`.
Weights = dict[str, Tensor]

HINGE_WEIGHT, HINGE_MARGIN = 0.2, 0.1  # METHOD: fit loss
# METHOD: the learning rate is decayed by 0.9 every 10 epochs.
DECAY, DECAY_EPOCHS = 0.9, 10


@dataclass(frozen=True)
class Training:
    """How long, and how fast, an ensemble learns."""

    epochs: int
    learning_rate: float
    weight_decay: float


def linear_weights(
    name: str, members: int, fan_in: int, fan_out: int, generator: torch.Generator
) -> Weights:
    """The weights (K, in, out) and bias (K, 1, out) of a linear layer, as torch.nn.Linear draws."""
    bound = 1 / math.sqrt(fan_in)
    weights = {}
    for key, shape in (("w", (members, fan_in, fan_out)), ("b", (members, 1, fan_out))):
        draw = torch.rand(shape, generator=generator)
        weights[f"{name}.{key}"] = (bound * (2 * draw - 1)).requires_grad_()
    return weights


def linear(w: Weights, name: str, z: Tensor) -> Tensor:
    """Each member's own layer: z (K, …, in) → (K, …, out)."""
    flat = torch.baddbmm(w[f"{name}.b"], z.reshape(len(z), -1, z.shape[-1]), w[f"{name}.w"])
    return flat.view(*z.shape[:-1], flat.shape[-1])


def dropout(
    h: Tensor, mask_shape: tuple[int, ...], rate: float, generator: torch.Generator
) -> Tensor:
    """Inverted dropout with one mask of `mask_shape`, broadcast over h."""
    keep = torch.rand(mask_shape, generator=generator, dtype=h.dtype)
    return h * ((keep >= rate) / (1 - rate))


def train(
    weights: Weights, forward: Callable[[Weights], Tensor], y: Tensor, training: Training
) -> Weights:
    """Fits all members to y (T, M) at once; returns the weights without their gradients.

    Args:
        weights: Where each member starts; they are changed in place.
        forward: Weights → the outputs (K, T, M) for the architectures of `y`.
        y: Standardised metrics.
        training: Epochs, learning rate and weight decay.
    """
    optimizer = torch.optim.AdamW(
        weights.values(),
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=DECAY_EPOCHS, gamma=DECAY)
    for _ in range(training.epochs):
        out = forward(weights)
        # Summed over members: each has gradients, and a learning rate, of its own.
        loss = ((out - y) ** 2).mean((1, 2)).sum() + HINGE_WEIGHT * hinge(out, y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return {name: w.detach() for name, w in weights.items()}


def hinge(out: Tensor, y: Tensor) -> Tensor:
    """Pairwise ranking loss over all pairs that differ; (K, T, M), (T, M) → scalar over members."""
    better = (y[:, None] > y[None, :]).to(out.dtype)  # (T, T, M): row before column
    gap = out[:, :, None] - out[:, None, :]  # (K, T, T, M)
    loss = (F.relu(HINGE_MARGIN - gap) * better).sum((1, 2, 3))
    return (loss / better.sum().clamp(min=1)).sum()
