"""Scores from the first gradient of a loss: its norm, SNIP, GraSP.

There are no labels: the loss compares outputs with targets that are drawn from the seed.

- Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021,
  https://arxiv.org/abs/2101.08134, section 3: all three as scores of networks.
- Lee et al., SNIP, ICLR 2019, https://arxiv.org/abs/1810.02340.
- Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow, ICLR 2020,
  https://arxiv.org/abs/2002.07376.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from optiproxy.errors import ScoreFailed
from optiproxy.scores.base import Batch, forward, score


@score
def grad_norm(model: nn.Module, batch: Batch) -> float:
    """Euclidean norm of the gradient of all trainable parameters."""
    _, gradients = _gradients(model, batch)
    return float(torch.stack([g.square().sum() for g in gradients]).sum().sqrt())


@score
def snip(model: nn.Module, batch: Batch) -> float:
    """``Σ |θ ∂L/∂θ|``: what the loss would change if parameters were removed one by one."""
    weights, gradients = _gradients(model, batch)
    return sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True))


@score
def grasp(model: nn.Module, batch: Batch) -> float:
    """``-Σ θ · H ∂L/∂θ``, H the loss's Hessian: what removal would do to the gradient's norm."""
    weights, gradients = _gradients(model, batch, twice=True)
    product = sum(((g * g.detach()).sum() for g in gradients), torch.zeros(()))
    if not product.requires_grad:
        return 0.0  # the gradient does not depend on the weights
    curved = torch.autograd.grad(product, weights, allow_unused=True, materialize_grads=True)
    return -sum(float((w.detach() * h).sum()) for w, h in zip(weights, curved, strict=True))


def _gradients(
    model: nn.Module, batch: Batch, twice: bool = False
) -> tuple[list[nn.Parameter], tuple[Tensor, ...]]:
    """The trainable parameters and the loss's gradient; `twice` where it is differentiated too."""
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise ScoreFailed("the network has no trainable parameter")
    loss = _loss(forward(model, batch))
    if not loss.requires_grad:
        return weights, tuple(torch.zeros_like(w) for w in weights)
    gradients = torch.autograd.grad(
        loss, weights, create_graph=twice, allow_unused=True, materialize_grads=True
    )
    return weights, gradients


def _loss(output: Tensor) -> Tensor:
    """Cross-entropy to random classes of (B, two or more); else squared distance to noise."""
    generator = torch.Generator().manual_seed(torch.initial_seed())
    if output.ndim == 2 and output.shape[1] > 1:
        classes = torch.randint(output.shape[1], (len(output),), generator=generator)
        return nn.functional.cross_entropy(output, classes.to(output.device))
    noise = torch.randn(output.shape, generator=generator).to(output)
    return nn.functional.mse_loss(output, noise)
