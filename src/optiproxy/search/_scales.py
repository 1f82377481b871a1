"""Metrics as a proxy sees them when there are limits: monotone, finest where it is decided.

An objective is decided at the best value that meets the limits, a limited metric at its limit. Both
are read on a scale that is linear there and logarithmic far off on either side, so that the tails
take none of a model's attention: with no limit, it is `_targets.sharpen`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optiproxy.search.transforms import TOP_RESOLUTION

Array = NDArray[np.float64]

# A limited metric is about linear up to so many times the median distance from its bound: nearly
# all is; only networks without a path, whose latency is next to nothing, are drawn in.
BULK = 3.0

# On a logarithm all counts as equal below this part of the least known value: an exact metric may
# be zero for a candidate where it is not for any query.
LEAST = 1e-3


@dataclass(frozen=True)
class Scale:
    """A metric's values → standardised targets; increasing in ``sign * value``.

    Attributes:
        sign: +1 or -1.
        log: Whether the logarithm is taken first (latencies, sizes: ratios count).
        centre: Where it is finest, after sign and logarithm.
        unit: How far from there it is about linear; infinite for all over.
        mean: Of the targets it was made from, before they were standardised.
        deviation: Likewise.
        least: What smaller values are read as by the logarithm; above zero where there is one.
    """

    sign: float
    log: bool
    centre: float
    unit: float
    mean: float = 0.0
    deviation: float = 1.0
    least: float = 0.0

    def __call__(self, values: Array) -> Array:
        return (self._curved(values) - self.mean) / self.deviation

    def inverse(self, targets: Array) -> Array:
        """Standardised targets → ``sign * value``, in the metric's unit."""
        off = targets * self.deviation + self.mean
        if not math.isinf(self.unit):
            off = np.sign(off) * np.expm1(np.abs(off)) * self.unit
        off = off + self.centre
        return np.asarray(self.sign * np.exp(self.sign * off) if self.log else off)

    def _curved(self, values: Array) -> Array:
        off = self._off(values)
        if math.isinf(self.unit):
            return np.asarray(off)
        return np.sign(off) * np.log1p(np.abs(off) / self.unit)

    def _off(self, values: Array) -> Array:
        read = np.log(np.maximum(values, self.least)) if self.log else values
        return np.asarray(self.sign * read - self.centre)

    def distance(self, values: Array) -> Array:
        """How far from the centre, (T,), after the logarithm."""
        return np.abs(self._off(values))

    def log_likelihood(self, values: Array) -> float:
        """Of the values, were they normal on this scale (but for a constant): Box and Cox, An
        analysis of transformations, 1964. Greater where the scale makes them so.
        """
        slopes = -np.log(self.unit + self.distance(values))
        if self.log:
            slopes = slopes - np.log(np.maximum(values, self.least))
        deviation = max(float(self._curved(values).std()), 1e-12)
        return float(slopes.sum()) - len(values) * math.log(deviation)

    def standardised(self, values: Array) -> Scale:
        """The same with zero mean and unit deviation over `values`, which may hold NaN."""
        curved = self._curved(values[np.isfinite(values)])
        if len(curved) == 0:
            return replace(self, mean=0.0, deviation=1.0)
        deviation = float(curved.std())
        if deviation <= 1e-12 * np.abs(curved).max():
            deviation = 1.0
        return replace(self, mean=float(curved.mean()), deviation=deviation)


def of_objective(values: Array, sign: float, feasible: NDArray[np.bool_]) -> Scale:
    """Finest at the best feasible value; what is better breaks a limit and is drawn in likewise.

    Args:
        values: (T,), NaN where not measured.
        sign: +1 for a metric to maximise.
        feasible: (T,), which may be the best.
    """
    y = sign * values
    known = np.isfinite(y)
    if not (known & feasible).any():
        return Scale(sign, False, 0.0, math.inf).standardised(values)
    best = float(y[known & feasible].max())
    below = y[known & (y <= best)]
    gap = best - float(np.median(below))
    if gap <= 0:
        gap = float(np.ptp(y[known])) or 1.0
    return Scale(sign, False, best, TOP_RESOLUTION * gap).standardised(values)


def of_limit(values: Array, sign: float, bound: float) -> Scale:
    """Finest at the bound; where all values are positive, on the logarithm if they look the more
    normal on it.

    Latencies of one space add up, those of another multiply. With the logarithm throughout,
    networks without a path hid all else (on raspi4 and pixel3 of NAS-Bench-201 most of them take
    less than a hundredth of the median); on the accelerators of Accel-NASBench it is the better
    one, and is taken (``benchmarks/experiments/limit_scales.py``).

    Args:
        values: (T,), NaN where not measured.
        sign: +1 where the metric must be at most `bound`, -1 where at least.
        bound: In the metric's unit.
    """
    known = values[np.isfinite(values)]
    scale = without_logarithm(values, sign, bound)
    if bound > 0 and bool((known > 0).all()):
        other = on_logarithm(values, sign, bound)
        if len(known) == 0 or other.log_likelihood(known) > scale.log_likelihood(known):
            scale = other
    return scale.standardised(values)


def without_logarithm(values: Array, sign: float, bound: float) -> Scale:
    """One of the scales that `of_limit` chooses from, not standardised."""
    return _drawn_in(Scale(sign, False, sign * bound, math.inf), values)


def on_logarithm(values: Array, sign: float, bound: float) -> Scale:
    """The other one, of positive values and a positive bound."""
    least = LEAST * float(values[np.isfinite(values)].min(initial=bound))
    return _drawn_in(Scale(sign, True, sign * math.log(bound), math.inf, least=least), values)


def _drawn_in(scale: Scale, values: Array) -> Scale:
    """The same, linear up to `BULK` median distances from its centre."""
    known = values[np.isfinite(values)]
    unit = BULK * float(np.median(scale.distance(known))) if len(known) else 1.0
    return replace(scale, unit=unit if unit > 0 else 1.0)


def of_front(values: Array, sign: float) -> Scale:
    """One of several objectives: the logarithm of what is positive and to be small (latencies,
    sizes), else finest at the best.
    """
    known = values[np.isfinite(values)]
    if sign < 0 and len(known) and known.min() > 0:
        return Scale(sign, True, 0.0, math.inf, least=LEAST * known.min()).standardised(values)
    return of_objective(values, sign, np.ones(len(values), dtype=bool))
