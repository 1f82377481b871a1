"""Queries that two processes proposed at once: the same number, or the same architecture."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from optiproxy.spaces import Architecture
from optiproxy.study._storage.stored_trial import State, StoredTrial


def free_numbers(trials: Iterable[StoredTrial], n: int) -> list[int]:
    """The `n` smallest numbers that no query has, such as those of duplicates that were dropped."""
    used = {trial.number for trial in trials}
    return list(itertools.islice((i for i in itertools.count(1) if i not in used), n))


def duplicates(trials: Sequence[StoredTrial]) -> list[tuple[StoredTrial, StoredTrial]]:
    """Waiting trials, each with the trial that evaluates the same architecture in its place.

    A running or finished trial goes before a waiting one, then the earlier before the later.
    """
    waiting = [trial for trial in trials if trial.state is State.WAITING]
    asked = {_asked(trial) for trial in waiting}
    same = [t for t in trials if asked and _asked(t) in asked]
    first: dict[tuple[Architecture, int | None, int], StoredTrial] = {}
    for trial in sorted(same, key=lambda t: (t.state is State.WAITING, t.id)):
        first.setdefault(_asked(trial), trial)
    pairs = [(trial, first[_asked(trial)]) for trial in waiting]
    return [(trial, other) for trial, other in pairs if other is not trial]


def _asked(trial: StoredTrial) -> tuple[Architecture, int | None, int]:
    return trial.architecture, trial.epochs, trial.again
