"""An earlier study of the same space as a model: another data set, another device, fewer epochs."""

from __future__ import annotations

from copy import copy

import torch
from scipy.stats import spearmanr
from torch import Tensor

from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.informed import Mean, Model
from optiproxy.spaces import Space

# The rank correlation of a study's own architectures with what the others of it say of them, below
# which it has nothing to teach. With 100 shuffled values it stayed below 0.3, twelve times of
# twelve.
USEFUL = 0.4
FOLDS = 10
# How sure we are that the scale there is the scale here, in queries.
SCALE_BELIEF = 4.0


class Earlier(Model):
    """A Gaussian process for each metric that the study has.

    Args:
        space: The search space.
        p: (T, C, O), its architectures.
        y: (T, M), the metrics of this search as they were there, greater is better, standardised;
            a column of NaN where the study has not got the metric.
    """

    def __init__(self, space: Space, p: Tensor, y: Tensor) -> None:
        self._known = ~y.isnan().any(0)  # (M,)
        self._outputs: list[int] | None = None  # all
        self._gp = GaussianProcess(space)
        left_out = self._gp.left_out(p, y[:, self._known], torch.arange(len(p)) % FOLDS)
        # Rank correlation with its own left-out predictions; zero where it is not useful.
        self.reliability = torch.zeros(len(self._known), dtype=y.dtype)
        for column, m in enumerate(self._known.nonzero()[:, 0].tolist()):
            if left_out[:, column].std() > 0 and y[:, m].std() > 0:
                rank = spearmanr(left_out[:, column], y[:, m]).statistic
                self.reliability[m] = rank if rank >= USEFUL else 0.0

    def only(self, outputs: list[int]) -> Earlier:
        part = copy(self)
        part.reliability = self.reliability[outputs]
        part._outputs = outputs
        return part

    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Its mean, the scale corrected by least squares with a belief in an unchanged one."""
        if len(p) < 2:
            return self.mean
        known = self.mean(p)
        offset = known.mean(0)
        centred = known - offset
        scale = ((centred * (y - y.mean(0))).sum(0) + SCALE_BELIEF) / (
            (centred**2).sum(0) + SCALE_BELIEF
        )
        return lambda q: scale * (self.mean(q) - offset)

    def mean(self, p: Tensor) -> Tensor:
        """(B, M), zero where it knows nothing."""
        out = torch.zeros(len(p), len(self._known), dtype=p.dtype)
        out[:, self._known] = self._gp.mean(p)
        return out if self._outputs is None else out[:, self._outputs]
