"""Scores of networks within a share of the time that the evaluations take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optiproxy.scores import NetworkScores, ScoreTable
from optiproxy.spaces import Architecture

# What scores may take before the first evaluation, in seconds, and for each second of evaluations.
FIRST, SHARE = 60.0, 0.05


class TimedScores:
    """Scores of networks that begin no further network when their time is up.

    Args:
        scores: Makes what is computed, when it is first used.
        evaluations: The seconds that the evaluations have taken so far.

    Attributes:
        seconds: What the scores have taken so far.
        networks: How many networks are scored.
        notes: Why scores or networks are missing, a sentence each.
    """

    def __init__(
        self, scores: Callable[[], NetworkScores], evaluations: Callable[[], float]
    ) -> None:
        self._scores = scores
        self._evaluations = evaluations
        self.seconds = 0.0
        self.networks = 0
        self.notes: tuple[str, ...] = ()

    def __call__(self, archs: Sequence[Architecture]) -> ScoreTable:
        left = FIRST + SHARE * self._evaluations() - self.seconds
        scores = self._scores()
        table = scores(archs, seconds=max(0.0, left))
        self.seconds += table.seconds
        self.networks = len(scores.known)
        self.notes = table.notes
        return table
