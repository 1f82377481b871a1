"""What a candidate is worth: expected improvement and the probability of meeting the limits."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_expected_improvement(mean: Tensor, spread: Tensor, best: float) -> Tensor:
    """The logarithm of E[max(f - best, 0)], (B,), for a maximised f.

    Jones et al., 1998. Far below `best` the direct formula underflows to log 0, so the tail uses
    the scaled complementary error function, as Ament et al. do (https://arxiv.org/abs/2310.20708).
    """
    z = (mean - best) / spread
    density = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    direct = torch.log((density + z * torch.special.ndtr(z)).clamp(min=1e-300))
    ratio = math.sqrt(math.pi / 2) * torch.special.erfcx(-z.clamp(max=-1.0) / math.sqrt(2))
    tail = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    tail = tail + torch.log1p((z.clamp(max=-1.0) * ratio).clamp(min=-1 + 1e-12))
    return torch.where(z > -5, direct, tail) + torch.log(spread)


def log_probability_below(mean: Tensor, spread: Tensor, bound: Tensor) -> Tensor:
    """log P(g <= bound) for independent normal g, elementwise."""
    log_probability: Tensor = torch.special.log_ndtr((bound - mean) / spread)
    return log_probability
