"""Candidates by gradient ascent on a model: relax, climb, draw (`_climb`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.proxies.base import Proxy
from optiproxy.search._acquisition import acquired
from optiproxy.search._climb import climb, distributions, draw, start
from optiproxy.search._numbers import Numbers
from optiproxy.search._pareto import chebyshev
from optiproxy.search._training_targets import Targets, log_feasible
from optiproxy.spaces import Space
from optiproxy.spaces.architecture import Indices

REFINED = 4  # rows of each source of candidates, for each acquisition
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
            score = self._score(model, groups, climbs, avoid)
            p = climb(alpha, score, mask, self.generator, numbers=self._numbers)
        else:
            p = distributions(alpha, mask)
        return draw(p, DRAWS, mask, self.generator, numbers=self._numbers)

    def refined(self, model: Proxy, sources: Sequence[Indices], climbs: Sequence[str]) -> Indices:
        """The best rows of each source with their numbers at a nearby maximum of a score, (R, C).

        Args:
            model: Fitted and differentiable.
            sources: Rows (B, C) each, which are a search's candidates otherwise.
            climbs: The acquisitions that are climbed, one after the other.
        """
        numbers = self._numbers
        assert numbers is not None, "only numbers can be refined"
        rows = [self.space.repair(source) for source in sources if len(source)]
        found = []
        for name in dict.fromkeys(climbs):
            best = []
            for source in rows:
                p = corners(self.space, torch.from_numpy(source), model.dtype)
                with torch.no_grad():
                    value = self._score(model, len(source), (name,), None)(p)
                best.append(source[value.topk(min(REFINED, len(source))).indices.numpy()])
            starts = np.concatenate(best)
            score = self._score(model, len(starts), (name,), None)
            found.append(numbers.refined(starts, score, model.dtype))
        return np.concatenate(found)

    @cached_property
    def _numbers(self) -> Numbers | None:
        return Numbers(self.space) if self.space.numbers else None

    def _score(
        self, model: Proxy, groups: int, climbs: Sequence[str], avoid: Indices | None
    ) -> Callable[[Tensor], Tensor]:
        """What is climbed: p (groups, C, O) → (groups,), each with a trade-off of its own."""
        m, limits = self.targets.objectives, (*self.targets.limits, *self.targets.failure)
        weights = torch.from_numpy(self.rng.dirichlet(np.ones(m), groups)).to(model.dtype)
        needs_spread = bool(limits) or set(climbs) != {"mean"}
        deviates = torch.zeros(groups, m, dtype=model.dtype)
        if "thompson" in climbs:
            deviates = torch.from_numpy(self.rng.standard_normal((groups, m))).to(model.dtype)
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

        return score
