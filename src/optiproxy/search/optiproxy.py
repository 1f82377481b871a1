"""OptiProxy: fit a proxy, climb it by gradients on relaxed architectures, query the best.

Lyu, Cui, Shi, Li, OptiProxy-NAS, https://arxiv.org/abs/2509.05656.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optiproxy import proxies
from optiproxy.encodings import corners
from optiproxy.errors import whole_number
from optiproxy.metrics import Constraints, Function, Objectives
from optiproxy.proxies.base import Proxy
from optiproxy.proxies.training_free import Features
from optiproxy.search._acquisition import parse_acquisitions
from optiproxy.search._ascent import Ascent
from optiproxy.search._batch import Opinion, filled, select_batch
from optiproxy.search._candidates import candidates, candidates_elsewhere, of_new_networks
from optiproxy.search._design import design
from optiproxy.search._failures import foreseeable
from optiproxy.search._favourites import BALANCED
from optiproxy.search._incumbents import (
    CROWD,
    INCUMBENTS,
    PATIENCE,
    Incumbents,
    distance,
    near_in_order,
)
from optiproxy.search._pareto import Front
from optiproxy.search._prior_knowledge import PriorKnowledge
from optiproxy.search._smoothness import LISTED, seems_smooth
from optiproxy.search._surrogates import Surrogates
from optiproxy.search._training_targets import Targets, repeated, targets_of
from optiproxy.search.base import Optimizer
from optiproxy.search.problem import Problem
from optiproxy.search.threads import single_threaded
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.narrowed import Narrowed, is_wide

N_INIT = 10
# Small batches at first, when each result teaches much (docs/log.md): (until so many queries, so
# many at once). Later those of the paper.
EARLY_BATCHES = (30, 1), (100, 3)
BATCH = 5
# Of so many candidates for each place the scores of networks are computed; they are predicted for
# the others.
SHORT_LIST = 8
# With low-fidelity results: the first full evaluations are the best of them, as a proxy needs a few
# full results first; afterwards the best of them are candidates in each round.
PROMOTED, PROMOTED_CANDIDATES = 5, 50
# The ascent weights the log probability of meeting the limits by this plus the share of the last
# five results that broke one. (The paper adapts its penalty, too.)
LENIENT = 0.5
# Of choices with thousands of options a round looks at those of the queries, of so many random
# architectures, and of those near the best.
TRIED_OPTIONS = 256
# In a space of at most this size every architecture is a candidate.
ENUMERATED = 3000
# Within limits other architectures of a known network wait during so many queries.
WAITING = 30
# Filled by the global model of a stalled search.
GLOBAL_PLACES = (0,)
# After a warm start half of the design remains, between the model's queries: the first three
# queries follow the earlier studies, and these places reveal whether those mislead.
WARM_DESIGN_PLACES = (3, 5, 7, 9, 11)


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

    After a balanced design of `n_init` queries, each round of `ask`

    1. fits the proxy to all queries, on standardised targets;
    2. relaxes: 40 groups of architecture parameters start from a Latin hypercube, and some at the
       best queries;
    3. climbs the proxy's mean by gradient ascent while the temperature falls;
    4. draws candidates from the groups' distributions, and adds the neighbours of the best queries
       and random architectures;
    5. selects the batch one by one, by the mean and by expected improvement in turn, conditioning
       the proxy on each pick at its mean. Some places go to the favourite of another model: to a
       network's where it predicts well, and to a coarse global model's where the search has
       stalled.

    Args:
        space: The search space, or a task, from which all arguments that are not given are taken.
        objectives: Metric → ``"max"`` or ``"min"``. With several, every group climbs towards its
            own trade-off, and the batch is selected by expected hypervolume improvement.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``. A limited metric is a proxy output
            too; the ascent adds the log probability of meeting its limit, expected improvement is
            multiplied by it, and other acquisitions require a fair one.
        seed: Same seed and same history give the same proposals, on one machine.
        proxy: ``"auto"`` (a Gaussian process, and a network for some places of a batch where it
            predicts the queries well), ``"gp"``, ``"gcn"``, ``"mlp"``, ``"transformer"``, or
            another registered name. ``"gp:path"``, ``"mlp:onehot"`` and so on read one encoding
            alone.
        n_init: Queries of the initial design.
        warm_start: Earlier studies of the same space: another data set, another device, fewer
            epochs. Each is a study, or a list of pairs (architecture, metrics), with the metrics
            named as here. Their weight is learnt from the queries. A `Study` or an optimiser
            of another space teaches which counts of operations and lengths of paths go well: its
            predictions are one more training-free score.
        features: Training-free scores (NASWOT, parameters, FLOPs). Their direction and weight are
            learnt from the queries. Either name → function of an architecture, which is called for
            every candidate, thousands in a search; or `scores.NetworkScores`, which are computed
            for some hundred networks: a random sample, and those that may be evaluated.
        exact: Metric → function of an architecture that costs nothing: computed for all candidates
            instead of predicted. Architectures that break its limit are never proposed.
        distinct: Whether architectures that are the same network count as one.
        acquisition: The acquisitions that select a batch, in turn: ``"mean"``, ``"improvement"``,
            ``"optimism"``, ``"thompson"``. Ignored with several objectives.
        climbs: What the groups climb, in turn: the same names. A group that climbs by Thompson
            sampling keeps its draw for the whole ascent.

    Raises:
        InvalidValueError: An argument can't be used, or the proxy is unknown.
    """

    uses_features = True
    uses_warm_start = True
    default_proxy = "auto"

    def __init__(
        self,
        space: Space | Problem,
        objectives: Objectives | None = None,
        *,
        constraints: Constraints = None,
        seed: int = 0,
        proxy: str = default_proxy,
        n_init: int = N_INIT,
        warm_start: Iterable[Any] = (),
        features: Features | None = None,
        exact: Mapping[str, Function] | None = None,
        distinct: bool | None = None,
        acquisition: Sequence[str] = ("mean", "improvement"),
        climbs: Sequence[str] = ("mean",),
    ) -> None:
        super().__init__(
            space, objectives, constraints=constraints, seed=seed, exact=exact, distinct=distinct
        )
        self._turns = parse_acquisitions("acquisition", acquisition)
        self._climbs = parse_acquisitions("climbs", climbs)
        self._proxy: type[Proxy] = proxies.get(proxy)
        self._consults_network = proxy == "auto"
        self.n_init = whole_number("n_init", n_init, least=2)
        if features is None:
            features = space.features if isinstance(space, Problem) else {}
        self._prior = PriorKnowledge(
            self.space,
            self.objectives,
            self.constraints,
            warm_start,
            features,
            self.allowed,
            self.seed,
        )
        self._predicted: dict[Architecture, float] = {}

    @property
    def batch_size(self) -> int:
        """One, then a few while each result teaches much, then as many as in the paper.

        As many from the start with a proxy that is slow to fit, and after low-fidelity results,
        whose promotion works better in batches of five (docs/log.md).
        """
        early = EARLY_BATCHES if self._proxy.quick and not self._low else ()
        return next((size for end, size in early if len(self._queries) < end), BATCH)

    def predictions(self, archs: Sequence[Architecture]) -> list[float] | None:
        """The proxy's predictions of the first objective, in its unit, for the last proposals.

        None where one of `archs` was not chosen by the proxy in the last `ask`.
        """
        if not all(arch in self._predicted for arch in archs):
            return None
        return [self._predicted[arch] for arch in archs]

    # ---- one round ----

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        proposed = len(self._queries) + len(self._pending)
        self._predicted = {}
        # The favourites before others are looked at: so they are the same in each process.
        if self._prior.favourites is not None and self._prior.scores is not None:
            self._prior.scores.look_at(self.rows)
        with single_threaded():
            design = self._first_rows(range(proposed, proposed + n))
            if len(design) == n:
                return design
            if self._has_data():
                return np.concatenate([design, self._round(n - len(design), rng, design)])
        # Without results nothing is better than random.
        rest = self._without(self.random_new(n, rng), design)
        return np.concatenate([design, rest])[:n]

    def _promote(self, n: int, rng: np.random.Generator) -> Indices:
        self._predicted = {}
        if sum(query.metrics is not None for query in self._queries) < PROMOTED:
            return super()._promote(n, rng)
        with single_threaded():
            return self._round(n, rng, self.rows[:0])

    def _round(self, n: int, rng: np.random.Generator, also: Indices) -> Indices:
        """Chooses `n` rows with the models; `also` are in the batch already."""
        if not is_wide(self.space):
            return self._chosen(n, rng, also)
        narrow = Narrowed(self.space, self._options_to_keep(also))
        other = self._on(narrow)
        rows = narrow.widen(other._chosen(n, rng, narrow.narrow(also)))
        self._predicted = other._predicted
        rows = self._without(rows[self.is_new(rows)], also)
        if len(rows) < n:
            more = self.random_new(n + len(rows) + len(also), rng)
            rows = np.concatenate([rows, self._without(more, np.concatenate([rows, also]))])
        return rows[:n]

    def _options_to_keep(self, also: Indices) -> Indices:
        """Rows, (B, C), whose options the models need: those that are known, near the best, tried.

        Options that no query has had are alike to the models, but for their place in an order.
        """
        rng = np.random.default_rng([self.seed, len(self._queries), len(self._pending), 0x0A5])
        low = self.at_low_fidelity().rows if self._low else self.rows[:0]
        known = [self.rows, self._pending_rows, also, low, *self._prior.rows(len(self._known))]
        best = self.rows[np.argsort(-self.scores(), kind="stable")[:INCUMBENTS]]
        known += [near_in_order(self.space, best), self.space.random_indices(TRIED_OPTIONS, rng)]
        return np.concatenate(known)

    def _on(self, narrow: Narrowed) -> OptiProxy:
        """The same search on a space with fewer options."""
        other = copy(self)
        other.space, other.exact = narrow, self.exact.on(narrow)
        other._rows = list(narrow.narrow(self.rows))
        other._pending = list(narrow.narrow(self._pending_rows))
        other._known = set(other.keys(np.concatenate([other.rows, other._pending_rows])))
        other._prior = self._prior.on(narrow)
        return other

    def _chosen(self, n: int, rng: np.random.Generator, also: Indices) -> Indices:
        if self._seems_smooth():
            other = copy(self)
            other.space = self.space.smoothed
            rows = other._chosen(n, rng, also)
            self._predicted = other._predicted
            return rows
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        pending = np.concatenate([self._pending_rows, also])
        first = len(self._queries) + len(pending)
        places = range(first, first + n)
        targets = self._targets()
        front = Front(targets) if len(self.objectives) > 1 else None
        incumbents = self._incumbents(front, rng)
        which, data = repeated(targets, self._queries)
        known = self._corners(self.rows[which])
        surrogates = self._surrogates(int(rng.integers(2**31)), bool(targets.failure))
        proxy = surrogates.fitted(known, data)
        ascent = Ascent(self.space, targets, LENIENT + self._violations(), rng, generator)
        sources = self._sources(proxy, ascent, incumbents)
        coarse = None
        if incumbents.stalled and filled(places, GLOBAL_PLACES):
            ranks = data.ranked() if front is None else data
            coarse = surrogates.fitted_global(known, ranks)
            sources.append(candidates_elsewhere(coarse, ascent, incumbents))
        new = self._new_candidates(sources, also, n)
        if len(new) == 0:
            return self._without(self.random_new(n + len(also), rng), also)[:n]
        network = None
        if self._consults_network and targets.objectives == 1:
            network = surrogates.fitted_network(known, data, places)

        def opinions(rows: Indices) -> list[Opinion]:
            return self._opinions(rows, proxy, network, coarse, incumbents)

        if (scores := self._prior.scores) is not None and not scores.computed_everywhere:
            new, _ = self._selected(opinions, pending, new, SHORT_LIST * n, targets, rng)
            scores.look_at(np.concatenate([self.rows, pending, new]))
        rows, mean = self._selected(opinions, pending, new, n, targets, rng)
        self._note_predictions(rows, mean, targets)
        return rows

    def _selected(
        self,
        opinions: Callable[[Indices], list[Opinion]],
        pending: Indices,
        candidates: Indices,
        n: int,
        targets: Targets,
        rng: np.random.Generator,
    ) -> tuple[Indices, Tensor]:
        """Up to `n` of the candidates, and the proxy's means (n,) of the first objective."""
        # Pending rows come first; the proxy is conditioned on them before the batch is selected.
        rows = np.concatenate([pending, candidates])
        models = opinions(rows)
        for index in range(len(pending)):
            models[-1].posterior.condition_on_mean(index)
        first = len(self._queries) + len(pending)
        chosen = select_batch(
            models,
            range(first, first + min(n, len(candidates))),
            torch.arange(len(rows)) >= len(pending),
            targets,
            front=Front(targets) if len(self.objectives) > 1 else None,
            rng=rng,
        )
        return rows[chosen], models[-1].posterior.mean[chosen, 0]

    # ---- its steps ----

    @property
    def _pending_rows(self) -> Indices:
        return np.array(self._pending, dtype=np.int64).reshape(-1, len(self.space))

    def _first_rows(self, places: range) -> Indices:
        """New rows for the places that no model fills: those of the initial design.

        With training-free scores most go to the architectures of highest score, as long as results
        and scores correlate. After a warm start most are the model's.
        """
        if self._prior.earlier:
            return self._design(sum(place in WARM_DESIGN_PLACES for place in places))
        places = range(places.start, min(places.stop, max(places.start, self.n_init)))
        favourites = self._led([place for place in places if place % 10 not in BALANCED])
        design = self._without(self._design(self.n_init), favourites)
        return np.concatenate([favourites, design])[: len(places)]

    def _led(self, places: Sequence[int]) -> Indices:
        """The favourite of a score for each place; none where no score is trusted."""
        favourites = self._prior.favourites
        if favourites is None:
            return np.empty((0, len(self.space)), dtype=np.int64)
        rows, votes = favourites.rows, favourites.leading(self.rows, self.scores())
        new, found = self.is_new(rows), list[int]()
        for place in places[: new.sum() if len(votes) else 0]:
            found.append(int(np.where(new, votes[place % len(votes)], -np.inf).argmax()))
            new[found[-1]] = False
        return rows[found]

    def _design(self, n: int) -> Indices:
        """The next `n` new rows of the design, which depends on the seed alone."""
        rng = np.random.default_rng([self.seed, 0xD0E])
        rows = design(self.space, self.n_init, self.allowed, rng)
        return rows[self.is_new(rows)][:n]

    def _has_data(self) -> bool:
        """Whether a model can be fitted: two results, or earlier studies before the first query."""
        succeeded = sum(query.metrics is not None for query in self._queries)
        return succeeded >= 2 or bool(self._prior.earlier and not self._queries)

    def _targets(self, foreseen: bool | None = None) -> Targets:
        """Of the history, with failure if it can be foreseen, or as `foreseen` says."""
        failed = torch.tensor([query.metrics is None for query in self._queries], dtype=torch.bool)
        targets = targets_of(
            self.values,
            len(self._queries),
            self.objectives,
            self.constraints,
            feasible=np.array([query.feasible for query in self._queries], dtype=bool),
            sharp=not self.space.smooth,
        )
        if foreseen is None:
            foreseen = foreseeable(self.space, self._corners(self.rows), failed)
        return targets.with_failures(failed) if foreseen else targets

    def _seems_smooth(self) -> bool:
        """Whether the objective does, where that is open; several are modelled as they are."""
        if self.space.smooth or self.space.steps < LISTED or len(self.objectives) > 1:
            return False
        return seems_smooth(self.space, self._corners(self.rows), self._targets(False).y[:, 0])

    def _incumbents(self, front: Front | None, rng: np.random.Generator) -> Incumbents:
        order = np.argsort(-self.scores(), kind="stable") if front is None else front.order(rng)
        newest = (order[0] if len(order) else 0) if front is None else front.newest
        return Incumbents(
            best=np.concatenate([self.rows[order[:INCUMBENTS]], *self._prior.best()]),
            crowd=self.rows[order[:CROWD]],
            front=self.rows[:0] if front is None else self.rows[front.members],
            stalled=len(self._queries) - newest > PATIENCE,
        )

    def _surrogates(self, seed: int, foreseen: bool) -> Surrogates:
        low = None
        if self._low:
            cheap = self.at_low_fidelity()
            low = self._corners(cheap.rows), cheap._targets(foreseen=foreseen).y
        return Surrogates(self.space, self.exact, self._proxy, seed, self._prior.models, low)

    def _sources(self, proxy: Proxy, ascent: Ascent, incumbents: Incumbents) -> list[Indices]:
        """All candidates but those of a stalled search."""
        sources = candidates(proxy, ascent, incumbents, self._climbs, self._turns)
        if self._prior.favourites is not None:
            sources.append(self._prior.favourites.candidates(len(self._known)))
        if self._low:
            sources.append(super()._promote(PROMOTED_CANDIDATES, ascent.rng))
        return sources

    def _new_candidates(self, sources: Sequence[Indices], also: Indices, n: int) -> Indices:
        """The valid new rows of all sources, or in a small space of all.

        Other architectures of a known network wait until there are fewer than `n` others, since
        they teach little and the mean of a good one would attract query after query. Within limits
        they may differ more: there they wait only at first, and only where the known one met the
        limits (docs/log.md).
        """
        rows = self.space.repair(np.concatenate(sources))
        if self.space.count <= ENUMERATED:
            # Shuffled, since of equal candidates the first is taken: otherwise options that no
            # query has had would be tried in the order in which they are listed.
            shuffle = np.random.default_rng([self.seed, len(self._queries), 0x0DD]).permutation
            rows = shuffle(self.space.all_indices)
        rows = self._without(rows[self.is_new(rows)], also)
        limited = bool(self.constraints)
        if limited and len(self._queries) >= WAITING:
            return rows
        met = np.array([q.feasible or q.metrics is None for q in self._queries], dtype=bool)
        known = np.concatenate([self.rows[met], self._pending_rows, also])
        others = of_new_networks(self.space, rows, known, once=not limited)
        return others if len(others) >= n else rows

    def _opinions(
        self,
        rows: Indices,
        proxy: Proxy,
        network: tuple[Proxy, Sequence[int]] | None,
        coarse: Proxy | None,
        incumbents: Incumbents,
    ) -> list[Opinion]:
        """The models that fill the batch, in the order of precedence."""
        p = self._corners(rows)
        opinions = []
        if coarse is not None:
            far = torch.from_numpy(
                distance(self.space, rows, incumbents.crowd) >= len(self.space) / 2
            )
            posterior = coarse.posterior(p.to(coarse.dtype))
            opinions.append(Opinion(posterior, GLOBAL_PLACES, ("optimism",), far))
        if network is not None:
            model, places = network
            opinions.append(Opinion(model.posterior(p.to(model.dtype)), places))
        turns = self._turns if self._queries else ("mean",)
        return [*opinions, Opinion(proxy.posterior(p.to(proxy.dtype)), turns=turns)]

    def _note_predictions(self, rows: Indices, mean: Tensor, targets: Targets) -> None:
        """Keeps the predictions (n,) of proposed rows for `predictions`, in the metric's unit."""
        if np.isfinite(self.values(self.objectives[0].metric)).any():  # else the unit is unknown
            predicted = targets.scales[0].inverse(mean.double().numpy())
            predicted = self.objectives[0].sign * predicted
            archs = self.space.from_indices(rows)
            self._predicted = dict(zip(archs, predicted.tolist(), strict=True))

    def _violations(self) -> float:
        """The share of the last five results that broke a limit."""
        last = [query for query in self._queries if query.metrics is not None][-BATCH:]
        return sum(not query.feasible for query in last) / max(1, len(last))

    def _without(self, rows: Indices, others: Indices) -> Indices:
        """Those of `rows` that are none of `others`, nor the same network."""
        taken = set(self.keys(others))
        kept = np.array([key not in taken for key in self.keys(rows)], dtype=bool)
        return np.asarray(rows[kept])

    def _corners(self, rows: Indices) -> Tensor:
        return corners(self.space, torch.from_numpy(rows), torch.float64)
