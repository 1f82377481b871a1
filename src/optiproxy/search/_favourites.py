"""Architectures that training-free scores favour: first queries, and candidates of each round.

Where scores are informative, the best architecture is often among the few of highest score, before
any model is fitted (Abdelfattah et al., https://arxiv.org/abs/2101.08134). Where they mislead, few
queries may be lost to them: see `Favourites.leading`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from optiproxy.proxies.training_free import Scores
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.narrowed import Narrowed

# Scores are computed for a random sample, then for neighbours of the best, for so many rounds.
SAMPLE, CLIMBS, CLIMBED_FROM, NEIGHBOURS = 1000, 4, 5, 400
# Scores whose ranks of the sample correlate by more than this are one vote.
AGREEING = 0.8
# So many favourites of each vote are candidates in a round.
CANDIDATES = 20
# From so many results on the places go to the vote that correlates with them, if any does.
JUDGED_FROM = 4
# Of ten places of the initial design these are balanced: favourites are judged against them.
BALANCED = (2, 3)


class Favourites:
    """The architectures of highest score, by groups of scores that agree.

    Args:
        space: The search space.
        scores: The scores.
        allowed: Which rows (B, C) meet the limits that are known exactly, (B,).
        seed: Of the sample in which favourites are looked for.
    """

    def __init__(
        self,
        space: Space,
        scores: Scores,
        allowed: Callable[[Indices], NDArray[np.bool_]],
        seed: int,
    ) -> None:
        self._scores = scores
        rng = np.random.default_rng([seed, 0x5C0])
        drawn = space.random_indices(SAMPLE, rng)
        self._groups = _agreeing(scores.of(np.unique(drawn, axis=0)))
        rows = self._distinct(space, drawn, allowed)
        for _ in range(CLIMBS):
            best = np.unique(np.argsort(-self._votes(rows), axis=1)[:, :CLIMBED_FROM])
            near = space.neighbour_indices(rows[best])
            if len(near) > NEIGHBOURS:
                near = rng.choice(near, NEIGHBOURS, replace=False)
            rows = self._distinct(space, np.concatenate([rows, near]), allowed)
        # Among those that are predicted to be the best, the computed scores decide.
        scores.keep(rows[np.unique(np.argsort(-self._votes(rows), axis=1)[:, :CANDIDATES])])
        self.rows: Indices = rows
        self.votes: NDArray[np.float64] = self._votes(rows)  # (V, B)

    def on(self, narrow: Narrowed) -> Favourites:
        """Those in a narrowed space."""
        other = copy(self)
        kept = narrow.keeps(self.rows)
        other._scores = self._scores.on(narrow)
        other.rows, other.votes = narrow.narrow(self.rows), self.votes[:, kept]
        return other

    def leading(self, known: Indices, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The votes (V', B) of `rows` that fill places of the initial design, in turn.

        All of them at first; then the one that correlates most with the results, if any does.

        Args:
            known: (T, C), the queries so far.
            scores: (T,), their results; greater is better, -inf where the query failed.
        """
        if len(known) < JUDGED_FROM:
            return self.votes
        support = np.array([_correlation(vote, scores) for vote in self._votes(known)])
        best = int(support.argmax())
        return np.asarray(self.votes[[best] if support[best] > 0 else []])

    def candidates(self, proposed: int) -> Indices:
        """The favourites of every vote, of which `proposed` may have been queried."""
        best = np.argsort(-self.votes, axis=1)[:, : CANDIDATES + proposed]
        return self.rows[np.unique(best)]

    def _votes(self, rows: Indices) -> NDArray[np.float64]:
        """Mean standardised scores, for each group of scores, (V, B)."""
        scores = self._scores.of(rows)
        return np.stack([scores[:, group].mean(1) for group in self._groups])

    @staticmethod
    def _distinct(
        space: Space, rows: Indices, allowed: Callable[[Indices], NDArray[np.bool_]]
    ) -> Indices:
        _, first = np.unique(space.canonical(rows), axis=0, return_index=True)
        rows = rows[np.sort(first)]
        kept = rows[allowed(rows)]
        return kept if len(kept) else rows


def _correlation(vote: NDArray[np.float64], results: NDArray[np.float64]) -> float:
    """Of a vote with the ranks of the results; 0 where one is constant.

    The vote itself rather than its ranks: how favourites compare with other queries decides, not
    the order among favourites, whose votes hardly differ.
    """
    both = np.stack([vote, rankdata(results)])
    return float(np.corrcoef(both)[0, 1]) if np.ptp(both, axis=1).all() else 0.0


def _normal(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(norm.ppf((rankdata(scores, axis=0) - 0.5) / len(scores)))


def _agreeing(scores: NDArray[np.float64]) -> list[list[int]]:
    """Groups of columns (B, F) whose ranks correlate."""
    correlation = np.atleast_2d(np.corrcoef(_normal(scores).T))
    groups: list[list[int]] = []
    for score in range(scores.shape[1]):
        agreeing = (g for g in groups if all(correlation[score, o] >= AGREEING for o in g))
        found = next(agreeing, None)
        if found is None:
            groups.append([score])
        else:
            found.append(score)
    return groups
