"""OptiProxy: relax, fit the proxy, climb, query.

Lyu, Cui, Shi, Li, OptiProxy-NAS, https://arxiv.org/abs/2509.05656.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.errors import invalid, unknown, whole_number
from optiproxy.metrics import Constraints, Function, Objectives
from optiproxy.proxies import PROXIES
from optiproxy.proxies._earlier import Earlier
from optiproxy.proxies._scores import Scores
from optiproxy.proxies.base import Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.informed import Informed, Model
from optiproxy.proxies.kernel import Mixture
from optiproxy.proxies.two_fidelities import PROMOTED, PROMOTED_CANDIDATES, TwoFidelities
from optiproxy.search._acquisition import ACQUISITIONS, acquired
from optiproxy.search._batch import Scouted, fill
from optiproxy.search._climb import climb, draw, start
from optiproxy.search._design import balanced
from optiproxy.search._outputs import Outputs
from optiproxy.search._pareto import Front, chebyshev
from optiproxy.search._training_targets import Targets, log_feasible, targets_of
from optiproxy.search.base import Optimizer, Problem
from optiproxy.search.threads import single_threaded
from optiproxy.search.warm_start import read_earlier
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices

N_INIT = 10
# The first hundred queries come in batches of three, 30 fits where fives would take 18: over 60
# seeds (development) on each data set of NAS-Bench-201 that found the optimum 1.2 queries sooner by
# the 50th, and over 40 on two of them it found all 80 by the 100th, with fives from the 50th on 78.
BATCH = 5
EARLY_BATCH, EARLY = 3, 100
GROUPS = 40
DRAWS = 30  # of each group; METHOD's verify ratio, 20 to 40 candidates for each query
INCUMBENTS = 5  # the best known, whose neighbours are candidates and from where groups start
RANDOM_CANDIDATES = 200
# Of so many neighbours more are not looked at in one round: of choices with a thousand options.
NEIGHBOURS = 5000
# The climb weighs the log probability of meeting the limits by this much and the share of the last
# five results that broke one: once where it is half. (The paper lets the penalty adapt, too.)
LENIENT = 0.5
# A space of so many is ranked as a whole: gradients find the slope of a space, not its few members.
LOOKED_THROUGH = 3000
# After so many queries without a new best the search is stalled, and some places look elsewhere: at
# the favourite of a scout among what differs from each of the twenty best in half the choices.
PATIENCE = 12
CROWD = 20
# The scout is a deliberately coarse Gaussian process. A proxy with most of its data from one basin
# sees only that basin; the scout, which knows how often options are chosen in all and along paths,
# and how far up ordered ones stand, still sees the slope of the whole space. It is fitted to ranks,
# for what tells the best from each other is of that basin too, and ranks by one deviation above its
# mean. Six of its picks led out of 13 of 23 searches of NAS-Bench-201 that were caught at 50
# queries; by its mean, on the proxy's own scale and far from the best five alone it was 4. Told of
# dead edges it ranks random cells better, and 32 searches left more regret: it is of use where it
# errs elsewhere than the proxy.
SCOUT_VIEWS = ("trends", "counts", "routes")
SCOUT_GROUPS = 10
# After a warm start half of the design is left, and it stands between guided queries: the first
# three follow the earlier studies, and these places tell whether they mislead.
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

    One round of `ask`, after a balanced design of `n_init` queries:

    1. Fit the proxy to all that was told, on standardised targets.
    2. Relax: 40 groups of architecture parameters, most from a Latin hypercube, some led by the
       best architectures so far.
    3. Climb the proxy's mean by gradient ascent while the temperature falls.
    4. Draw candidates from the groups' distributions, add the neighbours of the best, drop what is
       known, and fill the batch one by one: by mean and by expected improvement in turn, each pick
       believed at its mean. Where nothing better was found for a while, one place in five looks
       elsewhere (see `PATIENCE`).

    Args:
        space: What is searched.
        objectives: Metric → ``"max"`` or ``"min"``. With several, every group climbs towards a
            trade-off of its own, and the batch is filled by expected hypervolume improvement.
        constraints: Metric → ``"<= NUMBER"`` or ``">= NUMBER"``. A limited metric is a proxy output
            too; the climb adds the log probability of meeting its limit, expected improvement is
            multiplied by it, and the mean asks for a fair one.
        seed: Same seed and same history give the same proposals, on one machine.
        proxy: ``"auto"`` (a Gaussian process, and a network for some places of a batch: more of
            them where it predicts the queries better), ``"gp"``, ``"gcn"``, ``"mlp"``,
            ``"transformer"``, or another registered name; ``"gp-onehot"``, ``"gp-living"``,
            ``"gp-adjacency"``, ``"gp-path"``, ``"mlp-onehot"`` and so on read one encoding alone.
        n_init: Queries of the initial design.
        warm_start: Earlier studies of the same space: another data set, another device, fewer
            epochs. Each is a study, or a list of pairs (architecture, metrics), with the metrics
            called as here. How far each can be trusted is learnt from the queries.
        features: Scores that cost no query (NASWOT, parameters, FLOPs): name → function of an
            architecture. It is called for every candidate, thousands in a search. Which way and how
            far each points is learnt from the queries.
        exact: Metric → function of an architecture that costs nothing: computed for all candidates
            instead of predicted. What breaks its limit is never proposed.
        distinct: Whether architectures that come to the same network count as one.
        acquisition: What the places of a batch are filled by, in turn: ``"mean"``,
            ``"improvement"``, ``"optimism"``, ``"thompson"``. With several objectives it is
            expected hypervolume improvement throughout.
        climbs: What the groups climb, in turn: the same names. A group that climbs by Thompson
            sampling keeps its draw for the whole climb.

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
        features: Mapping[str, Function] | None = None,
        exact: Mapping[str, Function] | None = None,
        distinct: bool | None = None,
        acquisition: Sequence[str] = ("mean", "improvement"),
        climbs: Sequence[str] = ("mean",),
    ) -> None:
        super().__init__(
            space, objectives, constraints=constraints, seed=seed, exact=exact, distinct=distinct
        )
        self._turns = _acquisitions("acquisition", acquisition)
        self._climbs = _acquisitions("climbs", climbs)
        self._proxy: type[Proxy] = PROXIES.get(proxy)
        self.n_init = whole_number("n_init", n_init, least=2)
        metrics = len(self.objectives) + len(self.constraints)
        if features is None:
            features = space.features if isinstance(space, Problem) else {}
        self._scores = [Scores(self.space, metrics, features)] if features else []
        self._earlier_studies = read_earlier(self.space, warm_start, self.objectives)
        self._predicted: dict[Architecture, float] = {}

    @property
    def batch_size(self) -> int:
        """Few at first, when each answer tells much; then as many as the published method.

        Not with a proxy that is slow to fit; nor after cheap answers: of a few full ones, batches
        of five left less regret than smaller.
        """
        few = self._proxy.quick and len(self._queries) < EARLY and not self._low
        return EARLY_BATCH if few else BATCH

    def predictions(self, archs: Sequence[Architecture]) -> list[float] | None:
        """What the proxy expected of the first objective, in its unit, for what was just asked for.

        None where one of `archs` was not chosen by the proxy in the last `ask`.
        """
        if not all(arch in self._predicted for arch in archs):
            return None
        return [self._predicted[arch] for arch in archs]

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        asked = len(self._queries) + len(self._pending)
        self._predicted = {}
        with single_threaded():
            first = self._initial(self._design_places(asked, n))
            if len(first) == n:
                return first
            if self._may_be_guided():
                return np.concatenate([first, self._guided(n - len(first), rng, first)])
        # What is asked for beyond the design can't be better than random: nothing is told yet.
        rest = self._beside(self.random_new(n, rng), first)
        return np.concatenate([first, rest])[:n]

    def _beside(self, rows: Indices, also: Indices) -> Indices:
        """Those of `rows` that are none of `also`, nor come to the same network."""
        taken = set(self.keys(also))
        others = np.array([key not in taken for key in self.keys(rows)], dtype=bool)
        return np.asarray(rows[others])

    def _design_places(self, asked: int, n: int) -> int:
        """How many of the next `n` places belong to the initial design."""
        if self._earlier:
            return sum(asked <= place < asked + n for place in WARM_DESIGN_PLACES)
        return max(0, min(n, self.n_init - asked))

    def _may_be_guided(self) -> bool:
        succeeded = sum(query.metrics is not None for query in self._queries)
        return succeeded >= 2 or bool(self._earlier and not self._queries)

    @cached_property
    def _earlier(self) -> list[Earlier]:
        """The earlier studies that have something to teach."""
        learnt = []
        for study in self._earlier_studies:
            y = targets_of(study.values, len(study.rows), self.objectives, self.constraints).y
            known = Earlier(self.space, self._corners(study.rows, torch.float64), y)
            if known.reliability[: len(self.objectives)].any():
                learnt.append(known)
        return learnt

    def _promote(self, n: int, rng: np.random.Generator) -> Indices:
        self._predicted = {}
        if sum(query.metrics is not None for query in self._queries) < PROMOTED:
            return super()._promote(n, rng)
        with single_threaded():
            return self._guided(n, rng, self.rows[:0])

    def _initial(self, n: int) -> Indices:
        """The next `n` new rows of the design, which depends on the seed alone."""
        rows = balanced(self.space, self.n_init, np.random.default_rng([self.seed, 0xD0E]))
        return rows[self.is_new(rows)][:n]

    def _guided(self, n: int, rng: np.random.Generator, also: Indices) -> Indices:
        """`n` rows by what is known; `also` are asked for beside them."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        targets = self._targets()
        front = Front(targets) if len(self.objectives) > 1 else None
        order = np.argsort(-self.scores(), kind="stable") if front is None else front.order(rng)
        incumbents, crowd = self.rows[order[:INCUMBENTS]], self.rows[order[:CROWD]]
        leads = np.concatenate([incumbents, *self._earlier_best()])
        proxy = self._model(targets, partial(self._informed, int(rng.integers(2**31))))
        self._fit(proxy, targets)
        near = leads if front is None else np.concatenate([leads, self.rows[front.members]])
        sources = [
            self._climbed(proxy, targets, self._start(GROUPS, leads, rng), rng, generator),
            leads,
            self._neighbours(near, rng),
            self.space.random_indices(RANDOM_CANDIDATES, rng),
            super()._promote(PROMOTED_CANDIDATES, rng) if self._low else incumbents[:0],
        ]
        scout = None
        newest = (order[0] if len(order) else 0) if front is None else front.newest
        if len(self._queries) - newest > PATIENCE:
            coarse = Mixture(self.space, SCOUT_VIEWS)
            scout = self._model(targets, lambda outputs: GaussianProcess(self.space, kernel=coarse))
            self._fit(scout, targets if front is not None else targets.ranked())
            alpha = self._start(SCOUT_GROUPS, incumbents[:0], rng)
            sources.append(self._climbed(scout, targets, alpha, rng, generator, away=crowd))
        candidates = self.space.repair(np.concatenate(sources))
        if self.space.count <= LOOKED_THROUGH:
            # Shuffled, for the first of those that are equal is taken: options that no query has
            # had yet would be asked for as they are listed, from the smallest on.
            shuffle = np.random.default_rng([self.seed, len(self._queries), 0x0DD]).permutation
            candidates = shuffle(self.space.all_indices)
        candidates = self._beside(candidates[self.is_new(candidates)], also)
        if len(candidates) == 0:
            return self._beside(self.random_new(n + len(also), rng), also)[:n]
        # Pending ones come first: they are believed at their mean before the batch is filled.
        pending = np.array([*self._pending, *also], dtype=np.int64).reshape(-1, len(self.space))
        rows = np.concatenate([pending, candidates])
        beliefs = proxy.beliefs(self._corners(rows, proxy.dtype))
        for index in range(len(pending)):
            beliefs.believe(index)
        second = None
        if scout is not None:
            far = torch.from_numpy(_distance(rows, crowd) >= len(self.space) / 2)
            second = Scouted(scout.beliefs(self._corners(rows, scout.dtype)), far)
        asked = len(self._queries) + len(pending)
        chosen = fill(
            range(asked, asked + min(n, len(candidates))),
            torch.arange(len(rows)) >= len(pending),
            beliefs,
            targets,
            turns=self._turns if self._queries else ("mean",),
            front=front,
            scouted=second,
            rng=rng,
        )
        if np.isfinite(self.values(self.objectives[0].metric)).any():  # Else there is no unit yet.
            expected = targets.scales[0].inverse(beliefs.mean[chosen, 0].double().numpy())
            expected = self.objectives[0].sign * expected
            archs = self.space.from_indices(rows[chosen])
            self._predicted = dict(zip(archs, expected.tolist(), strict=True))
        return rows[chosen]

    def _neighbours(self, rows: Indices, rng: np.random.Generator) -> Indices:
        near = self.space.neighbour_indices(rows)
        return near if len(near) <= NEIGHBOURS else rng.choice(near, NEIGHBOURS, replace=False)

    def _informed(self, seed: int, outputs: list[int]) -> Proxy:
        """A fresh proxy of some outputs, informed by earlier searches and by cheap answers."""
        if not self._low or not outputs:  # None: an `Outputs` asks what it computes in.
            return self._alone(seed, outputs)
        cheap = self.at_low_fidelity()
        y = cheap._targets().y[:, outputs]
        told = ~y.isnan().any(1)
        if told.sum() < 2:
            return self._alone(seed, outputs)
        low = self._alone(seed, outputs)
        low.fit(self._corners(cheap.rows[told.numpy()], low.dtype), y[told].to(low.dtype))
        return TwoFidelities(low, self._alone(seed, outputs))

    def _alone(self, seed: int, outputs: list[int]) -> Proxy:
        """The same, of one fidelity."""
        proxy = self._proxy(self.space, seed=seed)
        known: list[Model] = [*self._earlier, *self._scores]
        return Informed(proxy, [model.only(outputs) for model in known]) if known else proxy

    def _model(self, targets: Targets, make: Callable[[list[int]], Proxy]) -> Proxy:
        """A model of all outputs; in parts where not every query has every output."""
        if not self.exact.metrics and not targets.y.isnan().any():
            return make(list(range(targets.y.shape[1])))
        return Outputs(self.space, make, self.exact, targets.columns(self.exact.metrics))

    def _corners(self, rows: Indices, dtype: torch.dtype) -> Tensor:
        return corners(self.space, torch.from_numpy(rows), dtype)

    def _fit(self, model: Proxy, targets: Targets) -> None:
        model.fit(self._corners(self.rows, model.dtype), targets.y.to(model.dtype))

    def _start(self, groups: int, incumbents: Indices, rng: np.random.Generator) -> Tensor:
        return start(self.space, groups, incumbents, rng)

    def _climbed(
        self,
        model: Proxy,
        targets: Targets,
        alpha: Tensor,
        rng: np.random.Generator,
        generator: torch.Generator,
        away: Indices | None = None,
    ) -> Indices:
        """Rows drawn from the groups' distributions after a climb of the model.

        Groups that agree with one of `away` in more than half of the choices are pushed off it,
        and climb the mean.
        """
        mask = torch.from_numpy(self.space.mask)
        m = targets.objectives
        weights = torch.from_numpy(rng.dirichlet(np.ones(m), len(alpha))).to(model.dtype)
        avoided = None if away is None else self._corners(away, model.dtype)
        climbs = self._climbs if away is None else ("mean",)
        needs_spread = bool(targets.limits) or set(climbs) != {"mean"}
        deviates = torch.zeros(len(alpha), m, dtype=model.dtype)
        if "thompson" in climbs:
            deviates = torch.from_numpy(rng.standard_normal((len(alpha), m))).to(model.dtype)
        strictness = LENIENT + self._violations()
        # Without one best there is nothing to improve on.
        best = targets.best if m == 1 else None

        def score(p: Tensor) -> Tensor:
            mean, spread = model.predict(p) if needs_spread else (model.mean(p), None)
            y = mean[:, :m]
            if spread is not None:
                y = torch.empty_like(y)
                for turn, name in enumerate(climbs):
                    here = slice(turn, None, len(climbs))
                    beliefs = mean[here, :m], spread[here, :m]
                    y[here] = acquired(name, *beliefs, best=best, deviates=deviates[here])
            worth = y[:, 0] if m == 1 else chebyshev(y, weights)
            if spread is not None:
                worth = worth + strictness * log_feasible(mean, spread, targets.limits)
            if avoided is not None:
                agreement = torch.einsum("gco,kco->gk", p, avoided).amax(1)
                worth = worth - torch.relu(agreement - len(self.space) / 2)
            return worth

        return draw(climb(alpha.to(model.dtype), score, mask, generator), DRAWS, mask, generator)

    def _violations(self) -> float:
        """The share of the last five results that broke a limit."""
        last = [query for query in self._queries if query.metrics is not None][-BATCH:]
        return sum(not query.feasible for query in last) / max(1, len(last))

    def _targets(self) -> Targets:
        return targets_of(
            self.values,
            len(self._queries),
            self.objectives,
            self.constraints,
            failed=np.array([query.metrics is None for query in self._queries], dtype=bool),
            feasible=np.array([query.feasible for query in self._queries], dtype=bool),
        )

    def _earlier_best(self) -> list[Indices]:
        """The best architectures of each earlier study, (INCUMBENTS, C) each."""
        if not self._earlier:
            return []
        objective = self.objectives[0]
        return [
            study.rows[np.argsort(-objective.sign * study.values(objective.metric))[:INCUMBENTS]]
            for study in self._earlier_studies
        ]


def _distance(rows: Indices, others: Indices) -> Indices:
    """The number of choices in which each row differs from the nearest of `others`, (B,)."""
    return np.asarray((rows[:, None] != others[None]).sum(-1).min(1))


def _acquisitions(field: str, names: Sequence[str]) -> tuple[str, ...]:
    """Raises InvalidValueError where `names` are no list of `ACQUISITIONS`."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise invalid(field, names, f"give a list, of {', '.join(ACQUISITIONS)}")
    for name in names:
        if name not in ACQUISITIONS:
            raise unknown(field, name, ACQUISITIONS)
    return tuple(names)
