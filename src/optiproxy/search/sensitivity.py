"""Which choices matter, and what each option is worth: a proxy's answer, with its uncertainty.

Around architectures that were queried, each choice alone is changed to each of its options and the
proxy predicts what comes of it: the individual conditional expectations of Goldstein et al.,
"Peeking inside the black box", JCGS 24, 2015, whose mean is Friedman's partial dependence. The
uncertainty is a delete-group jackknife: the same from fits without a part of the queries each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from optiproxy import proxies
from optiproxy.encodings import corners
from optiproxy.search.threads import single_threaded
from optiproxy.search.transforms import Scale, bounded
from optiproxy.spaces import Architecture, Option, Pool, Space
from optiproxy.spaces.architecture import Indices

# Fewer queries teach too little of single choices.
LEAST = 8
# Parts of the jackknife, and changed architectures that are predicted by each fit.
PARTS, CHANGED = 5, 1000
LEAST_ROWS, MOST_ROWS = 4, 50


@dataclass(frozen=True)
class OptionWorth:
    """What an option is worth, against the mean of its choice's options.

    Attributes:
        option: The option.
        worth: Difference of the metric, in its unit; NaN where the option could not be tried.
        error: Its standard error.
        queries: How many queries had it.
    """

    option: Option
    worth: float
    error: float
    queries: int


@dataclass(frozen=True)
class Sensitivity:
    """How much a choice matters.

    Attributes:
        choice: Its name.
        moves: The standard deviation of the metric over the choice's options, in its unit, around
            a queried architecture.
        error: Its standard error.
        options: In the space's order.
    """

    choice: str
    moves: float
    error: float
    options: tuple[OptionWorth, ...]


def sensitivities(
    space: Space,
    archs: Sequence[Architecture],
    values: Sequence[float],
    *,
    sign: float = 1.0,
    proxy: str = "gp",
) -> list[Sensitivity]:
    """The sensitivity of a metric to each choice of a space, in the space's order.

    Args:
        space: The search space.
        archs: What was measured.
        values: The metric of each, in its unit.
        sign: +1 if greater is better, -1 if less is.
        proxy: The name of the model, of `optiproxy.proxies.PROXIES`.

    Returns:
        Nothing where fewer than eight different values are finite.

    Raises:
        InvalidValueError: There is no such proxy, or an architecture is not in the space.
    """
    y = np.asarray(values, dtype=np.float64)
    rows = space.to_indices(archs)[np.isfinite(y)]
    y = bounded(y[np.isfinite(y)])
    if len(np.unique(y)) < LEAST:
        return []
    while isinstance(space, Pool):  # what is not listed can be predicted too
        space = space.space
    count = int(np.clip(CHANGED // int(space.sizes.sum()), LEAST_ROWS, MOST_ROWS))
    # From the best to the worst, in equal steps.
    order = np.argsort(-sign * y, kind="stable")
    around = rows[order[np.linspace(0, len(y) - 1, min(count, len(y))).astype(int)]]
    changes = [_changes(space, around, c) for c in range(len(space.names))]
    # Parts of equal quality, each as good as the whole.
    part = np.empty(len(y), dtype=int)
    part[order] = np.arange(len(y)) % PARTS
    fits = [_fit(space, rows[kept], y[kept], sign, proxy, changes)
            for kept in [part >= 0, *(part != k for k in range(PARTS))]]  # fmt: skip
    found = []
    for c, (name, options) in enumerate(space.choices.items()):
        moves = np.array([_moves(fit[c]) for fit in fits])
        worths = np.array([_worths(fit[c]) for fit in fits])  # (1 + PARTS, O)
        errors = [_jackknife(worths[1:, o]) for o in range(len(options))]
        used = np.bincount(rows[:, c], minlength=len(options))
        found.append(
            Sensitivity(
                name,
                float(moves[0]),
                _jackknife(moves[1:]),
                tuple(
                    OptionWorth(option, float(worths[0, o]), errors[o], int(used[o]))
                    for o, option in enumerate(options)
                ),
            )
        )
    return found


def _changes(space: Space, around: Indices, choice: int) -> tuple[Indices, NDArray[np.bool_]]:
    """Each row with each option of a choice, (B * O, C), and which of these are architectures."""
    size = int(space.sizes[choice])
    rows = np.repeat(around, size, axis=0)
    wanted = np.tile(np.arange(size), len(around))
    rows[:, choice] = wanted
    valid = space.valid(rows)
    repaired = space.repair(rows)
    if len(repaired) == len(rows):  # what hangs on the choice changes with it
        rows = np.where(valid[:, None], rows, repaired)
        valid = valid | (rows[:, choice] == wanted)
    return rows, valid


def _fit(
    space: Space,
    rows: Indices,
    y: NDArray[np.float64],
    sign: float,
    proxy: str,
    changes: Sequence[tuple[Indices, NDArray[np.bool_]]],
) -> list[NDArray[np.float64]]:
    """For each choice the predictions of its changes, (B, O) in the metric's unit; else NaN."""
    scale = Scale(sign, False, 0.0, math.inf).standardised(y)
    model = proxies.get(proxy)(space, seed=0)
    with single_threaded():
        known = corners(space, torch.from_numpy(rows), model.dtype)
        model.fit(known, torch.from_numpy(scale(y))[:, None].to(model.dtype))
        every = np.concatenate([changed for changed, _ in changes])
        with torch.no_grad():
            mean = model.mean(corners(space, torch.from_numpy(every), model.dtype))
    predicted = sign * scale.inverse(mean[:, 0].double().numpy())
    valid = np.concatenate([good for _, good in changes])
    predicted = np.where(valid, predicted, np.nan)
    ends = np.cumsum([len(changed) for changed, _ in changes])[:-1]
    sizes = space.sizes.tolist()
    return [p.reshape(-1, o) for p, o in zip(np.split(predicted, ends), sizes, strict=True)]


def _centred(predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows with two options or more, (B, O), each less its mean."""
    rows = predicted[np.isfinite(predicted).sum(1) > 1]
    return np.asarray(rows - np.nanmean(rows, axis=1, keepdims=True))


def _moves(predicted: NDArray[np.float64]) -> float:
    rows = _centred(predicted)
    return math.sqrt(float(np.nanmean(rows**2))) if len(rows) else 0.0


def _worths(predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = _centred(predicted)
    tried = np.isfinite(rows).sum(0)
    total = np.nansum(rows, axis=0)
    return np.where(tried > 0, total / np.maximum(tried, 1), np.nan)


def _jackknife(parts: NDArray[np.float64]) -> float:
    """The standard error of a statistic, from its values without each part."""
    return float(np.sqrt((PARTS - 1) / PARTS * ((parts - parts.mean()) ** 2).sum()))
