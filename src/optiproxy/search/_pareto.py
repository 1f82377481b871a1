"""Several objectives: trade-offs for the ascent, hypervolume improvement for the batch.

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
# The unreachable ideal of the trade-offs: no standardised objective exceeds it.
IDEAL = 3.0
# Samples of the objectives for an expected improvement; the same ones for all candidates.
SAMPLES = 32
# Expected improvements are computed for the candidates with the greatest optimistic ones.
SHORTLIST = 100
# The reference point lies below the worst value of the front by this fraction of its range.
MARGIN = 0.1


def chebyshev(y: Tensor, weights: Tensor) -> Tensor:
    """The augmented Chebyshev value of standardised objectives y (B, M), maximised; (B,).

    Args:
        y: All maximised.
        weights: (B, M), positive with sum 1.
    """
    weighted = weights * (y - IDEAL)
    return weighted.amin(-1) + AUGMENTATION * weighted.sum(-1)


def non_dominated(y: Array) -> NDArray[np.bool_]:
    """Which rows of y (T, M), all maximised, are not dominated, (T,); equal rows are kept."""
    return np.asarray(moocore.is_nondominated(-y, keep_weakly=True))


def reference_point(y: Array) -> Array:
    """Slightly worse than the worst of the front of y (T, M), all maximised; (M,)."""
    front = y[non_dominated(y)]
    low, high = front.min(0), front.max(0)
    width = np.where(high > low, high - low, np.maximum(np.ptp(y, axis=0), 1e-9))
    return np.asarray(low - MARGIN * width)


def widest_reference(y: Array) -> Array:
    """Slightly worse than all rows of y (T, M), so that points beyond the front's ends count."""
    return np.asarray(y.min(0) - MARGIN * np.maximum(np.ptp(y, axis=0), 1e-9))


class Front:
    """The front while a batch is selected: the queries, and the picks at their predicted means.

    Models predict scaled objectives; hypervolumes are those of the metrics themselves.

    Args:
        targets: Of a history with several objectives.

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
        """Adds a pick with predicted outputs `mean` (M,)."""
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
            log_feasible: (B,), log probability of meeting the limits.
            rng: Of the samples.
            beyond: Whether points beyond the front's ends count, which are worse than the whole
                front in one objective.
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
        # Where no candidate is expected to improve the front, the nearest to it comes first.
        floor = 1e-9 * max(float(optimistic.max()), 1e-290)
        expected = np.log(1e-3 * np.maximum(optimistic, floor * 1e-3))
        expected[best] = np.log(np.maximum(gains.mean(1) * chance[best], floor))
        return torch.from_numpy(expected).to(mean.dtype)

    def _values(self, y: Array) -> Array:
        """Standardised objectives (T, M) as the metrics, all maximised."""
        columns = [scale.inverse(y[:, i]) for i, scale in enumerate(self._scales)]
        return np.stack(columns, 1)

    def _gains(self, points: Array) -> Array:
        """The hypervolume improvement of each point (P, M) alone, (P,)."""
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

    The gained area is split into the vertical strips between the front's points, which ascend in
    the first objective and descend in the second.
    """
    front = front[(front > reference).all(1)]
    front = front[np.argsort(front[:, 0])]
    left = np.concatenate([[reference[0]], front[:, 0]])  # (F + 1,)
    right = np.concatenate([front[:, 0], [np.inf]])
    height = np.concatenate([front[:, 1], [reference[1]]])  # above it, a strip is free
    width = np.clip(np.minimum(points[:, :1], right) - left, 0.0, None)  # (P, F + 1)
    return np.asarray((width * np.clip(points[:, 1:2] - height, 0.0, None)).sum(1))
