"""SynFlow and LogSynflow: how strongly paths of weights join input and output.

- Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow,
  NeurIPS 2020, https://arxiv.org/abs/2006.05467.
- Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021,
  https://arxiv.org/abs/2101.08134, section 3: the sum over all weights scores a network.
- Cavagnero et al., FreeREA: Training-Free Evolution-based Architecture Search, WACV 2023,
  https://arxiv.org/abs/2207.05135: LogSynflow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from optiproxy.errors import ScoreFailed
from optiproxy.scores.base import BATCH_NORMS, Batch, forward, one_example, score

# They divide by what SynFlow measures. The papers' networks have batch norm alone.
NORMS = (
    *BATCH_NORMS, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d,
    nn.InstanceNorm3d, nn.RMSNorm, nn.LocalResponseNorm,
)  # fmt: skip


@score
def synflow(model: nn.Module, batch: Batch) -> float:
    """Logarithm of ``S = Σ |θ ∂R/∂θ|``; R is the sum of outputs for one example of ones.

    All parameters are replaced by their absolute values, normalisation by the identity. The sum
    goes over weights (two dimensions or more). The papers give S itself, which spans tens of orders
    of magnitude; the order of networks is the same. Where no path is open, S counts as the smallest
    number.
    """
    total = sum(float((weight * gradient).sum()) for weight, gradient in _flow(model, batch))
    return math.log(max(total, torch.finfo(torch.float64).tiny))


@score
def logsynflow(model: nn.Module, batch: Batch) -> float:
    """``Σ |θ| log(1 + ∂R/∂θ)``, SynFlow with gradients that can't explode."""
    return sum(float((weight * gradient.log1p()).sum()) for weight, gradient in _flow(model, batch))


def _flow(model: nn.Module, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """Each weight's absolute values and its gradient, in double precision: R overflows single."""
    model.double()
    for parameter in model.parameters():
        parameter.data = parameter.data.abs()
        parameter.requires_grad_(True)
    for part in model.modules():
        if isinstance(part, NORMS):
            part.eval()  # the statistics of one example may not exist
            part.register_forward_hook(lambda _, inputs, __: inputs[0])
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    if not weights:
        raise ScoreFailed("the network has no weight of two dimensions or more")
    ones = tuple(
        torch.ones_like(x).double() if x.is_floating_point() else x for x in one_example(batch)
    )
    output = forward(model, ones).sum()
    if not output.requires_grad:
        # The output is a constant: no path is open.
        return iter((w.detach(), torch.zeros_like(w)) for w in weights)
    gradients = torch.autograd.grad(output, weights, allow_unused=True)
    pairs = zip(weights, gradients, strict=True)
    return iter((w.detach(), g.abs()) for w, g in pairs if g is not None)
