"""Candidates by gradient ascent on a model: relax, climb, draw (`_climb`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.proxies.base import Proxy
from optiproxy.search._acquisition import acquired
from optiproxy.search._climb import climb, distributions, draw, start
from optiproxy.search._pareto import chebyshev
from optiproxy.search._training_targets import Targets, log_feasible
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

DRAWS = 30  # from each group; the paper's verify ratio, 20 to 40 candidates for each query


@dataclass(frozen=True)
class Ascent:
    """Gradient ascent from several groups of architecture parameters.

    Attributes:
        space: The search space.
        targets: Of the history. With several objectives each group climbs a random trade-off.
        strictness: The weight of the log probability of meeting the limits.
        rng: Of the starts, the trade-offs and Thompson's draws.
        generator: Of the relaxation's noise and of the draws.
    """

    space: Space
    targets: Targets
    strictness: float
    rng: np.random.Generator
    generator: torch.Generator

    def candidates(
        self,
        model: Proxy,
        groups: int,
        leads: Indices,
        *,
        climbs: Sequence[str] = ("mean",),
        avoid: Indices | None = None,
    ) -> Indices:
        """Rows drawn from the groups' distributions, (groups · DRAWS, C).

        The distributions of a model that is not differentiable are those of the start.

        Args:
            model: Fitted.
            groups: How many.
            leads: (L, C), architectures at which the last groups start.
            climbs: The acquisitions that the groups climb, in turn.
            avoid: (A, C), architectures from which groups are repelled that agree with one of them
                in more than half of the choices.
        """
        mask = torch.from_numpy(self.space.mask)
        alpha = start(self.space, groups, leads, self.rng).to(model.dtype)
        if model.differentiable:
            p = self._climbed(model, alpha, mask, climbs, avoid)
        else:
            p = distributions(alpha, mask)
        return draw(p, DRAWS, mask, self.generator)

    def _climbed(
        self,
        model: Proxy,
        alpha: Tensor,
        mask: Tensor,
        climbs: Sequence[str],
        avoid: Indices | None,
    ) -> Tensor:
        """The groups' distributions after the ascent, (G, C, O)."""
        m, limits = self.targets.objectives, self.targets.limits
        weights = torch.from_numpy(self.rng.dirichlet(np.ones(m), len(alpha))).to(model.dtype)
        needs_spread = bool(limits) or set(climbs) != {"mean"}
        deviates = torch.zeros(len(alpha), m, dtype=model.dtype)
        if "thompson" in climbs:
            deviates = torch.from_numpy(self.rng.standard_normal((len(alpha), m))).to(model.dtype)
        best = self.targets.best if m == 1 else None  # of a front there is no single best
        avoided = None
        if avoid is not None:
            avoided = corners(self.space, torch.from_numpy(avoid), model.dtype)

        def score(p: Tensor) -> Tensor:
            mean, spread = model.predict(p) if needs_spread else (model.mean(p), None)
            y = mean[:, :m]
            if spread is not None:
                y = torch.empty_like(y)
                for turn, name in enumerate(climbs):
                    group = slice(turn, None, len(climbs))
                    moments = mean[group, :m], spread[group, :m]
                    y[group] = acquired(name, *moments, best=best, deviates=deviates[group])
            value = y[:, 0] if m == 1 else chebyshev(y, weights)
            if spread is not None:
                value = value + self.strictness * log_feasible(mean, spread, limits)
            if avoided is not None:
                agreement = torch.einsum("gco,kco->gk", p, avoided).amax(1)
                value = value - torch.relu(agreement - len(self.space) / 2)
            return value

        return climb(alpha, score, mask, self.generator)
