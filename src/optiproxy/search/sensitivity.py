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
from optiproxy.spaces.narrowed import Narrowed, is_wide

# Fewer queries teach too little of single choices; of more some are left out, since a Gaussian
# process takes the cube of their number.
LEAST, MOST = 8, 500
# Parts of the jackknife, and changed architectures that are predicted by each fit.
PARTS, CHANGED = 5, 1000
LEAST_ROWS, MOST_ROWS = 4, 50
# Of a number of a range so many values are tried, evenly spaced on its scale.
VALUES = 9
# Of a choice of more options those that most queries had are tried.
OPTIONS = 32


@dataclass(frozen=True)
class OptionWorth:
    """What an option is worth, against the mean of its choice's options.

    Attributes:
        option: The option, or one of a few values of a number.
        worth: Difference of the metric, in its unit; NaN where the option could not be tried.
        error: Its standard error.
        queries: How many queries had it; of a number, had it nearest.
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
        options: In the space's order; of a choice of many those that most queries had.
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
        Nothing where fewer than eight values are finite, or all are equal.

    Raises:
        InvalidValueError: There is no such proxy, or an architecture is not in the space.
    """
    y = np.asarray(values, dtype=np.float64)
    rows = space.to_indices(archs)[np.isfinite(y)]
    y = bounded(y[np.isfinite(y)])
    if len(y) < LEAST or np.ptp(y) == 0:
        return []
    while isinstance(space, Pool):  # what is not listed can be predicted too
        space = space.space
    if is_wide(space):
        space = Narrowed(space, rows)
        rows = space.narrow(rows)
    tried = [_tried(space, c, rows[:, c]) for c in range(len(space.names))]
    count = int(np.clip(CHANGED // sum(map(len, tried)), LEAST_ROWS, MOST_ROWS))
    every = rows
    kept = np.argsort(-sign * y, kind="stable")[_steps(len(y), MOST)]  # the best one first
    rows, y = rows[kept], y[kept]
    around = rows[_steps(len(rows), count)]
    changes = [_changes(space, around, c, wanted) for c, wanted in enumerate(tried)]
    # Parts of equal quality, each as good as the whole.
    part = np.arange(len(y)) % PARTS
    fits = [_fit(space, rows[kept], y[kept], sign, proxy, changes, len(around))
            for kept in [part >= 0, *(part != k for k in range(PARTS))]]  # fmt: skip
    found = []
    for c, name in enumerate(space.names):
        options = [space.choices[name][index] for index in tried[c].tolist()]
        moves = np.array([_moves(fit[c]) for fit in fits])
        worths = np.array([_worths(fit[c]) for fit in fits])  # (1 + PARTS, O)
        errors = [_jackknife(worths[1:, o]) for o in range(len(options))]
        used = _queries(space, c, every[:, c], tried[c])
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


def _steps(total: int, most: int) -> NDArray[np.int64]:
    """Places from the first to the last in equal steps, at most `most`."""
    return np.linspace(0, total - 1, min(most, total)).astype(np.int64)


def _tried(space: Space, choice: int, indices: Indices) -> Indices:
    """The options of a choice that are tried, (O,); `indices` (B,) are those that queries had."""
    number = space.numbers.get(choice)
    if number is not None:
        values = np.unique(number.nearest(np.linspace(0, 1, VALUES)))
        return np.concatenate([np.arange(number.first), values])
    size = int(space.sizes[choice])
    used = np.bincount(indices, minlength=size)
    return np.sort(np.argsort(-used, kind="stable")[:OPTIONS])


def _queries(space: Space, choice: int, indices: Indices, tried: Indices) -> Indices:
    """How many of the indices (B,) are each of those tried, or of a number nearest to it; (O,)."""
    number = space.numbers.get(choice)
    if number is None:
        return np.asarray((indices[:, None] == tried).sum(0))
    apart = np.abs(number.levels(indices)[:, None] - number.levels(tried))
    inactive = (indices < number.first)[:, None] != (tried < number.first)
    return np.bincount((apart + inactive).argmin(1), minlength=len(tried))


def _changes(
    space: Space, around: Indices, choice: int, options: Indices
) -> tuple[Indices, NDArray[np.bool_]]:
    """Each row with each of the options (O,) of a choice, (B * O, C), and which of these are
    architectures.
    """
    rows = np.repeat(around, len(options), axis=0)
    wanted = np.tile(options, len(around))
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
    around: int,
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
    return [choice.reshape(around, -1) for choice in np.split(predicted, ends)]


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
