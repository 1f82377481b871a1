"""The learning curve of a running training, and stopping it when it is behind."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping

from optiproxy.errors import EvaluationFailed, invalid

# Where a training is compared with the others, as fractions of a full one. Not at every epoch: the
# medians are of trainings that passed, so that each comparison makes the next one stricter. Two
# comparisons, at a quarter and at half, saved less on SpikeNAS-Bench.
CHECKPOINTS = (0.1, 0.25, 0.5)


class Stopped(EvaluationFailed):
    """Raised by `Curve` in an evaluator whose training is behind the others."""

    def __init__(self, reason: str, epoch: int) -> None:
        super().__init__(reason)
        self.epoch = epoch


class Curve:
    """The ``report`` of an evaluator: called with an epoch and the objective's value there.

    The training is stopped when, after a tenth, a quarter or half of the longest one, its best
    value so far is behind the median of the finished ones at that epoch: the median rule of Golovin
    et al., Google Vizier, KDD 2017, section 3.2.1, in the form of Optuna's pruner,
    https://doi.org/10.1145/3097983.3098043, at few epochs.

    Args:
        medians: Epoch → the median of the finished trainings.
        sign: +1 where greater is better, else -1.

    Attributes:
        points: What was reported, (epoch, value) in order.
        longest: The last epoch of the finished trainings.
    """

    def __init__(self, medians: Mapping[int, float], sign: float) -> None:
        self._medians = {epoch: medians[epoch] for epoch in _checkpoints(medians)}
        self._sign = sign
        self.longest = max(medians, default=1)
        self.points: list[tuple[int, float]] = []

    def __call__(self, epoch: int, value: float) -> None:
        """Adds a point.

        Raises:
            Stopped: The training is behind. The evaluator must let it pass.
            InvalidValueError: The epoch is no whole number above the last one.
        """
        last = self.points[-1][0] if self.points else 0
        if isinstance(epoch, bool) or not isinstance(epoch, numbers.Integral) or epoch <= last:
            raise invalid("report: epoch", epoch, f"give a whole number above {last}")
        epoch = int(epoch)  # numpy's are no JSON
        value = float(value)
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
                epoch,
            )


def _checkpoints(epochs: Iterable[int]) -> set[int]:
    """Those of the reported epochs at which a training may be stopped; not the last one."""
    known = sorted(epochs)
    found = {next(e for e in known if e >= share * known[-1]) for share in CHECKPOINTS if known}
    return found - set(known[-1:])
