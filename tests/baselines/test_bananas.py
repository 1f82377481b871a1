"""BANANAS: the encoding, the ensemble, and where candidates come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from optiproxy.baselines import bananas
from optiproxy.baselines.bananas import BANANAS, PARENTS
from optiproxy.spaces import NB201_OPERATIONS, Cell, Chain

CELL = Cell(nodes=4, operations=NB201_OPERATIONS)
SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(6)})


def total(arch: object) -> float:
    return float(sum(arch.values()))  # type: ignore[attr-defined]


def test_path_encoding_is_the_set_of_sequences() -> None:
    """As the paper says it: which sequences of operations lead from input to output."""
    rows = CELL.random_indices(50, np.random.default_rng(0))
    x = bananas._path_encoding(CELL, rows)
    assert x.shape == (50, 5 + 25 + 125)
    sets = [frozenset(tuple(row[list(path)]) for path in CELL.paths) for row in rows]
    assert x.sum(1).tolist() == [len(s) for s in sets]
    for i in range(50):
        for j in range(i):
            assert float(x[i] @ x[j]) == len(sets[i] & sets[j])


def test_choices_with_other_options_share_nothing() -> None:
    space = Chain({"a": [1, 2], "b": [1, 2], "c": [3, 4]})
    x = bananas._path_encoding(space, np.array([[0, 1, 0]]))
    assert x.shape == (1, 2 + 2 + 4 + 4)  # a and b; c; a then b; b then c
    assert float(x.sum()) == 2 + 1 + 1 + 1


@pytest.mark.slow
def test_ensemble_learns_and_its_members_differ() -> None:
    rows = SPACE.random_indices(120, np.random.default_rng(1))
    x = bananas._path_encoding(SPACE, rows)
    y = torch.from_numpy(rows.sum(1)).float()
    y = (y - y.mean()) / y.std()
    networks = bananas._fitted(x[:80], y[:80], torch.Generator().manual_seed(0))
    out = bananas._forward(networks, x[80:]).detach()
    assert out.shape == (bananas.MEMBERS, 40)
    assert float(out.std(0).min()) > 0
    # Ten seeds had 0.82 to 0.96.
    assert spearmanr(out.mean(0), y[80:]).statistic > 0.7


@pytest.mark.slow
def test_asks_for_mutations_of_the_best() -> None:
    opt = BANANAS(SPACE, "y=max", seed=0)
    for _ in range(10):
        archs = opt.ask(5)
        if len(opt.queries) >= opt.n_init:
            best = opt.rows[np.argsort(-opt.scores(), kind="stable")[:PARENTS]]
            steps = (SPACE.to_indices(archs)[:, None] != best[None]).sum(-1)
            assert (steps == 1).any(1).all()
        opt.tell(archs, [total(a) for a in archs])
    assert opt.best is not None
    assert opt.best.metrics is not None
    # Of 18; ten seeds had 17 or 18, the best of 50 random draws averages 14.9.
    assert opt.best.metrics["y"] >= 17
