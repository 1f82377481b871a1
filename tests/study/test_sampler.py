"""OptiProxy under Optuna: the cases that Optuna ships for samplers, and what they do not see."""

from __future__ import annotations

import math
import threading

import numpy as np
import optuna
import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import TrialState

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Float, Int
from optiproxy.study.sampler import PROPOSED

SPACE = op.spaces.Chain({"depth": [1, 2, 3, 4], "width": [16, 32, 64], "norm": ["none", "batch"]})


@pytest.fixture(autouse=True)
def _quiet():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


class TestOptunasCases(
    BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase
):
    @pytest.fixture
    def sampler(self):
        return op.OptiProxySampler


def suggested(trial):
    return {name: trial.suggest_categorical(name, options) for name, options in choices()}


def choices():
    return SPACE.choices.items()


def objective(trial):
    arch = suggested(trial)
    return arch["depth"] * arch["width"] - 20 * (arch["norm"] == "none")


def studied(n, sampler=None, **directions):
    sampler = sampler or op.OptiProxySampler(SPACE, seed=1)
    study = optuna.create_study(sampler=sampler, **(directions or {"direction": "maximize"}))
    study.optimize(objective, n_trials=n)
    return study


def course(study):
    return [trial.params for trial in study.trials]


@pytest.mark.slow
def test_a_whole_space_once_and_then_again():
    study = studied(SPACE.count)
    assert len({tuple(params.values()) for params in course(study)}) == SPACE.count
    study.optimize(objective, n_trials=2)  # Used up: Optuna still gets its proposals.
    assert len(study.trials) == SPACE.count + 2


@pytest.mark.slow
def test_proposals_are_those_of_the_optimiser_and_a_function_of_seed_and_trials():
    study = studied(14)
    opt = op.OptiProxy(SPACE, {"value_0": "max"}, seed=1)
    for params in course(study):
        [arch] = opt.ask(1)
        assert arch == params
        opt.tell([arch], [arch["depth"] * arch["width"] - 20 * (arch["norm"] == "none")])
    assert course(studied(14)) == course(study)
    assert course(studied(14, op.OptiProxySampler(SPACE, seed=2))) != course(study)
    # Nothing is kept in the sampler: a fresh one goes on as the old one would have.
    study.sampler = op.OptiProxySampler(SPACE, seed=1)
    study.optimize(objective, n_trials=3)
    assert course(study) == course(studied(17))


def test_without_a_space_it_searches_what_the_trials_have_in_common():
    study = studied(14, op.OptiProxySampler())
    assert len({tuple(params.values()) for params in course(study)}) == 14
    space = study.sampler.infer_relative_search_space(study, study.trials[-1])
    assert {name: d.choices for name, d in space.items()} == dict(choices())


def searched(objective):
    """The space that a sampler without one makes of two trials."""
    sampler = op.OptiProxySampler()
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=2)
    space, _ = sampler._searched(sampler.infer_relative_search_space(study, study.ask()))
    return space


def test_without_a_space_only_like_parameters_are_of_one_kind():
    def objective(trial):
        for name, options in {
            "first": [1, 0], "second": [1, 0], "bias": [True, False], "norm": ["batch", "layer"],
        }.items():  # fmt: skip
            trial.suggest_categorical(name, options)
        return 0.0

    space = searched(objective)
    kinds = dict(zip(space.names, space.option_groups.tolist(), strict=True))
    assert kinds["first"] == kinds["second"]
    assert len(set(kinds.values())) == 3


def test_without_a_space_numbers_have_an_order_and_names_have_none():
    def objective(trial):
        trial.suggest_categorical("op", ["conv", "pool", "skip"])
        trial.suggest_categorical("width", [32, 16, 64])
        trial.suggest_categorical("norm", [None, "batch", 1])
        trial.suggest_categorical("same", [1, 1.0, math.inf])
        trial.suggest_int("depth", 1, 9, step=2)
        trial.suggest_float("rate", 0.1, 0.7, step=0.3)
        trial.suggest_float("free", 0.0, 1.0)
        trial.suggest_int("many", 1, 10**6)
        trial.suggest_int("log", 1, 64, log=True)
        return 0.0

    space = searched(objective)
    assert dict(space.choices) | dict.fromkeys(["op", "norm", "same"]) == {
        "op": None, "norm": None, "same": None,
        "width": (32, 16, 64), "depth": (1, 3, 5, 7, 9), "rate": (0.1, 0.4, 0.7),
        "free": Float(0.0, 1.0), "many": Int(1, 10**6), "log": Int(1, 64, log=True),
    }  # fmt: skip
    ordered = ~np.isnan(space.levels).all(1)
    assert dict(zip(space.names, ordered.tolist(), strict=True)) == {
        "op": False, "norm": False, "same": False, "width": True, "depth": True, "rate": True,
        "free": True, "many": True, "log": True,
    }  # fmt: skip


@pytest.mark.slow
def test_numbers_with_a_step_are_searched():
    def objective(trial):
        width, depth = trial.suggest_int("width", 16, 1024, step=16), trial.suggest_int("d", 1, 12)
        rate = trial.suggest_float("rate", 0.0, 0.5, step=0.05)
        return math.log(width) + math.log(depth) - 8 * (rate - 0.3) ** 2

    values = []
    for seed in range(3):
        study = optuna.create_study(direction="maximize", sampler=op.OptiProxySampler(seed=seed))
        study.optimize(objective, n_trials=25)
        assert len({tuple(params.values()) for params in course(study)}) == 25
        values.append(study.best_value)
    # Of 8,448; the best of 25 random ones have 9.06 on average, and three such means at most 9.35.
    assert np.mean(values) > math.log(1024) + math.log(12) - 0.05


@pytest.mark.slow
def test_trials_of_other_samplers_and_queued_numbers_are_read():
    def objective(trial):
        return trial.suggest_int("width", 8, 64, step=8) * trial.suggest_float("x", 0, 1, step=0.1)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=12)
    study.enqueue_trial({"width": 64, "x": 0.30000000000000004})
    study.sampler = op.OptiProxySampler()
    study.optimize(objective, n_trials=20)
    assert study.trials[12].params == {"width": 64, "x": 0.30000000000000004}
    assert study.best_value == 64
    seen = [(params["width"], round(params["x"], 6)) for params in course(study)[12:]]
    assert len(set(seen)) == 20


@pytest.mark.slow
def test_minimises():
    study = studied(16, direction="minimize")
    assert study.best_value == min(objective(optuna.trial.FixedTrial(dict(a)))
                                   for a in SPACE.enumerate())  # fmt: skip


def test_running_trials_are_pending_also_before_they_suggest():
    study = studied(11)
    out = [study.ask() for _ in range(5)]
    proposed = [suggested(trial) for trial in reversed(out)]
    assert len({tuple(p.values()) for p in [*proposed, *course(study)[:11]]}) == 16
    for trial, params in zip(reversed(out), proposed, strict=True):
        stored = study.trials[trial.number]
        assert stored.system_attrs[PROPOSED] == stored.params == params


def test_two_threads_never_ask_the_same():
    study = studied(0)
    both = threading.Barrier(2)

    def slow(trial):
        suggested(trial)
        both.wait(10)
        return 0.0

    study.optimize(slow, n_trials=12, n_jobs=4)
    assert len({tuple(params.values()) for params in course(study)}) == 12


def test_queued_trials_are_pending_and_failed_ones_known():
    study = studied(0)
    queued = dict(next(SPACE.enumerate()))
    study.enqueue_trial(queued)

    def failing(trial):
        suggested(trial)
        raise ValueError("no memory")

    study.optimize(failing, n_trials=SPACE.count, catch=ValueError)
    assert course(study)[0] == queued
    assert len({tuple(params.values()) for params in course(study)}) == SPACE.count
    assert {trial.state for trial in study.trials} == {TrialState.FAIL}


@pytest.mark.slow
def test_constraints_of_trials_are_limits():
    def limited(trial):
        arch = suggested(trial)
        trial.set_constraint("width of 32 or less", arch["width"] - 32)
        return arch["depth"] * arch["width"]

    study = optuna.create_study(direction="maximize", sampler=op.OptiProxySampler(SPACE))
    study.optimize(limited, n_trials=18)
    later = study.trials[10:]
    # Drawn at random, a third of them would break it, and so would a search that knew no limit.
    assert sum(trial.params["width"] > 32 for trial in later) <= 2
    assert study.best_trial.params["width"] * study.best_trial.params["depth"] == 128


def test_several_directions_spread_over_the_front():
    def both(trial):
        arch = suggested(trial)
        return arch["depth"] * arch["width"], arch["width"]

    sampler = op.OptiProxySampler(SPACE)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.set_metric_names(["size", "cost"])
    study.optimize(both, n_trials=18)
    assert {tuple(trial.values) for trial in study.best_trials} == {(64, 16), (128, 32), (256, 64)}


def test_numeric_parameters_are_drawn_beside_it():
    def mixed(trial):
        return objective(trial) + trial.suggest_float("rate", 1e-4, 1e-1, log=True)

    study = optuna.create_study(sampler=op.OptiProxySampler(SPACE))
    study.optimize(mixed, n_trials=6)
    rates = {trial.params["rate"] for trial in study.trials}
    assert len(rates) == 6
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("none", [[], [None]])
def test_choices_that_others_switch_on(always, none):
    space = op.spaces.Conditional(
        {"block": ["conv", "attention"], "kernel": [3, 5, 7], "heads": [2, 4]},
        when={"kernel": {"block": ["conv"]}, "heads": {"block": ["attention"]}},
    )

    def objective(trial):
        block = trial.suggest_categorical("block", ["conv", "attention"])
        found = {
            name: trial.suggest_categorical(name, [*none, *options])
            for name, options in (("kernel", [3, 5, 7]), ("heads", [2, 4]))
            if always or block in space.when[name]["block"]
        }
        return found["kernel"] if block == "conv" else 10 + found["heads"]

    sampler = op.OptiProxySampler(space, seed=1)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({"block": "conv", "kernel": 3})  # nothing of heads
    study.optimize(objective, n_trials=space.count)
    assert sorted(trial.value for trial in study.trials) == [3, 5, 7, 12, 14]


def test_pruned_and_infinite_results_do_not_stop_it():
    def odd(trial):
        value = objective(trial)
        if trial.number % 3 == 0:
            raise optuna.TrialPruned
        return math.inf if trial.number % 3 == 1 else value

    study = optuna.create_study(sampler=op.OptiProxySampler(SPACE))
    study.optimize(odd, n_trials=15)
    assert len({tuple(params.values()) for params in course(study)}) == 15


def test_a_journal_is_gone_on_with_by_another_process(tmp_path):
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "o.journal"))
    options = {"study_name": "s", "direction": "maximize", "load_if_exists": True}
    for _ in range(2):
        storage = optuna.storages.JournalStorage(backend)
        sampler = op.OptiProxySampler(SPACE, seed=1)
        study = optuna.create_study(storage=storage, sampler=sampler, **options)
        study.optimize(objective, n_trials=7)
    assert course(study) == course(studied(14))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"space": {"width": [1]}}, "space"),
        ({"seed": -1}, "seed: got -1"),
        ({"proxy": "pg"}, "did you mean 'gp'"),
    ],
)
def test_bad_arguments_are_told_at_once(arguments, said):
    with pytest.raises(InvalidValueError, match=said):
        op.OptiProxySampler(**arguments)


def test_none_among_the_options_of_another_parameter_is_one_of_several():
    def other(trial):
        objective(trial)
        return trial.suggest_categorical("other", [None, "batch", "layer"]) is None

    study = optuna.create_study(sampler=op.OptiProxySampler(SPACE, seed=1), direction="maximize")
    study.optimize(other, n_trials=15)
    assert {trial.params["other"] for trial in study.trials} == {None, "batch", "layer"}


WIDTH = {"width": [16, 32, 64]}


@pytest.mark.parametrize("options", [[16, 32], [16, 32, 64, 128], [16, 32, "64"]])
def test_options_that_the_space_does_not_have_are_named(options):
    study = optuna.create_study(sampler=op.OptiProxySampler(op.spaces.Chain(WIDTH)))
    said = r"parameter 'width': got \[16, 32.*; suggest it with .*, \[16, 32, 64\]"
    with pytest.raises(InvalidValueError, match=said):
        study.optimize(lambda trial: trial.suggest_categorical("width", options), n_trials=3)


def test_the_order_of_options_is_the_objective_s():
    space = op.spaces.Chain(WIDTH)
    study = optuna.create_study(direction="maximize", sampler=op.OptiProxySampler(space))
    study.optimize(lambda trial: trial.suggest_categorical("width", [64, 16, 32]), n_trials=3)
    assert sorted(trial.value for trial in study.trials) == [16, 32, 64]
