"""What each baseline does, beyond the protocol that tests/search checks for all methods."""

from __future__ import annotations

import numpy as np

from optiproxy.baselines.evolution import POPULATION, RegularizedEvolution
from optiproxy.baselines.local import LocalSearch
from optiproxy.baselines.random import RandomSearch
from optiproxy.spaces import Chain

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(6)})


def total(arch: object) -> float:
    return float(sum(arch.values()))  # type: ignore[attr-defined]


def test_random_search_is_uniform() -> None:
    opt = RandomSearch(SPACE, "y=max", seed=0)
    rows = SPACE.to_indices(opt.ask(2000))
    counts = np.stack([np.bincount(rows[:, c], minlength=4) for c in range(6)])
    # 500 expected, standard deviation 19.
    assert np.abs(counts - 500).max() < 100


def test_evolution_mutates_the_young() -> None:
    """After the first population each child is one step from one of the last 20."""
    opt = RegularizedEvolution(SPACE, "y=max", seed=0)
    for _ in range(80):
        archs = opt.ask(1)
        if len(opt.queries) >= POPULATION:
            rows = opt.rows[-POPULATION:]
            assert ((rows != SPACE.to_indices(archs)).sum(1) == 1).any()
        opt.tell(archs, [total(a) for a in archs])
    assert opt.best is not None
    assert opt.best.metrics is not None
    assert opt.best.metrics["y"] >= 15  # of 18; the best of 80 random draws averages 14


def test_local_search_climbs_to_an_optimum_and_restarts() -> None:
    opt = LocalSearch(SPACE, "y=max", seed=0)
    starts = 0
    for _ in range(150):
        position = opt._position()
        starts += position is None
        archs = opt.ask(1)
        if position is not None:
            assert ((position != SPACE.to_indices(archs)[0]).sum()) == 1
        opt.tell(archs, [total(a) for a in archs])
    assert opt.best is not None
    assert opt.best.metrics == {"y": 18.0}
    assert starts >= 2
