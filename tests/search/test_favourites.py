"""Training-free scores lead the first queries, as long as they and the results correlate."""

from __future__ import annotations

import math

import numpy as np
import pytest

import optiproxy as op
from optiproxy.spaces import Architecture, Chain

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(7)})


def _value(arch: Architecture) -> float:
    return float(sum(math.sin(3 * i + arch[name]) for i, name in enumerate(SPACE.names)))


BEST = max(map(_value, SPACE.enumerate()))


def _search(score, queries: int, seed: int = 0, **options) -> op.OptiProxy:
    opt = op.OptiProxy(SPACE, {"y": "max"}, seed=seed, features=score, **options)
    for _ in range(queries // 2):
        archs = opt.ask(2)
        opt.tell(archs, [_value(arch) for arch in archs])
    return opt


def test_an_informative_score_finds_the_best_among_the_first_queries() -> None:
    opt = _search({"good": lambda arch: _value(arch) ** 3}, 4)
    assert opt.best is not None
    assert opt.best.metrics["y"] == pytest.approx(BEST)


def test_favourites_are_judged_against_balanced_queries() -> None:
    opt = _search({"good": _value}, 10)
    plain = op.OptiProxy(SPACE, {"y": "max"}, seed=0).ask(2)
    assert sum(query.architecture in plain for query in opt.queries) == 2


def test_the_vote_that_goes_with_the_results_fills_the_places() -> None:
    """Of two opposite scores the good one leads from the fifth query on."""
    opt = _search({"wrong": lambda arch: -_value(arch), "good": _value}, 10)
    best = sorted(map(_value, SPACE.enumerate()))[-7:]
    assert sum(_value(query.architecture) >= best[0] for query in opt.queries) >= 6


def test_a_misleading_score_loses_its_places() -> None:
    wrong = {"wrong": lambda arch: -_value(arch)}
    opt = _search(wrong, 10)
    scores = [-_value(query.architecture) for query in opt.queries]
    worst = sorted(-_value(arch) for arch in SPACE.enumerate())[-30:]
    assert sum(score >= worst[0] for score in scores) <= 3  # of the eight places of scores


def test_scores_that_agree_are_one_vote() -> None:
    features = {
        "one": _value,
        "again": lambda arch: 2 * _value(arch) + 1,
        "other": lambda arch: float(arch["c0"]),
    }
    opt = op.OptiProxy(SPACE, {"y": "max"}, seed=0, features=features)
    assert len(opt._prior.favourites.votes) == 2


def test_favourites_keep_exact_limits_and_differ_by_seed() -> None:
    size = {"size": lambda arch: float(sum(arch.values()))}
    found = []
    for seed in (0, 1):
        opt = op.OptiProxy(
            SPACE, {"y": "max"}, seed=seed, constraints={"size": "<= 9"},
            exact=size, features={"size": size["size"]},
        )  # fmt: skip
        archs = opt.ask(6)
        assert all(sum(arch.values()) <= 9 for arch in archs)
        found.append(archs)
    assert found[0] != found[1]


def test_the_same_seed_gives_the_same_queries() -> None:
    first, second = (_search({"good": _value}, 8, seed=3) for _ in range(2))
    assert np.array_equal(first.rows, second.rows)


@pytest.mark.filterwarnings("error")
def test_failed_queries_judge_no_score() -> None:
    opt = op.OptiProxy(SPACE, {"y": "max"}, seed=0, features={"good": _value})
    for _ in range(5):
        archs = opt.ask(2)
        opt.tell(archs, [None] * len(archs))
    assert len(opt.ask(2)) == 2
