"""A study of another space teaches by what its networks have in common with this one's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.proxies.training_free import joined
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Cell, Chain, Space
from optiproxy.spaces.architecture import Architecture

EARLIER = Cell(nodes=4, operations=["none", "skip_connect", "nor_conv_3x3", "avg_pool_3x3"])
LATER = Cell(nodes=5, operations=["none", "identity", "conv3x3", "maxpool3x3"])


def score(arch: Architecture) -> float:
    """Convolutions help, pooling harms; the edges differ a little."""
    values = {"conv": 1.0, "pool": -1.0}
    return sum(
        value * (1 + 0.1 * np.sin(place))
        for place, option in enumerate(arch.values())
        for word, value in values.items()
        if word in str(option)
    )


def study(space: Space = EARLIER, *, shuffled: bool = False) -> Any:
    archs = space.sample(60, seed=3)
    values = np.array([score(arch) for arch in archs])
    if shuffled:
        values = np.random.default_rng(0).permutation(values)
    queries = [
        SimpleNamespace(architecture=arch, metrics={"score": float(value)}, feasible=True)
        for arch, value in zip(archs, values, strict=True)
    ]
    return SimpleNamespace(space=space, queries=queries)


def first(warm_start: list[Any], seed: int) -> list[Architecture]:
    return OptiProxy(LATER, "score=max", seed=seed, warm_start=warm_start).ask(4)


@pytest.mark.slow
def test_the_first_queries_are_better_than_a_design() -> None:
    with pytest.warns(UserWarning, match=r"another space.* in common .*conv.*, longest path, .*"):
        warm = [max(map(score, first([study()], seed))) for seed in range(3)]
    cold = [max(map(score, first([], seed))) for seed in range(3)]
    assert min(warm) > 6.0
    assert np.mean(warm) > np.mean(cold) + 2.0


@pytest.mark.filterwarnings("ignore:warm_start")
def test_a_study_that_ranks_nothing_is_left_out() -> None:
    assert first([study(shuffled=True)], 0) == first([], 0)


@pytest.mark.filterwarnings("ignore:warm_start")
def test_a_study_that_misleads_loses_its_places() -> None:
    opt = OptiProxy(LATER, "score=min", warm_start=[study()])  # learns that few convolutions win
    archs = opt.ask(4)
    opt.tell(archs, [-score(arch) for arch in archs])
    cold = OptiProxy(LATER, "score=min")
    cold.tell(archs, [-score(arch) for arch in archs])
    assert opt.ask(3) == cold.ask(3)


@pytest.mark.filterwarnings("ignore:warm_start")
def test_beside_scores_of_networks() -> None:
    def scores(archs: Any) -> Any:
        values = [[np.nan if i % 5 == 4 else score(arch)] for i, arch in enumerate(archs)]
        return SimpleNamespace(names=("naswot",), values=np.array(values).reshape(-1, 1))

    table = joined(scores, {"lesson": score})(LATER.sample(10, seed=0))
    assert table.names == ("naswot", "lesson")
    assert np.isnan(table.values).any(1).tolist() == 2 * [False, False, False, False, True]
    opt = OptiProxy(LATER, "score=max", warm_start=[study()], features=scores)
    archs = opt.ask(4)
    opt.tell(archs, [score(arch) for arch in archs])
    assert len(opt.ask(8)) == 8


def test_what_can_not_teach_is_an_error() -> None:
    pairs = [(query.architecture, query.metrics) for query in study().queries]
    with pytest.raises(InvalidValueError, match=r"another space.* give the study itself"):
        OptiProxy(LATER, "score=max", warm_start=[pairs])
    other = Chain({"colour": ["red", "blue", "grey"], "taste": ["sweet", "sour"]})
    with pytest.raises(InvalidValueError, match=r"another space.* varies in both; leave it out"):
        OptiProxy(LATER, "score=max", warm_start=[study(other)])
