"""Scores of networks within a share of the time that the evaluations take, kept beside a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from optiproxy._atomic_write import whole
from optiproxy.spaces import Architecture

if TYPE_CHECKING:
    from optiproxy.scores import NetworkScores, ScoreTable

# What scores may take before the first evaluation, in seconds, and for each second of evaluations.
FIRST, SHARE = 60.0, 0.05


_Known = dict[str, dict[str, float | None]]


class TimedScores:
    """Scores of networks that begin no further network when their time is up.

    Args:
        scores: Makes what is computed, when it is first used.
        evaluations: The seconds that the evaluations have taken so far.
        file: Where they are kept for other processes; None for nowhere.

    Attributes:
        seconds: What the scores have taken so far.
        networks: How many networks are scored.
        notes: Why scores or networks are missing, a sentence each.
    """

    def __init__(
        self,
        scores: Callable[[], NetworkScores],
        evaluations: Callable[[], float],
        file: Path | None = None,
    ) -> None:
        self._scores = scores
        self._evaluations = evaluations
        self._file = file
        self.seconds = 0.0
        self.networks = 0
        self.notes: tuple[str, ...] = ()

    def __call__(self, archs: Sequence[Architecture]) -> ScoreTable:
        left = FIRST + SHARE * self._evaluations() - self.seconds
        scores = self._scores()
        keys = scores.keys(archs)
        kept = self._kept(scores)
        # Only those asked for, so that a search is the same whatever other processes computed.
        scores.known.update({k: kept[k] for k in keys if k in kept and k not in scores.known})
        table = scores(archs, seconds=max(0.0, left))
        self._keep(scores, kept, keys)
        self.seconds += table.seconds
        self.networks = len(scores.known)
        self.notes = table.notes
        return table

    def _kept(self, scores: NetworkScores) -> _Known:
        """What this and other processes have computed, if it was by the same code."""
        if self._file is not None and scores.version is not None:
            with suppress(OSError, ValueError, KeyError, TypeError):  # None yet, or a broken one.
                content = json.loads(self._file.read_text("utf-8"))
                if content["version"] == scores.version:
                    return dict(content["scores"])
        return {}

    def _keep(self, scores: NetworkScores, kept: _Known, keys: Sequence[str]) -> None:
        # What failed may succeed in another process.
        new = {
            key: found
            for key in keys
            if (found := scores.known.get(key))
            and None not in found.values()
            and kept.get(key) != found
        }
        if not new or self._file is None or scores.version is None:
            return
        content = {"version": scores.version, "scores": {**self._kept(scores), **new}}
        with suppress(OSError), whole(self._file) as unfinished:  # They are computed again then.
            unfinished.write_text(json.dumps(content), "utf-8")
