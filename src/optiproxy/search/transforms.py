"""Metrics on the scale a proxy is fitted to: greater is better, standardised on the queries alone.

The reference implementation normalises with the whole table, which no real search has.

A `Scale` is monotone and finest where the decision falls: an objective at the best feasible value,
a limited metric at its limit. It is linear there and logarithmic far away on either side, so that
outliers do not dominate a model's fit. Without limits it equals `sharpen`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A gap to the best counts as small below this share of the gap between the best and the median.
TOP_RESOLUTION = 0.2

# A limited metric is about linear up to this many median distances from its bound. Nearly all
# values are nearer; the exceptions are networks without a path, whose latency is almost zero.
BULK = 3.0

# On a logarithmic scale, values below this fraction of the least known one count as equal: an exact
# metric may be zero for a candidate although it is positive for every query.
LEAST = 1e-3

# Targets that lie on the bad side of the median count as equal beyond this many distances between
# the median and the good quartile, after the logarithm: a failed training that is reported as a
# loss of 1e6 must not decide the scale of all others.
FAR = 6.0

# Larger magnitudes are read as this one, so that no square of a difference overflows.
LARGEST = 1e100
# Units are at least this: a gap divided by it is a float, and so is its square.
SMALLEST = 1e-200
# Exponents beyond are read as this one: times a unit the result is a float.
_EXPONENT = 400.0


def bounded(values: Array) -> Array:
    """Values whose squares and differences are finite; NaN stays."""
    return np.clip(values, -LARGEST, LARGEST)


@dataclass(frozen=True)
class Scale:
    """A metric's values → standardised targets; increasing in ``sign * value``.

    Attributes:
        sign: +1 or -1.
        log: Whether the logarithm is taken first (latencies and sizes, whose ratios matter).
        centre: Where the scale is finest, after sign and logarithm.
        unit: The distance from the centre up to which it is about linear; infinite: everywhere.
        mean: Mean of the fitted values before standardisation.
        deviation: Their standard deviation.
        least: Smaller values are replaced by it before the logarithm.
        low: Lower bound of the fitted values before standardisation: what lies below is an outlier.
        high: Upper bound likewise.
    """

    sign: float
    log: bool
    centre: float
    unit: float
    mean: float = 0.0
    deviation: float = 1.0
    least: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, values: Array) -> Array:
        return (self._curved(values).clip(self.low, self.high) - self.mean) / self.deviation

    def inverse(self, targets: Array) -> Array:
        """Standardised targets → ``sign * value``, in the metric's unit."""
        off = targets * self.deviation + self.mean
        if not math.isinf(self.unit):
            off = np.sign(off) * np.expm1(np.abs(off).clip(max=_EXPONENT)) * self.unit
        off = off + self.centre
        if self.log:
            off = self.sign * np.exp((self.sign * off).clip(-_EXPONENT, _EXPONENT))
        return bounded(off)

    def _curved(self, values: Array) -> Array:
        off = self._off(values)
        if math.isinf(self.unit):
            return np.asarray(off)
        return np.sign(off) * np.log1p(np.abs(off) / self.unit)

    def _off(self, values: Array) -> Array:
        read = np.log(np.maximum(values, self.least)) if self.log else values
        return np.asarray(self.sign * read - self.centre)

    def distance(self, values: Array) -> Array:
        """Distance from the centre, (T,), after the logarithm."""
        return np.abs(self._off(values))

    def log_likelihood(self, values: Array) -> float:
        """Log likelihood of the values if they are normal on this scale, up to a constant.

        Box and Cox, An analysis of transformations, 1964.
        """
        slopes = -np.log(self.unit + self.distance(values))
        if self.log:
            slopes = slopes - np.log(np.maximum(values, self.least))
        deviation = max(float(self._curved(values).std()), 1e-12)
        return float(slopes.sum()) - len(values) * math.log(deviation)

    def standardised(self, values: Array, *, better: float = 1.0) -> Scale:
        """The same with zero mean and unit deviation over `values`, without outliers.

        Args:
            values: In the metric's unit; may contain NaN.
            better: +1 where outliers are small targets (objectives), -1 where they are large ones
                (limited metrics).
        """
        curved = self._curved(values[np.isfinite(values)])
        if len(curved) == 0:
            return replace(self, mean=0.0, deviation=1.0)
        lower, median, upper = np.quantile(curved, [0.25, 0.5, 0.75]).tolist()
        low, high = -math.inf, math.inf
        # The centre, where the scale is finest, is no outlier.
        if better > 0 and upper > median:
            low = min(median - FAR * (upper - median), 0.0)
        elif better < 0 and lower < median:
            high = max(median + FAR * (median - lower), 0.0)
        curved = curved.clip(low, high)
        deviation = float(curved.std())
        if deviation <= 1e-12 * np.abs(curved).max():
            deviation = 1.0
        mean = float(curved.mean())
        return replace(self, mean=mean, deviation=deviation, low=low, high=high)


def of_objective(
    values: Array, sign: float, feasible: NDArray[np.bool_], *, sharp: bool = True
) -> Scale:
    """Finest at the best feasible value. Better values break a limit and are compressed likewise.

    Args:
        values: (T,), NaN where not measured.
        sign: +1 for a metric to maximise.
        feasible: (T,), which may be the best.
        sharp: False for a linear scale: a smooth function of numbers would get a cusp at its best.
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
    unit = max(TOP_RESOLUTION * gap, SMALLEST) if sharp else math.inf
    return Scale(sign, False, best, unit).standardised(values)


def of_limit(values: Array, sign: float, bound: float) -> Scale:
    """Finest at the bound; logarithmic if all values are positive and more nearly normal that way.

    Latencies add up over the layers of one space and multiply in another. Networks without a path,
    with almost no latency, rule out the logarithm in NAS-Bench-201; on the accelerators of
    Accel-NASBench it is the better scale (``benchmarks/experiments/limit_scales.py``).

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
    return scale.standardised(values, better=-1.0)


def without_logarithm(values: Array, sign: float, bound: float) -> Scale:
    """The linear scale that `of_limit` may choose, not standardised."""
    return _compressed(Scale(sign, False, sign * bound, math.inf), values)


def on_logarithm(values: Array, sign: float, bound: float) -> Scale:
    """The logarithmic scale that `of_limit` may choose; values and bound are positive."""
    least = _least(float(values[np.isfinite(values)].min(initial=bound)))
    return _compressed(Scale(sign, True, sign * math.log(bound), math.inf, least=least), values)


def _compressed(scale: Scale, values: Array) -> Scale:
    """The same scale, about linear up to `BULK` median distances from its centre."""
    known = values[np.isfinite(values)]
    unit = BULK * float(np.median(scale.distance(known))) if len(known) else 1.0
    return replace(scale, unit=max(unit, SMALLEST) if unit > 0 else 1.0)


def _least(value: float) -> float:
    """What smaller values are read as before the logarithm; above zero."""
    return max(LEAST * value, math.ulp(0.0))


def of_front(values: Array, sign: float, *, sharp: bool = True) -> Scale:
    """The scale of one of several objectives.

    Logarithmic for positive metrics to minimise (latencies, sizes), else finest at the best.
    """
    known = values[np.isfinite(values)]
    if sign < 0 and len(known) and known.min() > 0:
        return Scale(sign, True, 0.0, math.inf, least=_least(known.min())).standardised(values)
    return of_objective(values, sign, np.ones(len(values), dtype=bool), sharp=sharp)


def fill(y: Array) -> Array:
    """Failed queries (not finite) get the worst value seen, so that the search avoids them."""
    finite = np.isfinite(y)
    return np.where(finite, y, y[finite].min() if finite.any() else 0.0)


def sharpen(y: Array) -> Array:
    """About ``-log(best - y + eps)``, standardised; y is to be maximised and has no NaN.

    It spreads the best values, which a search must order: accuracies crowd below their maximum with
    a long tail of bad ones, which would dominate the fit on a linear scale.
    """
    y = bounded(y)
    return of_objective(y, 1.0, np.ones(len(y), dtype=bool))(y)


def standardise(y: Array) -> Array:
    """Zero mean and unit deviation; a constant metric becomes zeros."""
    if len(y) == 0:
        return y
    y = bounded(y)
    deviation = y.std()
    if deviation <= 1e-12 * np.abs(y).max():
        return np.zeros_like(y)
    return np.asarray((y - y.mean()) / deviation)
