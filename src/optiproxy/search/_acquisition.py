"""Acquisition functions of a proxy's mean and spread; all are differentiable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from optiproxy.errors import invalid, unknown

# The mean, expected improvement, one deviation above the mean, or a draw from the posterior
# (independent Thompson sampling, White et al., BANANAS, https://arxiv.org/abs/1910.11858).
ACQUISITIONS = ("mean", "improvement", "optimism", "thompson")


def parse_acquisitions(field: str, names: Sequence[str]) -> tuple[str, ...]:
    """Raises InvalidValueError unless `names` is a list of `ACQUISITIONS`."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise invalid(field, names, f"give a list, of {', '.join(ACQUISITIONS)}")
    for name in names:
        if name not in ACQUISITIONS:
            raise unknown(field, name, ACQUISITIONS)
    return tuple(names)


def acquired(
    name: str, mean: Tensor, spread: Tensor, *, best: float | None, deviates: Tensor
) -> Tensor:
    """One of `ACQUISITIONS` of a maximised metric, elementwise.

    Args:
        name: Its name.
        mean: On the scale of the proxy's targets.
        spread: The standard deviation, on the same scale, above 0.
        best: The best target so far; with None the improvement is the mean.
        deviates: Standard normal numbers for Thompson sampling.
    """
    if name == "improvement" and best is not None:
        return log_expected_improvement(mean, spread, best)
    if name == "optimism":
        return mean + spread
    if name == "thompson":
        return mean + spread * deviates
    return mean


def log_expected_improvement(mean: Tensor, spread: Tensor, best: float) -> Tensor:
    """The logarithm of E[max(f - best, 0)], (B,), for a maximised f.

    Jones et al., 1998. Far below `best` the direct formula underflows to log 0, so the tail uses
    the scaled complementary error function, as Ament et al. do (https://arxiv.org/abs/2310.20708).
    """
    z = (mean - best) / spread
    numbers = torch.finfo(z.dtype)
    density = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    direct = torch.log((density + z * torch.special.ndtr(z)).clamp(min=numbers.tiny))
    ratio = math.sqrt(math.pi / 2) * torch.special.erfcx(-z.clamp(max=-1.0) / math.sqrt(2))
    tail = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    tail = tail + torch.log1p((z.clamp(max=-1.0) * ratio).clamp(min=-1 + max(1e-12, numbers.eps)))
    return torch.where(z > -5, direct, tail) + torch.log(spread)


def log_probability_below(mean: Tensor, spread: Tensor, bound: Tensor) -> Tensor:
    """log P(g <= bound) for independent normal g, elementwise."""
    log_probability: Tensor = _LogNormalBelow.apply((bound - mean) / spread)  # type: ignore[no-untyped-call]
    return log_probability


class _LogNormalBelow(torch.autograd.Function):
    """The logarithm of the normal distribution function, with an accurate gradient everywhere.

    The gradient of torch's is wrong below about -1e4 in single precision. Exact metrics have so
    small a spread that an ascent starts there.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        value: Tensor = torch.special.log_ndtr(z)
        return value

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        # Density over distribution; both underflow, but their common factor cancels.
        ratio: Tensor = math.sqrt(2 / math.pi) / torch.special.erfcx(-z / math.sqrt(2))
        return slope * ratio
