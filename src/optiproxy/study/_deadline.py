"""The time that a run has, and whether another evaluation fits into it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from optiproxy.study._storage.stored_trial import State, StoredTrial

# The share of the evaluations so far that would have to fit. The longest one of all may be an
# exception (a busy disk), and the median fails to fit half of the time.
_SHARE = 0.9


class Deadline:
    """When a run has to end.

    Args:
        hours: From now on; None for no end.
    """

    def __init__(self, hours: float | None) -> None:
        self.hours = hours
        self._end = math.inf if hours is None else time.monotonic() + 3600 * hours

    @property
    def left(self) -> float:
        """Seconds; at least 0."""
        return max(0.0, self._end - time.monotonic())

    def fits(self, trials: Iterable[StoredTrial], epochs: int | None) -> bool:
        """Whether another evaluation of so many epochs (None: in full) would probably end in time.

        Args:
            trials: The history, by which its duration is estimated.
            epochs: See above.
        """
        if self.hours is None:
            return True
        done = sorted(t.seconds for t in trials if t.state is State.DONE and t.epochs == epochs)
        expected = done[math.ceil(_SHARE * len(done)) - 1] if done else 0.0
        return expected < self.left
