"""Gradient ascent on the architecture parameters: relax, climb, draw.

Lyu et al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656; the relaxation is that of Jang et al.,
https://arxiv.org/abs/1611.01144, with a soft sample.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor

from optiproxy.errors import invalid
from optiproxy.search._numbers import Numbers
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

# As published: alpha starts in 0…2, tau falls linearly from 0.7 to 0.2 within one ascent.
ALPHA_RANGE = 2.0
TAU_START, TAU_END = 0.7, 0.2
# Hardly worse than 40 steps of 0.15, in two thirds of the time (docs/log.md).
STEPS = 24
LEARNING_RATE = 0.25
BETA_1, BETA_2 = 0.9, 0.999
# The share of choices that are redrawn uniformly, since converged groups would all draw the same.
EXPLORATION = 0.15
# The initial preference for the options of an architecture at which a group starts.
INCUMBENT_LEAD = 2.0


def start(
    space: Space,
    groups: int,
    incumbents: Indices,
    rng: np.random.Generator,
    *,
    width: float = ALPHA_RANGE,
) -> Tensor:
    """Architecture parameters (G, C, O): a Latin hypercube; the last start at `incumbents`."""
    shape = (len(space), int(space.widths.max()))
    draws = qmc.LatinHypercube(d=shape[0] * shape[1], rng=rng).random(groups)
    alpha = width * draws.reshape(groups, *shape)
    choice = np.arange(len(space))
    levels = draws.reshape(groups, *shape)[:, list(space.numbers), -1]
    for group, row in enumerate(incumbents[:groups]):
        column = row.copy()
        for place, (c, number) in enumerate(space.numbers.items()):
            column[c] = min(row[c], number.first)
            levels[groups - 1 - group, place] = number.levels(row[c])
        alpha[groups - 1 - group, choice, column] += INCUMBENT_LEAD
    found = torch.from_numpy(alpha)
    return Numbers(space).start(found, levels) if space.numbers else found


def relax(
    alpha: Tensor,
    tau: float,
    mask: Tensor,
    generator: torch.Generator,
    numbers: Numbers | None = None,
) -> Tensor:
    """A Gumbel-softmax sample: alpha (G, C, O) → choice probabilities (G, C, O).

    Numbers are no distributions: they are where their parameters are.
    """
    uniform = torch.rand(alpha.shape, generator=generator, dtype=alpha.dtype)
    gumbel = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
    logits = ((alpha + gumbel) / tau).masked_fill(~mask, -torch.inf)
    p = logits.softmax(-1)
    return p if numbers is None else numbers.relaxed(p, alpha)


def climb(
    alpha: Tensor,
    score: Callable[[Tensor], Tensor],
    mask: Tensor,
    generator: torch.Generator,
    *,
    numbers: Numbers | None = None,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
) -> Tensor:
    """Maximises ``score(relax(alpha))`` (G, C, O) → (G,); returns the distributions (G, C, O).

    Args:
        alpha: The groups' initial parameters (G, C, O).
        score: Differentiable; the value of a group depends on that group alone.
        mask: (C, O), the options that exist.
        generator: Of the Gumbel noise.
        numbers: The space's, if it has any.
        steps: At least two.
        learning_rate: Adam's.

    Raises:
        InvalidValueError: The score has no gradient, or it or its gradient is not finite.
    """
    alpha = alpha.clone()
    first, second = torch.zeros_like(alpha), torch.zeros_like(alpha)
    for step in range(steps):
        tau = TAU_START + (TAU_END - TAU_START) * step / (steps - 1)
        alpha.requires_grad_()
        loss = _loss(score, relax(alpha, tau, mask, generator, numbers))
        (gradient,) = torch.autograd.grad(loss, alpha)
        # Adam (https://arxiv.org/abs/1412.6980, algorithm 1), as in torch.optim, whose first use
        # imports a compiler: a third of the time of a whole search on a small table.
        alpha = alpha.detach()
        first.lerp_(gradient, 1 - BETA_1)
        second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        unbiased = (second.sqrt() / (1 - BETA_2 ** (step + 1)) ** 0.5).add_(1e-8)
        alpha.addcdiv_(first, unbiased, value=-learning_rate / (1 - BETA_1 ** (step + 1)))
    p = distributions(alpha, mask)
    if not p.isfinite().all():
        remedy = "predict and its gradient must be finite everywhere (testing.ProxyCases tests it)"
        raise invalid("proxy: predictions", "no finite numbers", remedy)
    return p


def _loss(score: Callable[[Tensor], Tensor], p: Tensor) -> Tensor:
    """Minus the sum of the scores of p (G, C, O).

    Raises:
        InvalidValueError: It is not differentiable with respect to p.
    """
    remedy = (
        "compute them from p with torch operations, or set `differentiable = False` on the proxy's "
        "class: then it ranks random draws and neighbours"
    )
    try:
        loss = -score(p).sum()
    except RuntimeError as error:  # torch's, where p is turned into an array
        if "requires grad" not in str(error):
            raise
        raise invalid("proxy: predictions", "no gradient", remedy) from error
    if not loss.requires_grad:
        raise invalid("proxy: predictions", "no gradient", remedy)
    return loss


def distributions(alpha: Tensor, mask: Tensor) -> Tensor:
    """Architecture parameters (G, C, O) → the distribution of each choice (G, C, O)."""
    return alpha.masked_fill(~mask, -torch.inf).softmax(-1)


def draw(
    p: Tensor,
    n: int,
    mask: Tensor,
    generator: torch.Generator,
    *,
    numbers: Numbers | None = None,
) -> Indices:
    """`n` discrete rows from each distribution: p (G, C, O) → (G·n, C).

    A share `EXPLORATION` of the choices is redrawn uniformly; other numbers lie around the level of
    their group.
    """
    uniform = mask / mask.sum(-1, keepdim=True)
    mixed = (1 - EXPLORATION) * p + EXPLORATION * uniform
    rows = torch.multinomial(mixed.flatten(0, 1), n, replacement=True, generator=generator)
    columns: Indices = rows.view(*p.shape[:2], n).permute(0, 2, 1).flatten(0, 1).numpy()
    if numbers is None:
        return columns
    return numbers.drawn(columns, p.repeat_interleave(n, 0), EXPLORATION, generator)
