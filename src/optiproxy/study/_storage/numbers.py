"""The public numbers of queries, by which users name them."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from optiproxy.study._storage.stored_trial import State, StoredTrial


def numbered(trials: Sequence[StoredTrial]) -> dict[int, StoredTrial]:
    """The finished queries by their numbers: 1, 2, … in the order of their results.

    What was dropped untrained, and repeats, have none. A number never changes.

    Args:
        trials: All that count, by their places.
    """
    counted = [trial for trial in trials if trial.counted and not trial.again]
    found = {trial.own_number: trial for trial in counted if trial.own_number is not None}
    if len(found) == len(counted):  # Nearly always, and each result needs it.
        return _in_order(found)
    found, left = {}, []
    for trial in sorted(counted, key=_by_result):
        number = trial.own_number
        if number is None or number in found:  # Two processes may have written one at once.
            left.append(trial)
        else:
            found[number] = trial
    held = found.keys() | _reserved(trials)
    for trial, number in zip(left, _earlier(trials, left), strict=True):
        if number in held:
            number = _free(held)
        found[number] = trial
        held.add(number)
    return _in_order(found)


def next_number(trials: Sequence[StoredTrial]) -> int:
    """The number of the next result; `trials` as for `numbered`."""
    return _free(numbered(trials).keys() | _reserved(trials))


def _in_order(found: dict[int, StoredTrial]) -> dict[int, StoredTrial]:
    return {number: found[number] for number in sorted(found)}


def _by_result(trial: StoredTrial) -> tuple[int, float, int]:
    completed = trial.frozen.datetime_complete
    number = trial.own_number
    if number is None or completed is None:
        return 0, float(trial.number), trial.id
    return int(number), completed.timestamp(), trial.id


def _reserved(trials: Iterable[StoredTrial]) -> set[int]:
    """Numbers of failed queries that are tried again."""
    return {n for t in trials if not t.finished and (n := t.own_number) is not None}


def _earlier(trials: Iterable[StoredTrial], left: Iterable[StoredTrial]) -> list[int]:
    """The numbers of queries that an earlier version stored without one: by their places."""
    others = sorted(t.number for t in trials if t.state is State.DROPPED or t.again)
    return [trial.number - bisect_left(others, trial.number) for trial in left]


def _free(held: Iterable[int]) -> int:
    taken = set(held)
    return next(n for n in itertools.count(1) if n not in taken)
