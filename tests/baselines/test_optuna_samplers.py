"""Optuna's samplers: the study that stands for the history, and what a sampler repeats."""

from __future__ import annotations

import logging

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from optiproxy.baselines._order import Order
from optiproxy.baselines.optuna_samplers import NSGA2, TPE, GPSampler
from optiproxy.spaces import Chain, Pool

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(6)})
SMALL = Chain({"a": [1, 2, 3], "b": ["x", None], "only": [True]})


def total(arch: object) -> float:
    return float(sum(arch.values()))  # type: ignore[attr-defined]


def test_history_becomes_a_study() -> None:
    opt = TPE(SMALL, {"y": "max", "size": "min"}, constraints="size<=3", seed=0)
    archs = opt.ask(4)
    opt.tell(archs[:3], [{"y": 1.0, "size": 5.0}, None, {"y": 2.0, "size": 3.0}])
    study = opt._study(seed=0)
    trials = study.trials
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING]
    assert [t.state for t in trials] == states
    assert trials[0].values == [1.0, 5.0]
    assert [t.constraints for t in trials if t.values] == [{"size <= 3": 2.0}, {"size <= 3": 0.0}]
    rows = SMALL.to_indices(archs)
    assert [[t.params[name] for name in SMALL.names] for t in trials] == rows.tolist()


def test_first_proposals_are_those_of_optuna() -> None:
    """Nothing stands between the sampler and the proposal but the numbering of the options."""
    archs = SPACE.sample(30, seed=1)
    opt = TPE(SPACE, "y=max", seed=5)
    opt.tell(archs, [total(a) for a in archs])
    seed = int(np.random.default_rng([5, 30, 0]).integers(2**31))
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    distributions = opt._distributions
    for row, arch in zip(SPACE.to_indices(archs), archs, strict=True):
        params = dict(zip(SPACE.names, row.tolist(), strict=True))
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=total(arch))
        )
    assert SPACE.to_indices(opt.ask(1))[0].tolist() == list(
        study.ask(distributions).params.values()
    )


def test_a_choice_with_an_order_is_a_whole_number() -> None:
    space = Chain({"op": ["a", "b", "c"], "width": [64, 16, 256, 32], "norm": [None, 1, 2, 4]})
    opt = TPE(space, "y=max", seed=0)
    arch = space.architecture({"op": "b", "width": 64, "norm": 4})
    opt.tell([arch], [1.0])
    (trial,) = opt._study(seed=0).trials
    assert trial.params == {"op": 1, "width": 2, "norm": 3}
    whole = optuna.distributions.IntDistribution(0, 3)
    assert [d == whole for d in trial.distributions.values()] == [False, True, False]


def test_parameters_and_options_lead_to_each_other() -> None:
    space = Chain({"op": ["a", "b"], "width": [64, 16, 256, 32], "depth": [3, 2, 1]})
    order = Order(space)
    assert order.ordered.tolist() == [False, True, True]
    for arch, indices in zip(space.enumerate(), space.all_indices, strict=True):
        row = order.parameters(indices)
        np.testing.assert_array_equal(order.row(row), indices)
        assert row[1:] == [sorted([64, 16, 256, 32]).index(arch["width"]), arch["depth"] - 1]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "bound"), [(TPE, 16), (GPSampler, 17)])
def test_learns(method: type[TPE], bound: int) -> None:
    """Of 18: five seeds had 17 or 18 with TPE, 18 with the other; 60 random draws average 15.2."""
    opt = method(SPACE, "y=max", seed=0)
    while len(opt.queries) < 60:
        archs = opt.ask(10)
        opt.tell(archs, [total(a) for a in archs])
    assert opt.best is not None
    assert opt.best.metrics is not None
    assert opt.best.metrics["y"] >= bound


def test_generations_are_those_that_optuna_counts() -> None:
    sampler = optuna.samplers.NSGAIISampler(seed=0, population_size=NSGA2.population)
    study = optuna.create_study(directions=["maximize"], sampler=sampler)
    opt = NSGA2(SPACE, "y=max", seed=0)
    for i in range(50):
        trial = study.ask(opt._distributions)
        study.tell(trial, float(sum(trial.params.values())))
        attributes = study.trials[-1].system_attrs.items()
        assert opt._attributes(i).items() <= attributes


def test_nsga2_breeds_from_the_last_generation() -> None:
    """After the first generation an option that none of the parents has comes by mutation alone."""
    opt = NSGA2(SPACE, "y=max", seed=0)
    archs = [SPACE.from_indices(np.array([row]))[0] for row in SPACE.all_indices[:: 4**2][:20]]
    opt.tell(archs, [total(a) for a in archs])
    children = SPACE.to_indices(opt.ask(20))
    parents = opt.rows
    strange = [(child[c] != parents[:, c]).all() for child in children for c in range(6)]
    assert np.mean(strange) < 0.3  # ten seeds had 0.15 to 0.23; random architectures have 0.46


def test_a_model_is_told_what_it_repeats() -> None:
    opt = GPSampler(SMALL, "y=max", seed=0)
    archs = SMALL.from_indices(SMALL.all_indices)
    opt.tell(archs[:3], [1.0, 2.0, None])
    study = opt._study(0)
    for row, state in ((0, TrialState.COMPLETE), (2, TrialState.FAIL), (4, TrialState.FAIL)):
        trial = study.ask(opt._distributions)
        opt._repeat(study, trial, SMALL.all_indices[row])
        assert study.trials[-1].state == state
    assert study.trials[3].values == [1.0]


def test_a_pool_is_searched_by_the_sampler_and_not_at_random() -> None:
    """A pool holds 60 of 4,096: what a sampler proposes stands for the nearest that is listed."""
    pool = Pool(SPACE, SPACE.sample(60, seed=5))
    opt = TPE(pool, {"y": "max"}, seed=3)
    started = pool.sample(20, seed=1)
    opt.tell(started, [total(arch) for arch in started])
    seed = int(np.random.default_rng([3, 20, 0]).integers(2**31))
    study = opt._study(seed)
    known = set(started)
    while True:
        trial = study.ask(opt._distributions)
        row = np.array([[trial.params[name] for name in pool.names]])
        [meant] = pool.from_indices(pool.repair(row))
        if meant not in known:
            break
        study.tell(trial, state=TrialState.FAIL)
    assert opt.ask(1) == [meant]


def test_optunas_log_is_left_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(caplog.handler)
    try:
        TPE(SPACE, "y=max", seed=0).ask(3)
        assert logger.level == logging.INFO
        assert caplog.records == []
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)
