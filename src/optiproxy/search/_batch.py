"""Which candidates make a batch: place by place, each pick believed at its mean before the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from optiproxy.proxies.base import Beliefs
from optiproxy.search._acquisition import acquired
from optiproxy.search._pareto import Front
from optiproxy.search._training_targets import Targets, log_feasible

# Which places of five hear a proxy's second opinion, the first of them first.
SECOND_PLACES = (4, 1)
# Which places look elsewhere in a stalled search. With every third place NAS-Bench-Macro's best was
# found within 60 queries in 80 % of 30 seeds (development), with every fifth in 93 %; on
# NAS-Bench-201 the third was no better either.
STALLED_EVERY = 5

# Expected improvement times the probability of meeting the limits is itself an expectation. To the
# mean, which is of another kind, that probability matters only where it is less than fair: the best
# lie close to a limit, where it is never great.
FAIR_CHANCE = 0.1


class Scouted(NamedTuple):
    """What a stalled search looks at elsewhere.

    Attributes:
        beliefs: Of the scout, in all candidates.
        far: (B,), the candidates that are far from the best.
    """

    beliefs: Beliefs
    far: Tensor


def fill(
    places: range,
    free: Tensor,
    beliefs: Beliefs,
    targets: Targets,
    *,
    turns: Sequence[str],
    front: Front | None,
    scouted: Scouted | None,
    rng: np.random.Generator,
) -> list[int]:
    """The candidates of a batch, by number, in the order of their places.

    Args:
        places: The numbers of the queries to be made, so that a batch is the same whether five are
            asked for at once or one by one; no more than are free.
        free: (B,), which candidates may be taken.
        beliefs: Of the proxy, in all of them; each pick is believed.
        targets: What is known.
        turns: The acquisitions by which the places are filled, in turn.
        front: What is known of several objectives; each pick joins it.
        scouted: Given where the search is stalled.
        rng: Of what is drawn.
    """
    free, chosen = free.clone(), []
    for place in places:
        feasible = log_feasible(beliefs.mean, beliefs.spread, targets.limits)
        if scouted and place % STALLED_EVERY == 0 and bool((free & scouted.far).any()):
            worth = worth_of("optimism", place, scouted.beliefs, feasible, targets, front, rng)
            worth = worth.masked_fill(~scouted.far, -torch.inf)
        else:
            turn = turns[place % len(turns)]
            if place % 5 in SECOND_PLACES[: beliefs.share]:
                turn = "second"
            worth = worth_of(turn, place, beliefs, feasible, targets, front, rng)
        index = int(worth.masked_fill(~free, -torch.inf).argmax())
        chosen.append(index)
        free[index] = False
        beliefs.believe(index)
        if front is not None:
            front.add(beliefs.mean[index])
    return chosen


def worth_of(
    turn: str,
    place: int,
    beliefs: Beliefs,
    feasible: Tensor,
    targets: Targets,
    front: Front | None,
    rng: np.random.Generator,
) -> Tensor:
    """The score of every candidate for one place of the batch; (B,).

    `feasible` is the proxy's log probability of meeting the limits, (B,), also where the scout's
    `beliefs` rank: it is too coarse for a limit.
    """
    if len(targets.feasible) and not targets.feasible.any():
        return feasible  # first of all find one that may be used
    if front is not None:
        beyond = place % 2 == 1
        return front.log_improvement(beliefs.mean, beliefs.spread, feasible, rng, beyond=beyond)
    heard = beliefs.second if turn == "second" else None
    mean = (beliefs.mean if heard is None else heard)[:, 0]
    deviates = torch.zeros_like(mean)
    if turn == "thompson":
        deviates = torch.from_numpy(rng.standard_normal(len(mean))).to(mean.dtype)
    worth = acquired(turn, mean, beliefs.spread[:, 0], best=targets.best, deviates=deviates)
    if turn != "improvement":
        feasible = (feasible - math.log(FAIR_CHANCE)).clamp(max=0)
    return worth + feasible
