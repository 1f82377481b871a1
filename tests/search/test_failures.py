"""Failures that depend on the architecture are foreseen; independent ones teach nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import optiproxy as op
from optiproxy.encodings import corners
from optiproxy.proxies.base import Posterior
from optiproxy.search._batch import Opinion, select_batch
from optiproxy.search._failures import foreseeable
from optiproxy.search._training_targets import Targets
from optiproxy.spaces import Architecture, Chain

SPACE = Chain(
    {
        "depth": [1, 2, 3, 4, 5, 6], "width": [16, 24, 32, 48, 64, 96], "batch": [16, 32, 64],
        "act": ["relu", "gelu", "silu"], "norm": ["bn", "ln", None], "kernel": [3, 5, 7],
    }
)  # fmt: skip
WORTH = {"relu": 0, "gelu": 0.35, "silu": 0.5, "bn": 0.6, "ln": 0.4, None: 0, 3: 0, 5: 0.4, 7: 0.3}


def memory(arch: Architecture) -> float:
    return float(arch["depth"] * arch["width"] * math.sqrt(arch["batch"]))


def value(arch: Architecture) -> float:
    size = 2.2 * math.log(arch["depth"] * arch["width"]) - 0.08 * (arch["depth"] - 4) ** 2
    return size + sum(WORTH[arch[name]] for name in ("act", "norm", "kernel"))


ALL = list(SPACE.enumerate())
ROWS = SPACE.to_indices(ALL)
MEMORY = np.array([memory(arch) for arch in ALL])
LIMIT = float(np.quantile(MEMORY, 0.7))  # The best networks lie just below it.


def _search(fails, seed: int, budget: int = 40) -> tuple[float, np.ndarray]:
    """The regret, and which queries failed."""
    opt = op.OptiProxy(SPACE, {"y": "max"}, seed=seed)
    failed: list[bool] = []
    while len(failed) < budget:
        archs = opt.ask(min(opt.batch_size, budget - len(failed)))
        failed += [fails(arch, seed) for arch in archs]
        results = [None if fails(arch, seed) else {"y": value(arch)} for arch in archs]
        opt.tell(archs, results)
    best = max(value(arch) for arch in ALL if fails is unlucky or not fails(arch, seed))
    return best - opt.best.metrics["y"], np.array(failed)  # type: ignore[union-attr]


def too_large(arch: Architecture, seed: int) -> bool:
    return memory(arch) > LIMIT


def unlucky(arch: Architecture, seed: int) -> bool:
    return bool(np.random.default_rng([seed, *SPACE.to_indices([arch])[0]]).random() < 0.2)


def test_failures_are_foreseen_where_architectures_say_which_fail() -> None:
    p = corners(SPACE, torch.from_numpy(ROWS), torch.float64)
    alike, unlike = 0, 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        some = rng.choice(len(ALL), 24, replace=False)
        alike += foreseeable(SPACE, p[some], torch.from_numpy(MEMORY[some] > LIMIT))
        unlike += foreseeable(SPACE, p[some], torch.from_numpy(rng.random(24) < 0.3))
    assert alike >= 8
    assert unlike <= 2


def test_a_single_failure_teaches_nothing() -> None:
    p = corners(SPACE, torch.from_numpy(ROWS[:5]), torch.float64)
    assert not foreseeable(SPACE, p, torch.tensor([True, False, False, False, False]))
    assert not foreseeable(SPACE, p, torch.ones(5, dtype=torch.bool))


def test_what_is_likely_to_fail_comes_after_all_others() -> None:
    """The first candidate is the best by far and fails in half of the cases; the third mostly."""
    mean = torch.tensor([[9.0, 0.0], [0.0, -3.0], [5.0, 2.0]])
    targets = Targets(
        torch.zeros(1, 2), 1, (), torch.ones(1, dtype=torch.bool), failure=((1, 0.0),)
    )

    def batch(free: list[bool], n: int) -> list[int]:
        opinion = Opinion(Posterior(mean, torch.ones(3, 2)))
        rng = np.random.default_rng(0)
        return select_batch(
            [opinion], range(10, 10 + n), torch.tensor(free), targets, front=None, rng=rng
        )

    assert batch([True, True, True], 3) == [1, 0, 2]
    assert batch([True, False, True], 1) == [0]


@pytest.mark.slow
def test_independent_failures_cost_their_queries_alone() -> None:
    regrets = [_search(unlucky, seed)[0] for seed in range(4)]
    assert np.mean(regrets) < 0.1  # 0.17 while a failure counted as the worst value


@pytest.mark.slow
def test_the_search_works_along_the_edge_of_failure() -> None:
    found = [_search(too_large, seed) for seed in range(4)]
    # The goal; how candidates are ordered is tested above, since these seeds had 0.15 before it.
    assert np.mean([failed[30:] for _, failed in found]) < 0.2
    assert np.mean([regret for regret, _ in found]) < 0.5


@pytest.mark.slow
def test_failures_are_foreseen_beside_limits_fronts_scores_and_low_fidelity() -> None:
    """Every combination proposes something."""
    limits = {"constraints": {"size": "<= 100"}}
    fronts = {"objectives": {"y": "max", "size": "min"}}
    scores = {"features": {"size": lambda arch: float(arch["width"])}}
    for options in (limits, fronts, scores, {**limits, **scores}):
        given = {"objectives": {"y": "max"}, **options}
        opt = op.OptiProxy(SPACE, seed=0, n_init=8, **given)  # type: ignore[arg-type]
        opt.restore([(ALL[0], None), (ALL[-1], {"y": 1.0, "size": 5.0})])
        for _ in range(4):
            archs = opt.ask(4)
            results = [
                None if memory(a) > LIMIT else {"y": value(a), "size": float(a["width"])}
                for a in archs
            ]
            opt.tell(archs, results)
        assert len(opt.queries) == 18
    low = [(arch, {"y": value(arch)} if memory(arch) < LIMIT else None) for arch in ALL[::90]]
    opt = op.OptiProxy(SPACE, {"y": "max"}, seed=0)
    opt.restore([(a, r) for a, r in low[:9]], low=low)
    assert len(opt.ask(3)) == 3
    warm = op.OptiProxy(SPACE, {"y": "max"}, seed=0, warm_start=[low])
    warm.restore([(a, r) for a, r in low[5:18]])
    assert len(warm.ask(3)) == 3
