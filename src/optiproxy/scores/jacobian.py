"""Jacobian covariance: do inputs move the output in different directions?

Mellor et al., Neural Architecture Search without Training, first version of 2020,
https://arxiv.org/abs/2006.04647v1; called jacob_cov by Abdelfattah et al., ICLR 2021,
https://arxiv.org/abs/2101.08134.
"""

from __future__ import annotations

import torch
from torch import nn

from optiproxy.errors import ScoreFailed
from optiproxy.scores.base import Batch, forward, score

# The paper's k.
OFFSET = 1e-5


@score
def jacob_cov(model: nn.Module, batch: Batch) -> float:
    """``-Σ [log(λ + k) + 1 / (λ + k)]`` over the eigenvalues λ of the correlations, (B, B).

    Correlated are the gradients of the summed outputs with respect to each input. Inputs that do
    not move the output at all count as equal.
    """
    x = batch[0]
    if not x.is_floating_point():
        raise ScoreFailed(f"the input is {x.dtype}; it has no gradient")
    output = forward(model, (x.requires_grad_(True), *batch[1:])).sum()
    gradient = torch.zeros_like(x)
    if output.requires_grad:
        gradient = torch.autograd.grad(output, x, allow_unused=True, materialize_grads=True)[0]
    rows = gradient.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    lengths = rows.norm(dim=1, keepdim=True)
    equal = torch.zeros_like(rows)
    equal[:, 0] = 1
    rows = torch.where(lengths > 0, rows / lengths, equal)
    eigenvalues = torch.linalg.eigvalsh(rows @ rows.T).clamp_min(0) + OFFSET
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())
