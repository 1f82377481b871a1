"""The learning curve of a running training, and stopping it when it is behind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from optiproxy.errors import EvaluationFailed, EvaluatorMistake
from optiproxy.scalars import item, to_float

# Where a training is compared with the others, as fractions of a full one. Not at every epoch: the
# medians are of trainings that passed, so that each comparison makes the next one stricter. Two
# comparisons, at a quarter and at half, saved less on SpikeNAS-Bench.
CHECKPOINTS = (0.1, 0.25, 0.5)


class Stopped(EvaluationFailed):
    """Raised by `Curve` in an evaluator whose training is behind the others.

    Attributes:
        trained: Epochs that were trained.
    """

    def __init__(self, reason: str, trained: int) -> None:
        super().__init__(reason)
        self.trained = trained


class Curve:
    """The ``report`` of an evaluator: called with an epoch and the objective's value there.

    Epochs are counted from 0 or from 1.

    The training is stopped when, after a tenth, a quarter or half of the longest one, its best
    value so far is behind the median of the finished ones at that epoch: the median rule of Golovin
    et al., Google Vizier, KDD 2017, section 3.2.1, in the form of Optuna's pruner,
    https://doi.org/10.1145/3097983.3098043, at few epochs.

    Args:
        medians: Epoch → the median of the finished trainings.
        sign: +1 where greater is better, else -1.

    Attributes:
        points: What was reported, (epoch, value) in order.
        longest: Epochs of the longest finished training.
    """

    def __init__(self, medians: Mapping[int, float], sign: float) -> None:
        self._medians = {epoch: medians[epoch] for epoch in _checkpoints(medians)}
        self._sign = sign
        self.longest = max(medians, default=1) + (0 in medians)
        self._first: int | None = None
        self._last = -1
        self.points: list[tuple[int, float]] = []

    def __call__(self, epoch: Any = None, value: Any = None, *more: Any, **others: Any) -> None:
        """Adds a point.

        Args:
            epoch: A whole number, also as a float or in a container of one.
            value: The objective's value there, also in a container of one.
            more: Nothing: a mistake of the evaluator, not of the architecture.
            others: As `more`.

        Raises:
            Stopped: The training is behind. The evaluator must let it pass.
            EvaluatorMistake: The epoch is no whole number above the last one, or the value is no
                number.
        """
        if more or others:
            beside = ", ".join([*map(repr, more), *(f"{k}={v!r}" for k, v in others.items())])
            raise EvaluatorMistake(f"report: got {beside} too; give an epoch and a value alone")
        epoch, value = self._epoch(epoch), _value(value)
        if math.isfinite(value):
            self.points.append((epoch, value))
        median = self._medians.get(epoch)
        if median is None:
            return
        best = max((self._sign * v for _, v in self.points), default=-math.inf)
        if best < self._sign * median:
            raise Stopped(
                f"stopped after epoch {epoch}: {self._sign * best:.6g} is behind {median:.6g}, the "
                "median of the trainings before",
                epoch + (self._first == 0),
            )

    def _epoch(self, given: Any) -> int:
        try:
            number = to_float(given)
            epoch = int(number) if number.is_integer() and not isinstance(item(given), bool) else -1
        except (TypeError, ValueError, OverflowError, RuntimeError):
            epoch = -1
        if epoch <= self._last:
            least = self._last + 1
            raise EvaluatorMistake(
                f"report: epoch: got {given!r}; give whole numbers that grow, here {least} or more"
            )
        self._first = epoch if self._first is None else self._first
        self._last = epoch
        return epoch


def _value(given: Any) -> float:
    try:
        return to_float(given)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        why = f" ({error})" if "of shape" in str(error) else ""
        raise EvaluatorMistake(
            f"report: value: got {given!r}{why}; give the objective's value, one number"
        ) from None


def _checkpoints(epochs: Iterable[int]) -> set[int]:
    """Those of the reported epochs at which a training may be stopped; not the last one."""
    known = sorted(epochs)
    shift = 0 in known  # Where epochs count from 0, epoch e ends e + 1 epochs of training.
    found = {
        next(e for e in known if e + shift >= share * (known[-1] + shift))
        for share in CHECKPOINTS
        if known
    }
    return found - set(known[-1:])
