"""OptiProxy: relax, fit the proxy, climb, query.

Lyu, Cui, Shi, Li, OptiProxy-NAS, https://arxiv.org/abs/2509.05656.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.errors import invalid
from optiproxy.proxies import PROXIES
from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.search._acquisition import log_expected_improvement, log_probability_below
from optiproxy.search._climb import climb, draw, start
from optiproxy.search._design import balanced
from optiproxy.search._fidelity import PROMOTED, PROMOTED_CANDIDATES, TwoFidelities
from optiproxy.search._targets import fill, sharpen, standardise
from optiproxy.search._threads import single_threaded
from optiproxy.search.base import Optimizer
from optiproxy.spaces import Space
from optiproxy.spaces.base import Indices

N_INIT = 10
GROUPS = 40
DRAWS = 30  # of each group; METHOD's verify ratio, 20 to 40 candidates for each query
INCUMBENTS = 5  # the best known, whose neighbours are candidates and from where groups start
RANDOM_CANDIDATES = 200
# What the places of a batch are filled by, in turn; counted by query, so that it is the same
# whether five are asked for at once or one by one.
TURNS = ("mean", "improvement")
# After so many queries without a new best the search is stalled, and every third place looks
# elsewhere: at the favourite of a scout among what differs from the best in half the choices.
PATIENCE = 20
STALLED_EVERY = 3
# The scout is a deliberately coarse Gaussian process. A proxy with most of its data from one basin
# sees only that basin; the scout, which knows how often options are chosen in all and along paths,
# still sees the slope of the whole space.
SCOUT_VIEWS = ("counts", "routes")
SCOUT_GROUPS = 10


@dataclass(frozen=True)
class _Targets:
    """What the proxy is fitted to, and what follows from it.

    Attributes:
        y: (T, M), objectives first (greater is better), then constrained metrics.
        limits: Output number and the standardised bound it must stay below.
        feasible: (T,), which queries may be the best.
    """

    y: Tensor
    objectives: int
    limits: tuple[tuple[int, float], ...]
    feasible: Tensor


class OptiProxy(Optimizer):
    """Sequential model-based search with gradients through a differentiable proxy.

    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
    >>> opt = OptiProxy(space, {"score": "max"}, seed=0)
    >>> for _ in range(3):
    ...     archs = opt.ask(5)
    ...     opt.tell(archs, [{"score": a["depth"] * a["width"] / a["kernel"]} for a in archs])
    >>> opt.best.metrics
    {'score': 32.0}

    One round of `ask`, after a balanced design of `n_init` queries:

    1. Fit the proxy to all that was told, on standardised targets.
    2. Relax: 40 groups of architecture parameters, most from a Latin hypercube, some led by the
       best architectures so far.
    3. Climb the proxy's mean by gradient ascent while the temperature falls.
    4. Draw candidates from the groups' distributions, add the neighbours of the best, drop what is
       known, and fill the batch one by one: by mean and by expected improvement in turn, each pick
       believed at its mean. Where nothing better was found for a while, one place in three looks
       elsewhere (see `PATIENCE`).

    Args:
        space: What is searched.
        objectives: Metric → ``"max"`` or ``"min"``. With several, every group and every place of a
            batch has random weights of its own, so that the batch spreads along the Pareto front.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``. A limited metric is a proxy output
            too; the climb and the ranking add the log probability of meeting its limit.
        seed: Same seed and same history give the same proposals, on one machine.
        proxy: ``"gp"``, ``"gcn"``, or another registered name.
        n_init: Queries of the initial design.

    Raises:
        InvalidValueError: An argument can't be used, or the proxy is unknown.
    """

    batch_size = 5

    def __init__(
        self,
        space: Space,
        objectives: Mapping[str, str] | Sequence[str] | str,
        *,
        constraints: Mapping[str, str] | Sequence[str] | str | None = None,
        seed: int = 0,
        proxy: str = "gp",
        n_init: int = N_INIT,
    ) -> None:
        super().__init__(space, objectives, constraints=constraints, seed=seed)
        if isinstance(n_init, bool) or not isinstance(n_init, int) or n_init < 2:
            raise invalid("n_init", n_init, "give a whole number of 2 or more")
        self._proxy: type[Proxy] = PROXIES.get(proxy)
        self.n_init = n_init

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        asked = len(self._queries) + len(self._pending)
        first = self._initial(min(n, self.n_init - asked)) if asked < self.n_init else None
        if first is not None and len(first):
            rest = n - len(first)
            # What is asked for beyond the design can't be better than random: nothing is told yet.
            fill_up = self.random_new(n + len(first), rng) if rest else first[:0]
            fill_up = fill_up[~(fill_up[:, None] == first[None]).all(-1).any(1)]
            return np.concatenate([first, fill_up[:rest]])
        succeeded = sum(query.metrics is not None for query in self._queries)
        if succeeded < 2:
            return self.random_new(n, rng)
        with single_threaded():
            return self._guided(n, rng)

    def _promote(self, n: int, rng: np.random.Generator) -> Indices:
        if sum(query.metrics is not None for query in self._queries) < PROMOTED:
            return super()._promote(n, rng)
        with single_threaded():
            return self._guided(n, rng)

    def _initial(self, n: int) -> Indices:
        """The next `n` new rows of the design, which depends on the seed alone."""
        rows = balanced(self.space, self.n_init, np.random.default_rng([self.seed, 0xD0E]))
        return rows[self.is_new(rows)][:n]

    def _guided(self, n: int, rng: np.random.Generator) -> Indices:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        targets = self._targets()
        order = np.argsort(-self.scores(), kind="stable")
        incumbents = self.rows[order[:INCUMBENTS]]
        proxy = self._made(int(rng.integers(2**31)))
        self._fit(proxy, targets)
        sources = [
            self._climbed(proxy, targets, self._start(GROUPS, incumbents, rng), rng, generator),
            self.space.neighbour_indices(incumbents),
            self.space.random_indices(RANDOM_CANDIDATES, rng),
            super()._promote(PROMOTED_CANDIDATES, rng) if self._low else incumbents[:0],
        ]
        scout = None
        if len(self._queries) - order[0] > PATIENCE:
            scout = GaussianProcess(self.space, views=SCOUT_VIEWS)
            self._fit(scout, targets)
            alpha = self._start(SCOUT_GROUPS, incumbents[:0], rng)
            sources.append(self._climbed(scout, targets, alpha, rng, generator, away=incumbents))
        candidates = np.concatenate(sources)
        candidates = candidates[self.space.valid(candidates)]
        candidates = candidates[self.is_new(candidates)]
        if len(candidates) == 0:
            return self.random_new(n, rng)
        # Pending ones come first: they are believed at their mean before the batch is filled.
        pending = np.array(self._pending, dtype=np.int64).reshape(-1, len(self.space))
        rows = np.concatenate([pending, candidates])
        beliefs = proxy.beliefs(self._corners(rows, proxy))
        for index in range(len(pending)):
            beliefs.believe(index)
        free = torch.arange(len(rows)) >= len(pending)
        far = torch.from_numpy(_distance(rows, incumbents) >= len(self.space) / 2)
        coarse = scout.beliefs(self._corners(rows, scout)) if scout is not None else None
        chosen: list[int] = []
        asked = len(self._queries) + len(pending)
        for place in range(asked, asked + min(n, len(candidates))):
            if coarse is not None and place % STALLED_EVERY == 0 and bool((free & far).any()):
                worth = _worth("mean", coarse, targets, rng).masked_fill(~far, -torch.inf)
            else:
                worth = _worth(TURNS[place % len(TURNS)], beliefs, targets, rng)
            index = int(worth.masked_fill(~free, -torch.inf).argmax())
            chosen.append(index)
            free[index] = False
            beliefs.believe(index)
        return rows[chosen]

    def _made(self, seed: int) -> Proxy:
        """The proxy, unfitted; one that knows the cheap answers where there are any."""
        if not self._low:
            return self._proxy(self.space, seed=seed)
        cheap = self.at_low_fidelity()
        low = self._proxy(self.space, seed=seed)
        cheap._fit(low, cheap._targets())
        return TwoFidelities(self.space, make=self._proxy, low=low, seed=seed)

    def _corners(self, rows: Indices, model: Proxy) -> Tensor:
        return corners(self.space, torch.from_numpy(rows), model.dtype)

    def _fit(self, model: Proxy, targets: _Targets) -> None:
        model.fit(self._corners(self.rows, model), targets.y.to(model.dtype))

    def _start(self, groups: int, incumbents: Indices, rng: np.random.Generator) -> Tensor:
        return start(self.space, groups, incumbents, rng)

    def _climbed(
        self,
        model: Proxy,
        targets: _Targets,
        alpha: Tensor,
        rng: np.random.Generator,
        generator: torch.Generator,
        away: Indices | None = None,
    ) -> Indices:
        """Rows drawn from the groups' distributions after a climb of the model's mean.

        Groups that agree with one of `away` in more than half of the choices are pushed off it.
        """
        mask = torch.from_numpy(self.space.mask)
        m = targets.objectives
        weights = torch.from_numpy(rng.dirichlet(np.ones(m), len(alpha))).to(model.dtype)
        avoided = None if away is None else self._corners(away, model)

        def score(p: Tensor) -> Tensor:
            if targets.limits:
                mean, spread = model.predict(p)
                worth = (weights * mean[:, :m]).sum(1) + _feasible(mean, spread, targets)
            else:
                worth = (weights * model.mean(p)[:, :m]).sum(1)
            if avoided is not None:
                agreement = torch.einsum("gco,kco->gk", p, avoided).amax(1)
                worth = worth - torch.relu(agreement - len(self.space) / 2)
            return worth

        return draw(climb(alpha.to(model.dtype), score, mask, generator), DRAWS, mask, generator)

    def _targets(self) -> _Targets:
        single = len(self.objectives) == 1
        columns = []
        for objective in self.objectives:
            y = fill(objective.sign * self.values(objective.metric))
            columns.append(sharpen(y) if single else standardise(y))
        limits = []
        for constraint in self.constraints:
            y = fill(-constraint.sign * self.values(constraint.metric)) * -1.0
            bound = constraint.sign * constraint.bound
            limits.append((len(columns), (bound - y.mean()) / (y.std() or 1.0)))
            columns.append(standardise(y))
        feasible = torch.tensor([query.feasible for query in self._queries])
        stacked = torch.from_numpy(np.stack(columns, 1))
        return _Targets(stacked, len(self.objectives), tuple(limits), feasible)


def _distance(rows: Indices, others: Indices) -> Indices:
    """The number of choices in which each row differs from the nearest of `others`, (B,)."""
    return np.asarray((rows[:, None] != others[None]).sum(-1).min(1))


def _worth(turn: str, beliefs: Beliefs, targets: _Targets, rng: np.random.Generator) -> Tensor:
    """The score of every candidate for one place of the batch; (B,)."""
    m = targets.objectives
    w = torch.from_numpy(rng.dirichlet(np.ones(m))).to(beliefs.mean.dtype)
    mean = beliefs.mean[:, :m] @ w
    feasible = _feasible(beliefs.mean, beliefs.spread, targets)
    if not targets.feasible.any():
        return feasible  # first of all find one that may be used
    if turn != "improvement":
        return mean + feasible
    spread = ((beliefs.spread[:, :m] * w) ** 2).sum(1).sqrt()
    best = float((targets.y[targets.feasible][:, :m].to(w.dtype) @ w).max())
    return log_expected_improvement(mean, spread, best) + feasible


def _feasible(mean: Tensor, spread: Tensor, targets: _Targets) -> Tensor:
    """Log probability that all limits are met, (B,); zeros where there are none."""
    total = torch.zeros_like(mean[:, 0])
    for output, bound in targets.limits:
        limit = torch.as_tensor(bound, dtype=mean.dtype)
        total = total + log_probability_below(mean[:, output], spread[:, output], limit)
    return total
