"""Optuna's samplers behind ask/tell: TPE, its Gaussian process and NSGA-II.

This is the only file outside `study` that imports Optuna, at the first `ask`. Each `ask` builds an
in-memory study from the history, so that the sampler keeps no state.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from optiproxy.baselines._order import Order
from optiproxy.search.base import Optimizer
from optiproxy.search.history import Query
from optiproxy.spaces.architecture import Indices

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial


class _OptunaMethod(Optimizer):
    """The basis of the samplers.

    Choices are categorical parameters, ordered choices (see `Space.levels`) whole numbers, numbers
    of a range their levels. A constraint is a trial's constraint, satisfied when ``<= 0``; a failed
    query is a failed trial, which Optuna's samplers ignore; a pending one is running. A query that
    was dropped for a limit before its objectives were measured gets the worst values seen, since
    the samplers rank infeasible trials by their violations.
    """

    #: How often in a row a sampler may repeat known architectures before random ones fill the
    #: batch; random samplers repeat them only where few others are left.
    retries = 20
    #: Whether a repeated proposal becomes a trial with the known result. A model would propose the
    #: maximum of its acquisition again for ever; a random sampler draws another one.
    tells_repeats = False

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler:
        """A fresh sampler."""

    def _attributes(self, completed: int) -> dict[str, Any]:
        """System attributes of the completed trial with this number."""
        return {}

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        import optuna  # it sets the level of its logger when imported

        rows = np.empty((0, len(self.space)), dtype=np.int64)
        with _quiet(optuna.logging.get_logger("optuna")):
            study = self._study(int(rng.integers(2**31)))
            repeats = 0
            while len(rows) < n and repeats <= self.retries:
                trial = study.ask(self._distributions)
                row = self._order.row([trial.params[name] for name in self.space.names])
                # The samplers know no conditions and no pool, so that the row is repaired.
                meant = self.space.repair(row[None])
                longer = np.concatenate([rows, meant])
                if len(meant) and self.is_new(longer)[-1]:
                    rows, repeats = longer, 0  # its trial goes on running
                else:
                    self._repeat(study, trial, meant[0] if len(meant) else row)
                    repeats += 1
        if len(rows) < n:
            rows = np.concatenate([rows, self.random_new(2 * n, rng)])
        return rows[self.is_new(rows)][:n]

    @cached_property
    def _order(self) -> Order:
        return Order(self.space)

    @cached_property
    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        def distribution(choice: int) -> Any:
            size = int(self.space.sizes[choice])
            if choice in self.space.numbers:
                return FloatDistribution(0.0, 1.0)
            ordered = self._order.ordered[choice]
            return IntDistribution(0, size - 1) if ordered else CategoricalDistribution(range(size))

        return {name: distribution(choice) for choice, name in enumerate(self.space.names)}

    def _study(self, seed: int) -> Study:
        """The history as a study."""
        import optuna

        study = optuna.create_study(
            directions=["maximize" if o.sign > 0 else "minimize" for o in self.objectives],
            sampler=self._sampler(seed),
        )
        completed = 0
        trials = []
        for row, query in zip(self._rows, self._queries, strict=True):
            trials.append(self._trial(row, query, self._attributes(completed)))
            completed += query.metrics is not None
        trials += [self._trial(row, None, {}) for row in self._pending]
        study.add_trials(trials)
        return study

    def _trial(self, row: Indices, query: Query | None, attributes: dict[str, Any]) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        state = TrialState.RUNNING if query is None else TrialState.FAIL
        values, constraints = None, None
        if query is not None and query.metrics is not None:
            state = TrialState.COMPLETE
            values = self._objectives(query)
            constraints = self._violations(query)
        return create_trial(
            state=state,
            values=values,
            params=dict(zip(self.space.names, self._order.parameters(row), strict=True)),
            distributions=self._distributions,
            system_attrs=attributes,
            constraints=constraints,
        )

    def _objectives(self, query: Query) -> list[float]:
        assert query.metrics is not None
        metrics = query.metrics
        if all(o.metric in metrics for o in self.objectives):
            return [metrics[o.metric] for o in self.objectives]
        return [metrics.get(o.metric, self._worst[o.metric]) for o in self.objectives]

    @property
    def _worst(self) -> dict[str, float]:
        worst = {}
        for objective in self.objectives:
            y = objective.sign * self.values(objective.metric)
            known = y[np.isfinite(y)]
            worst[objective.metric] = objective.sign * float(known.min()) if len(known) else 0.0
        return worst

    def _violations(self, query: Query) -> dict[str, float]:
        metrics = query.metrics
        assert metrics is not None
        return {
            str(c): c.violation(metrics[c.metric]) if c.metric in metrics else 0.0
            for c in self.constraints
        }

    def _repeat(self, study: Study, trial: Trial, row: Indices) -> None:
        """Ends the trial of a repeated proposal."""
        from optuna.trial import TrialState

        known = (q for r, q in zip(self._rows, self._queries, strict=True) if (r == row).all())
        query = next(known, None)
        if not self.tells_repeats or query is None or query.metrics is None:
            study.tell(trial, state=TrialState.FAIL)
            return
        for name, violation in self._violations(query).items():
            trial.set_constraint(name, violation)
        study.tell(trial, self._objectives(query))


class TPE(_OptunaMethod):
    """The tree-structured Parzen estimator, with Optuna's defaults.

    References: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011;
    Watanabe, Tree-structured Parzen estimator, https://arxiv.org/abs/2304.11127.
    """

    n_init = 10

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, n_startup_trials=self.n_init)


class GPSampler(_OptunaMethod):
    """Optuna's Gaussian process with expected improvement, with its defaults.

    Reference: Optuna's documentation of ``GPSampler``,
    https://optuna.readthedocs.io/en/stable/reference/samplers/generated/optuna.samplers.GPSampler.html
    """

    n_init = 10
    # A proposal takes 50 ms, and two known ones in a row are followed by more.
    retries = 2
    tells_repeats = True

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        from optiproxy.search.threads import single_threaded

        # Optuna divides zero probabilities once it is certain of the best.
        with single_threaded(), np.errstate(invalid="ignore"):
            return super()._propose(n, rng)

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import GPSampler as Sampler

        return Sampler(seed=seed, n_startup_trials=self.n_init)


class NSGA2(_OptunaMethod):
    """The non-dominated sorting genetic algorithm, with generations of 20 for budgets of hundreds.

    Reference: Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE TEC
    2002, https://doi.org/10.1109/4235.996017.
    """

    population = 20

    def _attributes(self, completed: int) -> dict[str, Any]:
        from optuna.samplers import NSGAIISampler

        # The sampler reads the generation from an attribute that it sets at ask time.
        return {NSGAIISampler._get_generation_key(): completed // self.population}

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(seed=seed, population_size=self.population)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silences the message about each new study."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
