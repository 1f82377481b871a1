"""OptiProxy as an Optuna sampler, for programs that are written for Optuna already."""

from __future__ import annotations

import threading
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optiproxy.errors import invalid
from optiproxy.search import Optimizer
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Chain, Conditional, Space
from optiproxy.spaces.numbers import Number
from optiproxy.study._parameters import (
    Choices,
    choice_of,
    found_space,
    has_value,
    index_of,
    values_of,
)
from optiproxy.study._storage.distributions import distribution as distribution_of
from optiproxy.study._storage.stored_trial import PREFIX

#: The whole proposal, written before the objective suggests its first choice, so that other
#: processes know what is pending.
PROPOSED = PREFIX + "proposed"

# Trials in threads (``n_jobs``) see each other's proposals only when those are written.
_ONE_AT_A_TIME = threading.Lock()


class OptiProxySampler(BaseSampler):
    """Proposes the parameters of a trial together, by `optiproxy.OptiProxy`.

    >>> import optiproxy as op, optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> space = op.spaces.Chain({"width": [16, 32], "kernel": [3, 5, 7]})
    >>> def objective(trial):
    ...     width = trial.suggest_categorical("width", [16, 32])
    ...     return width / trial.suggest_categorical("kernel", [3, 5, 7])
    >>> study = optuna.create_study(direction="maximize", sampler=op.OptiProxySampler(space))
    >>> study.optimize(objective, n_trials=6)
    >>> study.best_params
    {'width': 32, 'kernel': 3}

    It keeps no state but its arguments. Its proposals are a function of the seed and the study's
    trials: it learns from completed ones and proposes none of them again, nor running and queued
    ones, nor failed and pruned ones, which count as bad. Several directions make a multi-objective
    search. ``trial.set_constraint(name, value)`` is a limit that is met if the value is 0 or less,
    and is modelled like an objective. Parameters outside of the space are left to another sampler,
    of which a warning tells once for each.

    Args:
        space: What is searched. The objective suggests each choice with the space's options, by
            ``suggest_categorical``, or with the range of its numbers; of a `Conditional` space the
            active ones. None: the parameters that completed trials have in common, and those that
            they have just where another parameter has certain values.
        seed: Same seed and same trials give the same proposals, on one machine.
        proxy: The model: ``"auto"``, ``"gp"`` or another registered name.
        independent_sampler: Draws the parameters outside of the space; by default they are drawn at
            random, as a function of the seed and the trial's number.

    Raises:
        InvalidValueError: An argument can't be used; the message names it.
    """

    def __init__(
        self,
        space: Space | None = None,
        seed: int = 0,
        *,
        proxy: str = "auto",
        independent_sampler: BaseSampler | None = None,
    ) -> None:
        if not isinstance(independent_sampler, BaseSampler | None):
            remedy = "give one of Optuna's samplers, or None"
            raise invalid("independent_sampler", independent_sampler, remedy)
        any_space = Chain({"any": [0]}) if space is None else space
        OptiProxy(any_space, {"value": "max"}, seed=seed, proxy=proxy)  # Checks the arguments now.
        self._space = space
        self._seed = seed
        self._proxy = proxy
        self._independent = independent_sampler
        self._left: set[str] = set()  # parameters that a warning named

    def reseed_rng(self) -> None:
        """Reseeds the independent sampler, if one was given; there is no other generator."""
        if self._independent is not None:
            self._independent.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._space is not None:
            choices, conditional = self._space.choices, _conditional(self._space)
            return {n: distribution_of(choices[n]) for n in choices if n not in conditional}
        common = intersection_search_space(study.get_trials(deepcopy=False))
        return {
            name: distribution
            for name, distribution in common.items()
            if choice_of(distribution) is not None and not distribution.single()
        }

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        choices = {n: d for n, d in search_space.items() if choice_of(d) is not None}
        proposed = self._propose(study, trial, choices) if choices else {}
        if self._space is not None:
            return {}  # What was proposed is compared first with what the objective suggests.
        return {
            name: proposed[name]
            if name in proposed
            else self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        proposed = trial.system_attrs.get(PROPOSED, {})
        # None may also be an option of a parameter that is not proposed.
        if param_name in proposed:
            if self._space is not None:
                self._check_suggested(param_name, param_distribution)
            option = proposed[param_name]
            if has_value(param_distribution, option):
                return option  # A conditional choice, suggested with or without None.
        else:
            self._warn(study, param_name)
        if self._independent is not None:
            return self._independent.sample_independent(
                study, trial, param_name, param_distribution
            )
        key = [self._seed, trial.number, zlib.crc32(param_name.encode())]
        (seed,) = np.random.SeedSequence(key).generate_state(1)
        drawn = RandomSampler(seed=int(seed))
        return drawn.sample_independent(study, trial, param_name, param_distribution)

    # ---- inside ----

    def _check_suggested(self, name: str, distribution: BaseDistribution) -> None:
        """Raises InvalidValueError unless a choice is suggested with the options of the space."""
        assert self._space is not None
        ours = distribution_of(self._space.choices[name])
        if distribution == ours:
            return
        if isinstance(distribution, CategoricalDistribution):
            # In another order they are the same; a conditional choice may go without None.
            missing = {*map(repr, _options(ours))} ^ {*map(repr, distribution.choices)}
            if not missing - ({"None"} if name in _conditional(self._space) else set()):
                return
        raise invalid(
            f"parameter {name!r}", _options(distribution) or distribution,
            f"suggest it with what the sampler's space has, {_options(ours) or ours!r}",
        )  # fmt: skip

    def _warn(self, study: Study, name: str) -> None:
        """Tells once that a parameter is left to the independent sampler."""
        states = (TrialState.COMPLETE,)
        known = any(name in t.params for t in study.get_trials(deepcopy=False, states=states))
        if not known or name in self._left:
            return  # Before its first result nothing is known of a parameter.
        self._left.add(name)
        drawn = "at random" if self._independent is None else f"by {self._independent!r}"
        warnings.warn(
            f"parameter {name!r} is not among those that are proposed together; it is drawn "
            f"{drawn}. Give `space=`, or suggest it in each trial with the same range",
            stacklevel=3,
        )

    def _propose(
        self, study: Study, trial: FrozenTrial, wanted: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """An option for each choice of the space that Optuna wants."""
        with _ONE_AT_A_TIME:
            return self._proposed(study, trial, wanted)

    def _proposed(
        self, study: Study, trial: FrozenTrial, wanted: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        space, choices = self._searched(wanted, trials)
        optimizer, results = self._optimizer(study, trials, space)
        finished, pending, silent = [], [], 0
        for other in trials:
            row = _row(other, choices, space)
            if row is None or not space.valid(row[None])[0]:
                # One of ours that has just begun and has not written its proposal yet.
                silent += other.state is TrialState.RUNNING and other.number < trial.number
                continue
            (arch,) = space.from_indices(row[None])
            if other.state.is_finished():
                finished.append((arch, results.get(other.number)))
            else:
                pending.append(arch)
        optimizer.restore(finished, pending)
        # Those get the first members of a batch, and this trial the next.
        archs = optimizer.ask(1 + silent)
        if not archs:  # The space is exhausted, but Optuna needs a proposal.
            rng = np.random.default_rng([self._seed, trial.number])
            archs = space.from_indices(space.random_indices(1, rng))
        row = space.to_indices(archs[-1:])[0]
        values = {
            n: values_of(d)[i] for (n, d), i in zip(choices.items(), row.tolist(), strict=True)
        }
        study._storage.set_trial_system_attr(trial._trial_id, PROPOSED, values)
        return {name: value for name, value in values.items() if name in wanted}

    def _searched(
        self, wanted: Mapping[str, BaseDistribution], trials: Iterable[FrozenTrial] = ()
    ) -> tuple[Space, Choices]:
        """The space, and Optuna's options of each choice."""
        if self._space is not None:
            ours = self._space.choices.items()
            return self._space, {
                name: o if isinstance(o, Number) else CategoricalDistribution(o) for name, o in ours
            }
        return found_space(wanted, trials)

    def _optimizer(
        self, study: Study, trials: Sequence[FrozenTrial], space: Space
    ) -> tuple[Optimizer, dict[int, dict[str, float]]]:
        """An empty optimiser, and the results of the completed trials by their numbers."""
        complete = [t for t in trials if t.state is TrialState.COMPLETE]
        names = study.metric_names or [f"value_{i}" for i in range(len(study.directions))]
        limits = _limits(complete)
        optimizer = OptiProxy(
            space,
            {
                name: "max" if direction is StudyDirection.MAXIMIZE else "min"
                for name, direction in zip(names, study.directions, strict=True)
            },
            constraints=dict.fromkeys(limits.values(), "<= 0"),
            seed=self._seed,
            proxy=self._proxy,
        )
        results = {
            t.number: {
                **dict(zip(names, t.values, strict=True)),
                # For Optuna a trial meets the limits that it does not mention.
                **{ours: t.constraints.get(theirs, 0.0) for theirs, ours in limits.items()},
            }
            for t in complete
        }
        return optimizer, results


def _limits(trials: Iterable[FrozenTrial]) -> dict[str, str]:
    """Every constraint's name in the study → ours."""
    names = dict.fromkeys(name for trial in trials for name in trial.constraints)
    return {name: f"constraint:{i}" for i, name in enumerate(names)}


def _options(distribution: BaseDistribution) -> list[Any]:
    return list(getattr(distribution, "choices", ()))


def _conditional(space: Space) -> tuple[str, ...]:
    return tuple(space.when) if isinstance(space, Conditional) else ()


def _row(trial: FrozenTrial, choices: Choices, space: Space) -> Any:
    """The option indices of a trial, (C,); None if it lacks a choice or has an unknown option."""
    known = {
        **dict.fromkeys(_conditional(space)),  # Inactive by default.
        **trial.system_attrs.get(PROPOSED, {}),
        **trial.system_attrs.get("fixed_params", {}),  # Of `study.enqueue_trial`.
        **trial.params,
    }
    try:
        numbers = [index_of(choice, known[name]) for name, choice in choices.items()]
    except (KeyError, ValueError):
        return None
    row = np.array(numbers, dtype=np.int64)
    return space.repair(row[None])[0] if isinstance(space, Conditional) else row
