"""Several objectives: trade-offs for the groups' climbs, hypervolume for the batch.

References: Knowles, ParEGO, IEEE TEC 2006, https://doi.org/10.1109/TEVC.2005.851274 (augmented
Chebyshev scalarisation, equation 2); Daulton et al., NeurIPS 2020,
https://arxiv.org/abs/2006.05078 (hypervolume improvement by sampling; the reference point).
"""

from __future__ import annotations

import moocore
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.search._training_targets import Targets

Array = NDArray[np.float64]

AUGMENTATION = 0.05  # ParEGO's rho
# In deviations above the mean: no standardised objective lies beyond it, so that every trade-off is
# that of an unreachable ideal.
IDEAL = 3.0
# Samples of the objectives by which an expected improvement is found; the same for all candidates.
SAMPLES = 32
# Hypervolumes are computed for so many candidates, those of the greatest optimistic trade-offs.
SHORTLIST = 100
# Below the worst value of the front, by this share of its range, lies the reference point.
MARGIN = 0.1


def chebyshev(y: Tensor, weights: Tensor) -> Tensor:
    """The augmented Chebyshev value of standardised objectives y (B, M), greater is better; (B,).

    Args:
        y: All maximised.
        weights: (B, M), positive with sum 1.
    """
    weighted = weights * (y - IDEAL)
    return weighted.amin(-1) + AUGMENTATION * weighted.sum(-1)


def non_dominated(y: Array) -> NDArray[np.bool_]:
    """Which rows of y (T, M), all maximised, no other one beats; of equal ones all, (T,)."""
    return np.asarray(moocore.is_nondominated(-y, keep_weakly=True))


def reference_point(y: Array) -> Array:
    """Slightly worse than the worst of the front of y (T, M), all maximised; (M,)."""
    front = y[non_dominated(y)]
    low, high = front.min(0), front.max(0)
    width = np.where(high > low, high - low, np.maximum(np.ptp(y, axis=0), 1e-9))
    return np.asarray(low - MARGIN * width)


def widest_reference(y: Array) -> Array:
    """Slightly worse than anything of y (T, M): what lies beyond the front's ends counts too."""
    return np.asarray(y.min(0) - MARGIN * np.maximum(np.ptp(y, axis=0), 1e-9))


class Front:
    """The front while a batch is filled: what was measured, and what was picked at its mean.

    Models see objectives on their scales; volumes are those of the metrics themselves.

    Args:
        targets: Of the history, with several objectives.

    Attributes:
        members: The queries on the front; none where none is feasible.
        newest: The last query that is on the front; -1 before there is a feasible one.
    """

    def __init__(self, targets: Targets) -> None:
        self._scales = targets.scales[: targets.objectives]
        y = targets.y[:, : targets.objectives].numpy()
        feasible = np.flatnonzero(targets.feasible.numpy())
        shown = self._values(y[feasible])
        on_front = non_dominated(shown) if len(feasible) else np.zeros(0, dtype=bool)
        self.members = feasible[on_front]
        self._others = np.setdiff1d(np.arange(len(y)), self.members)
        self.newest = int(self.members.max(initial=-1))
        self._front = shown[on_front]
        self._references = [np.zeros(y.shape[1])] * 2
        if len(feasible):
            self._references = [reference_point(shown), widest_reference(shown)]
        self._reference = self._references[0]

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """All queries, those on the front first, in random order; the newest of the others next."""
        return np.concatenate([rng.permutation(self.members), self._others[::-1]])

    def add(self, mean: Tensor) -> None:
        """Takes a pick, its outputs (M,), for measured."""
        point = self._values(mean[None, : len(self._scales)].double().numpy())
        front = np.concatenate([self._front, point])
        self._front = front[non_dominated(front)]

    def log_improvement(
        self,
        mean: Tensor,
        spread: Tensor,
        log_feasible: Tensor,
        rng: np.random.Generator,
        *,
        beyond: bool,
    ) -> Tensor:
        """The logarithm of the expected hypervolume improvement of feasible candidates, (B,).

        Args:
            mean: (B, M), outputs, the objectives first.
            spread: (B, M).
            log_feasible: (B,), log probability that a candidate meets the limits.
            rng: Of the samples.
            beyond: Whether what lies beyond the ends of the front counts: with the front's own
                reference point nothing does that is worse in one objective than all of it.
        """
        self._reference = self._references[beyond]
        m = len(self._scales)
        centre, wide = mean[:, :m].double().numpy(), spread[:, :m].double().numpy()
        chance = log_feasible.double().exp().numpy()
        optimistic = self._gains(self._values(centre + wide)) * chance
        best = np.argsort(-optimistic, kind="stable")[:SHORTLIST]
        noise = rng.standard_normal((SAMPLES, m))
        samples = centre[best, None] + wide[best, None] * noise
        gains = self._gains(self._values(samples.reshape(-1, m))).reshape(len(best), -1)
        # Where nothing is expected to improve the front, what comes nearest to it goes first.
        floor = 1e-9 * max(float(optimistic.max()), 1e-290)
        expected = np.log(1e-3 * np.maximum(optimistic, floor * 1e-3))
        expected[best] = np.log(np.maximum(gains.mean(1) * chance[best], floor))
        return torch.from_numpy(expected).to(mean.dtype)

    def _values(self, y: Array) -> Array:
        """Standardised objectives (T, M) as the metrics, all maximised."""
        columns = [scale.inverse(y[:, i]) for i, scale in enumerate(self._scales)]
        return np.stack(columns, 1)

    def _gains(self, points: Array) -> Array:
        """By how much each point (P, M) alone would enlarge the hypervolume, (P,)."""
        if points.shape[1] == 2:
            return _gains_of_two(self._front, points, self._reference)
        indicator = moocore.Hypervolume(ref=-self._reference)
        whole = indicator(-self._front) if len(self._front) else 0.0
        gains = np.zeros(len(points))
        inside = np.flatnonzero((points > self._reference).all(1))
        for i in inside:
            if len(self._front) and (self._front >= points[i]).all(1).any():
                continue
            gains[i] = indicator(-np.vstack([self._front, points[i]])) - whole
        return gains


def _gains_of_two(front: Array, points: Array, reference: Array) -> Array:
    """As `Front._gains` for two objectives, all points at once.

    The area that a point gains is cut into the vertical strips between the front's points, which
    rise in the first objective and fall in the second.
    """
    front = front[(front > reference).all(1)]
    front = front[np.argsort(front[:, 0])]
    left = np.concatenate([[reference[0]], front[:, 0]])  # (F + 1,)
    right = np.concatenate([front[:, 0], [np.inf]])
    height = np.concatenate([front[:, 1], [reference[1]]])  # above it, a strip is free
    width = np.clip(np.minimum(points[:, :1], right) - left, 0.0, None)  # (P, F + 1)
    return np.asarray((width * np.clip(points[:, 1:2] - height, 0.0, None)).sum(1))
