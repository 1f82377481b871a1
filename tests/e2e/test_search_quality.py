"""Searches of published tables, judged over many seeds against bounds with room to spare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optiproxy import tasks
from optiproxy.methods import METHODS

SEEDS = range(12)


def regrets(task: tasks.Task, method: str, budget: int) -> np.ndarray:
    """Regret of the best validation accuracy after `budget` queries, one for each seed."""
    reached = []
    for seed in SEEDS:
        opt = METHODS.get(method)(task, {"val_accuracy": "max"}, seed=seed)
        while len(opt.queries) < budget:
            archs = opt.ask(min(opt.batch_size, budget - len(opt.queries)))
            opt.tell(archs, [task.visible(task.query(a).metrics or {}) for a in archs])
        assert opt.best is not None
        assert opt.best.metrics is not None
        reached.append(task.regret(opt.best.metrics))
    return np.array(reached)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nb201-cifar100", "nb201-imagenet16-120"])
def test_half_the_queries_beat_the_baselines(published: Path, name: str) -> None:
    """Local search and evolution leave about 0.3 points after 100 queries.

    Over the same seeds ours has to be as good with 50 as the better of them with 100, give or take
    0.05; and, seed by seed, better than random search almost always.
    """
    task = tasks.get(name)
    ours = regrets(task, "optiproxy", 50)
    others = {m: regrets(task, m, 100) for m in ("random", "evolution", "local")}
    assert (ours < others["random"]).mean() >= 0.9
    assert ours.mean() < 0.5
    assert ours.mean() < others["random"].mean() / 4
    assert ours.mean() < min(others["evolution"].mean(), others["local"].mean()) + 0.05


@pytest.mark.slow
def test_baselines_reach_their_published_level(published: Path) -> None:
    """Nobody is helped by weak baselines: plain ones leave 0.344 and 0.273 on CIFAR-100."""
    task = tasks.get("nb201-cifar100")
    assert regrets(task, "evolution", 100).mean() < 0.55
    assert regrets(task, "local", 100).mean() < 0.55


@pytest.mark.slow
def test_the_best_network_within_a_limit_is_found(published: Path) -> None:
    """Cells of one network differ in latency; where they waited for all others, 0.33 was left."""
    task = tasks.get("hw-nb201-cifar10-fpga").replaced(constraints={"latency_ms": "<= 30%"})
    ours = regrets(task, "optiproxy", 50)
    assert ours.mean() < 0.25
    assert (ours <= 1e-9).mean() >= 0.25
