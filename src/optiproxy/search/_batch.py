"""Selection of a batch: place by place, each filled by one model's opinion of the candidates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optiproxy.proxies.base import Posterior
from optiproxy.search._acquisition import acquired
from optiproxy.search._pareto import Front
from optiproxy.search._training_targets import Targets, log_feasible

# The schedule of opinions repeats after so many places.
CYCLE = 5

# Expected improvement is multiplied by the probability of meeting the limits. Other acquisitions
# are reduced only where that probability is below this: the best architectures lie close to a
# limit, where it is never high.
FAIR_CHANCE = 0.25
# A failed query teaches nothing about the objectives: every acquisition is multiplied by the
# probability of success, and where it is less than this for a candidate, others come first.
LIKELY = 0.6


@dataclass(frozen=True)
class Opinion:
    """One model's ranking of the candidates, by which some places of a batch are filled.

    Attributes:
        posterior: The model's predictions for all candidates, (B, M).
        places: Which places it fills: numbers of queries modulo `CYCLE`.
        turns: Its acquisitions, taken in turn by the number of the query.
        among: (B,), the candidates that it may pick; None for all.
    """

    posterior: Posterior
    places: Sequence[int] = range(CYCLE)
    turns: Sequence[str] = ("mean",)
    among: Tensor | None = None

    def allowed(self, place: int, free: Tensor) -> Tensor | None:
        """The candidates (B,) that it may pick for a place; None where it picks none."""
        if not filled((place,), self.places):
            return None
        allowed = free if self.among is None else free & self.among
        return allowed if bool(allowed.any()) else None


def filled(places: Iterable[int], own: Sequence[int]) -> bool:
    """Whether a model with its `own` places, modulo `CYCLE`, fills one of these places."""
    return any(place % CYCLE in own for place in places)


def select_batch(
    opinions: Sequence[Opinion],
    places: range,
    free: Tensor,
    targets: Targets,
    *,
    front: Front | None,
    rng: np.random.Generator,
) -> list[int]:
    """Numbers of the candidates of a batch, in the order of their places.

    For each place the first of the opinions that fills it decides. The last one is the proxy's: it
    fills all places that no other does, estimates the probability of meeting the limits for all,
    and is conditioned on each pick.

    Args:
        opinions: In the order of precedence, the proxy's last.
        places: The numbers of the queries, so that a batch is the same whether its architectures
            are requested together or one by one; at most as many as candidates are free.
        free: (B,), which candidates may be taken.
        targets: Of the history.
        front: With several objectives; each pick joins it.
        rng: For acquisitions that draw.
    """
    free, chosen = free.clone(), []
    proxy = opinions[-1].posterior
    for place in places:
        feasible = log_feasible(proxy.mean, proxy.spread, targets.limits)
        success = log_feasible(proxy.mean, proxy.spread, targets.failure)
        opinion, allowed = next(
            (opinion, allowed)
            for opinion in opinions
            if (allowed := opinion.allowed(place, free)) is not None
        )
        turn = opinion.turns[place % len(opinion.turns)]
        value = acquisition_value(turn, place, opinion.posterior, feasible, targets, front, rng)
        likely = allowed & (success >= math.log(LIKELY))
        allowed = likely if bool(likely.any()) else allowed
        value = value + success
        index = int(value.masked_fill(~allowed, -torch.inf).argmax())
        chosen.append(index)
        free[index] = False
        proxy.condition_on_mean(index)
        if front is not None:
            front.add(proxy.mean[index])
    return chosen


def acquisition_value(
    turn: str,
    place: int,
    posterior: Posterior,
    feasible: Tensor,
    targets: Targets,
    front: Front | None,
    rng: np.random.Generator,
) -> Tensor:
    """The value of every candidate for one place of the batch, (B,).

    Before anything is feasible that is the probability of meeting the limits, and with several
    objectives the expected hypervolume improvement.

    Args:
        turn: One of `ACQUISITIONS`.
        place: The number of the query.
        posterior: Of the model whose opinion it is.
        feasible: (B,), the proxy's log probability of meeting the limits; other models are too
            coarse to judge a limit.
        targets: Of the history.
        front: With several objectives.
        rng: For acquisitions that draw.
    """
    if len(targets.feasible) and not targets.feasible.any():
        return feasible
    if front is not None:
        beyond = place % 2 == 1
        return front.log_improvement(posterior.mean, posterior.spread, feasible, rng, beyond=beyond)
    mean = posterior.mean[:, 0]
    deviates = torch.zeros_like(mean)
    if turn == "thompson":
        deviates = torch.from_numpy(rng.standard_normal(len(mean))).to(mean.dtype)
    value = acquired(turn, mean, posterior.spread[:, 0], best=targets.best, deviates=deviates)
    if turn != "improvement":
        feasible = (feasible - math.log(FAIR_CHANCE)).clamp(max=0)
    return value + feasible
