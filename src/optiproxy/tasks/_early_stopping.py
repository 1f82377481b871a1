"""The learning curve of a running training, and stopping it when it is behind."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping

from optiproxy.errors import EvaluationFailed, invalid

# Where a training is compared with the others, as parts of a full one. At every epoch would be too
# often: a training has to pass each time, the medians are of those that passed, and soon nothing
# does. Two looks, at a quarter and at the half, spared less on SpikeNAS-Bench.
LOOKS = (0.1, 0.25, 0.5)


class Stopped(EvaluationFailed):
    """What `Curve` raises in an evaluator whose training is not worth its end."""

    def __init__(self, reason: str, epoch: int) -> None:
        super().__init__(reason)
        self.epoch = epoch


class Curve:
    """What an evaluator is given as ``report``: call it with an epoch and the objective's value.

    The training is stopped when, after a tenth, a quarter or half of the longest one, its best
    value so far is behind the median of the finished ones at that epoch: the median rule of Golovin
    et al., Google Vizier, KDD 2017, section 3.2.1, in the form of Optuna's pruner,
    https://doi.org/10.1145/3097983.3098043, at few epochs.

    Args:
        medians: Epoch → the median of the finished trainings.
        sign: +1 where greater is better, else -1.
    """

    def __init__(self, medians: Mapping[int, float], sign: float) -> None:
        self._medians = {epoch: medians[epoch] for epoch in _looked_at(medians)}
        self._sign = sign
        self.points: list[tuple[int, float]] = []

    def __call__(self, epoch: int, value: float) -> None:
        """Adds a point.

        Raises:
            Stopped: The training is behind. Let it through.
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


def _looked_at(epochs: Iterable[int]) -> set[int]:
    """Of the epochs that are reported, those at which a training may be stopped: not the last."""
    known = sorted(epochs)
    looks = {next(e for e in known if e >= share * known[-1]) for share in LOOKS if known}
    return looks - set(known[-1:])
