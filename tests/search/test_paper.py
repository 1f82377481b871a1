"""The published method: its settings are what they say, and its parts do what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.search.paper import SETTINGS, Paper, Settings
from optiproxy.spaces import Cell, Darts, Graph, Pool, Recurrent
from optiproxy.spaces.architecture import Indices

SPACE = Cell(nodes=4, operations=["none", "skip", "conv1", "conv3"])


def score(row: Indices) -> float:
    return float((row == 3).sum() - 0.5 * (row == 0).sum())


def searched(budget: int = 25, **options: object) -> Paper:
    opt = Paper(SPACE, {"score": "max"}, **options)  # type: ignore[arg-type]
    while len(opt.queries) < budget:
        archs = opt.ask(5)
        opt.tell(archs, [{"score": score(row), "cost": float((row == 3).sum())}
                         for row in SPACE.to_indices(archs)])  # fmt: skip
    return opt


@pytest.mark.slow
def test_climbs_where_draws_alone_do_not() -> None:
    """Six choices of four: a draw is the best one in 4,096."""
    led = [searched(seed=s).values("score")[10:].mean() for s in range(2)]
    ranked = [searched(seed=s, climbs=False).values("score")[10:].mean() for s in range(2)]
    blind = [score(row) for row in SPACE.random_indices(500, np.random.default_rng(0))]
    assert np.mean(ranked) > np.mean(blind) + 0.5
    assert np.mean(led) > np.mean(ranked)


@pytest.mark.slow
def test_what_is_predicted_far_beyond_a_limit_is_ranked_out() -> None:
    opt = searched(constraints={"cost": "<= 2"}, seed=1)
    # Predicted score 1 and 0; predicted cost 6 and 1, standardised as targets are: less is more.
    cost = -opt.values("cost")
    mean = np.array(
        [[1.0, (-6 - cost.mean()) / cost.std()], [0.0, (-1 - cost.mean()) / cost.std()]]
    )
    worse, better = opt._ranked(mean)
    assert better > worse
    assert np.mean([q.feasible for q in opt.queries[10:]]) > 0.5


def test_a_share_is_a_share() -> None:
    with pytest.raises(InvalidValueError, match="exploration"):
        Paper(SPACE, {"score": "max"}, exploration=1.5)


def test_a_switch_is_a_switch() -> None:
    with pytest.raises(InvalidValueError, match="climbs: got 'no'; give True or False"):
        Paper(SPACE, {"score": "max"}, climbs="no")  # type: ignore[arg-type]


def test_settings_are_those_that_were_published_for_a_space() -> None:
    darts, recurrent = Darts(), Recurrent(nodes=4)
    graph = Graph(vertices=5, operations=["conv1", "conv3"], max_edges=7)
    pool = Pool(graph, graph.sample(8))
    for space, name in ((darts, "nb301"), (recurrent, "nb-nlp"), (graph, "nb101"), (pool, "nb101")):
        assert Paper(space, "score=max").settings is SETTINGS[name]
    opt = Paper(SPACE, "score=max")
    assert opt.settings == Settings()
    assert (opt.n_init, opt.batch_size) == (10, 5)


def test_settings_by_name() -> None:
    opt = Paper(SPACE, "score=max", settings="nb201-cifar10")
    assert (opt.n_init, opt.batch_size) == (10, 10)
    with pytest.raises(InvalidValueError, match=r"settings.*did you mean 'nb201-cifar10'"):
        Paper(SPACE, "score=max", settings="nb201-cifar")


def test_they_decide_how_it_fits_and_climbs(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(Settings(), n_init=5, hidden=7, epochs=3, groups=4, candidates=6, steps=2)
    monkeypatch.setitem(SETTINGS, "few", few)
    opt = Paper(SPACE, {"score": "max"}, settings="few", seed=3)
    first = opt.ask(5)
    opt.tell(first, [{"score": score(row)} for row in SPACE.to_indices(first)])
    candidates, gcn = opt._candidates(5, np.random.default_rng(0))
    assert (gcn.hidden, gcn.training.epochs) == (7, 3)
    assert 5 <= len(candidates) <= 30
