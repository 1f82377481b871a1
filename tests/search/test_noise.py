"""Noisy evaluations: repeats, the choice of the best, and what is evaluated again."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import optiproxy as op
from optiproxy.baselines import RandomSearch
from optiproxy.errors import InvalidValueError
from optiproxy.search.optiproxy import OptiProxy

SPACE = op.spaces.Chain({"a": list(range(8)), "b": list(range(8)), "c": [0, 1, 2]})


def truth(arch: op.Architecture) -> float:
    return 10.0 - (arch["a"] - 4) ** 2 - (arch["b"] - 3) ** 2 - arch["c"]


def told(method=RandomSearch, queries: int = 24, **options):
    opt = method(SPACE, {"score": "max"}, seed=3, **options)
    archs = opt.ask(queries)
    opt.tell(archs, [truth(arch) for arch in archs])
    return opt


def test_an_architecture_that_is_told_again_is_a_repeat_and_no_query():
    opt = told()
    first = opt.queries[4]
    opt.tell([first.architecture, first.architecture], [{"score": 1.0, "extra": 3.0}, None])
    assert len(opt.queries) == len(opt.rows) == 24
    query = opt.queries[4]
    assert query.results == (first.metrics, {"score": 1.0, "extra": 3.0}, None)
    assert query.metrics == {"score": (first.metrics["score"] + 1) / 2, "extra": 3.0}
    assert opt.values("score")[4] == query.metrics["score"]


def test_a_failure_that_succeeds_when_repeated_has_a_result():
    opt = RandomSearch(SPACE, {"score": "max"}, constraints={"ms": "<= 5"})
    (arch,) = opt.ask(1)
    opt.tell([arch], [None])
    assert opt.best is None
    opt.tell([arch], [{"score": 1.0, "ms": 4.0}])
    assert opt.best.metrics == {"score": 1.0, "ms": 4.0}
    # The mean latency decides, not the last one.
    opt.tell([arch], [{"score": 1.0, "ms": 8.0}])
    assert not opt.queries[0].feasible


def test_a_history_that_is_read_back_has_its_repeats():
    opt, other = told(), RandomSearch(SPACE, {"score": "max"}, seed=3)
    again = opt.queries[2].architecture
    opt.tell([again], [5.0])
    pairs = [(q.architecture, q.metrics if i != 2 else truth(again))
             for i, q in enumerate(opt.queries)]  # fmt: skip
    other.restore([*pairs, (again, 5.0)])
    assert other.queries == opt.queries
    assert other.ask(3) == opt.ask(3)


def test_the_luckiest_value_is_not_the_best():
    """The noise is three times the step from the best to the second: the mean of many decides."""
    rng = np.random.default_rng(0)
    lucky = shrunk = 0.0
    for seed in range(5):
        opt = RandomSearch(SPACE, {"score": "max"}, seed=seed)
        archs = opt.ask(60)
        noisy = [truth(arch) + 3 * rng.normal() for arch in archs]
        opt.tell(archs, noisy)
        assert opt.best.metrics["score"] == max(noisy)  # As it always was, without repeats.
        lucky += truth(opt.best.architecture)
        opt.noise = "single"
        shrunk += truth(opt.best.architecture)
    assert shrunk > lucky + 2


def test_the_noise_is_learnt_from_repeats():
    """Of two equally good results the one that repeats gave again is believed."""
    opt = told()
    best = opt.best.architecture
    known = [query.architecture for query in opt.queries]
    other = next(a for a in SPACE.enumerate() if a["a"] == 0 and a not in known)
    opt.tell([other], [truth(best) + 0.5])
    assert opt.best.architecture == other
    opt.tell([best] * 3, [truth(best) + e for e in (0.01, -0.02, 0.02)])
    opt.tell([other] * 3, [truth(other) + e for e in (0.5, -0.5, 0.2)])
    assert opt.best.architecture == best


def test_exact_evaluations_are_not_shrunk():
    opt = told()
    opt.noise = "none"
    opt.tell([opt.queries[0].architecture], [opt.queries[0].metrics])
    assert not opt.noisy
    assert opt.best.metrics["score"] == max(opt.values("score"))


def test_what_may_be_the_best_is_repeated_first():
    opt = told(queries=40)
    counts: Counter[op.Architecture] = Counter()
    for _ in range(12):
        arch = opt.to_repeat(waiting=list(counts.elements())[-1:])
        counts[arch] += 1
        opt.tell([arch], [truth(arch) + 2 * (-1) ** counts[arch]])
    order = sorted(counts, key=truth)
    assert opt.to_repeat() == opt.to_repeat()  # A function of the history.
    assert 2 <= len(counts) <= 8
    assert truth(order[0]) > np.median([truth(q.architecture) for q in opt.queries])
    empty = RandomSearch(SPACE, {"score": "max"})
    assert empty.to_repeat() is None
    assert empty.best is None


@pytest.mark.parametrize("constraints", [None, {"ms": "<= 6"}])
def test_the_search_goes_on_after_repeats(constraints):
    opt = OptiProxy(SPACE, {"score": "max"}, constraints=constraints, seed=0, n_init=6)

    def result(arch, error=0.0):
        return {"score": truth(arch) + error, "ms": float(arch["a"])}

    for _ in range(4):
        archs = opt.ask(4)
        opt.tell(archs, [result(arch) for arch in archs])
        opt.tell(archs[:2], [result(archs[0], 0.2), None])
    assert len(opt.queries) == 16
    assert opt.best.feasible
    assert len({q.architecture for q in opt.queries}) == 16


def test_noise_is_one_of_three():
    with pytest.raises(InvalidValueError, match="Task: noise: got 'repeats'; did you mean"):
        op.Task("t", SPACE, truth, objectives="score=max", noise="repeats")
    task = op.Task("t", SPACE, truth, objectives="score=max", noise="repeat")
    assert OptiProxy(task).noisy
    assert task.replaced(constraints="score>=0").noise == "repeat"
