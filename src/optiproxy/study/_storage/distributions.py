"""The choices of a space as Optuna has them: categories, and numbers of a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optiproxy.spaces import Float, Int


def distribution(options: Sequence[Any]) -> BaseDistribution:
    """Optuna's distribution of a choice. That of a number has no None: an inactive one is left out
    of its trial.
    """
    if isinstance(options, Float):
        return FloatDistribution(options.low, options.high, log=options.log, step=options.step)
    if isinstance(options, Int):
        return IntDistribution(options.low, options.high, log=options.log, step=options.step)
    return CategoricalDistribution(options)


def number_of(distribution: FloatDistribution | IntDistribution) -> Float | Int:
    """The numbers of an Optuna distribution.

    Raises:
        InvalidValueError: There is no such `Float` or `Int`.
    """
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, IntDistribution):
        return Int(low, high, log=log, step=distribution.step)
    return Float(low, high, log=log, step=distribution.step)
