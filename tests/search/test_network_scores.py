"""Scores that are computed for few networks and predicted for the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

import optiproxy as op
from optiproxy.proxies.training_free import SAMPLE_OF_NETWORKS, Scores
from optiproxy.spaces import Architecture, Chain

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(7)})


def _value(arch: Architecture) -> float:
    return float(sum(math.sin(3 * i + arch[name]) for i, name in enumerate(SPACE.names)))


BEST = max(map(_value, SPACE.enumerate()))


class Networks:
    """As `scores.NetworkScores`; `value` may be NaN."""

    def __init__(self, *values, left: int = 10**9) -> None:
        self.values, self.left = values, left
        self.scored: set[Architecture] = set()

    def __call__(self, archs: Sequence[Architecture]):
        table = np.full((len(archs), len(self.values)), np.nan)
        for i, arch in enumerate(archs):
            if arch in self.scored or len(self.scored) < self.left:
                self.scored.add(arch)
                table[i] = [value(arch) for value in self.values]
        return SimpleNamespace(names=tuple(f"s{i}" for i in range(len(self.values))), values=table)


def _search(networks: Networks, queries: int, opt: op.OptiProxy | None = None) -> op.OptiProxy:
    opt = opt or op.OptiProxy(SPACE, {"y": "max"}, seed=3, features=networks)
    while len(opt.queries) < queries:
        archs = opt.ask(2)
        opt.tell(archs, [_value(arch) for arch in archs])
    return opt


def test_an_informative_score_finds_the_best_with_few_networks() -> None:
    networks = Networks(lambda arch: 3 + 2 * _value(arch))
    opt = _search(networks, 14)
    assert opt.best is not None
    assert opt.best.metrics["y"] == BEST
    assert len(networks.scored) < SPACE.count / 50


@pytest.mark.slow
def test_a_resumed_search_is_the_same_whatever_was_scored_before() -> None:
    whole = _search(Networks(_value), 24)
    part = op.OptiProxy(SPACE, {"y": "max"}, seed=3, features=Networks(_value))
    part.restore([(q.architecture, q.metrics) for q in whole.queries[:14]])
    assert np.array_equal(_search(Networks(), 24, part).rows, whole.rows)


def test_a_score_is_predicted_where_it_is_not_computed() -> None:
    networks = Networks(_value)
    scores = Scores(SPACE, 1, networks)
    assert len(networks.scored) == SAMPLE_OF_NETWORKS
    rows = SPACE.random_indices(40, np.random.default_rng(0))
    predicted = scores.of(rows)
    assert len(networks.scored) == SAMPLE_OF_NETWORKS
    scores.look_at(rows)
    assert scores.only([0]).of(rows) is not predicted
    assert 0 < np.abs(scores.only([0]).of(rows) - predicted).max() < 0.2
    scores.look_at(rows[:0])
    assert np.array_equal(scores.of(rows), predicted)


def test_scores_are_left_out_when_time_is_up_before_there_are_enough() -> None:
    networks = Networks(_value, left=5)
    opt = _search(networks, 12)
    plain = op.OptiProxy(SPACE, {"y": "max"}, seed=3)
    assert np.array_equal(opt.rows, _search(Networks(), 12, plain).rows)


def test_what_could_not_be_scored_is_predicted() -> None:
    scores = Scores(SPACE, 1, Networks(lambda arch: math.nan if arch["c0"] == 3 else _value(arch)))
    rows = SPACE.random_indices(40, np.random.default_rng(0))
    scores.look_at(rows)
    assert np.isfinite(scores.of(rows)).all()
    assert scores.of(rows[rows[:, 0] == 3]).min() > -2
