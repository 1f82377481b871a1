"""Cheap answers that inform full ones: the model of both, and what is asked in full."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners
from optiproxy.methods import METHODS
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.two_fidelities import TwoFidelities
from optiproxy.search.optiproxy import PROMOTED, OptiProxy
from optiproxy.spaces import Cell, Chain

SPACE = Cell(nodes=4, operations=["none", "skip", "conv"])
ROWS = SPACE.random_indices(200, np.random.default_rng(0))


def cheap(rows: np.ndarray) -> np.ndarray:
    """Convolutions count, those of the first edges for more."""
    return ((rows == 2) * np.linspace(2.0, 0.5, len(SPACE))).sum(1)


def full(rows: np.ndarray) -> np.ndarray:
    """What is cheap on another scale, and an edge that only shows in the end."""
    return 70.0 + 3 * cheap(rows) + 4.0 * (rows[:, 5] == 1)


def tensors(rows: np.ndarray, values: np.ndarray, proxy) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.from_numpy((values - values.mean()) / values.std())[:, None]
    return corners(SPACE, torch.from_numpy(rows), proxy.dtype), y.to(proxy.dtype)


def test_few_full_answers_are_enough_beside_many_cheap_ones() -> None:
    low = GaussianProcess(SPACE, seed=0)
    low.fit(*tensors(ROWS[:60], cheap(ROWS[:60]), low))
    both = TwoFidelities(low, GaussianProcess(SPACE, seed=0))
    alone = GaussianProcess(SPACE, seed=0)
    known, others = ROWS[60:72], ROWS[80:]
    error = []
    for proxy in (both, alone):
        proxy.fit(*tensors(known, full(known), low))
        mean, spread = proxy.predict(corners(SPACE, torch.from_numpy(others), low.dtype))
        assert mean.shape == spread.shape == (len(others), 1)
        assert bool((spread > 0).all())
        x = corners(SPACE, torch.from_numpy(others), low.dtype)
        assert torch.allclose(proxy.mean(x), mean)
        error.append(np.corrcoef(mean[:, 0].detach().numpy(), full(others))[0, 1])
    assert error[0] > error[1]
    assert error[0] > 0.8


def test_an_answer_takes_the_spread_of_the_difference_alone() -> None:
    low = GaussianProcess(SPACE, seed=0)
    low.fit(*tensors(ROWS[:40], cheap(ROWS[:40]), low))
    both = TwoFidelities(low, GaussianProcess(SPACE, seed=0))
    both.fit(*tensors(ROWS[40:50], full(ROWS[40:50]), low))
    posterior = both.posterior(corners(SPACE, torch.from_numpy(ROWS[50:60]), low.dtype))
    before = posterior.spread.clone()
    posterior.condition_on_mean(3)
    assert bool((posterior.spread <= before + 1e-9).all())
    assert posterior.spread[3] < before[3]


@pytest.mark.parametrize("method", ["optiproxy", "random", "evolution"])
def test_the_best_cheap_answers_are_asked_first_and_are_not_known(method: str) -> None:
    opt = METHODS.get(method)(SPACE, {"score": "max"}, seed=0)
    rows = np.unique(ROWS, axis=0)[:40]
    archs = SPACE.from_indices(rows)
    low = list(zip(archs, cheap(rows).tolist(), strict=True))
    best = sorted(range(len(rows)), key=lambda i: -cheap(rows)[i])
    failed = [archs[best[0]], None]
    low[best[0]] = tuple(failed)
    opt.restore([], low=low)
    asked = opt.ask(3)
    assert {cheap(SPACE.to_indices([a]))[0] for a in asked} == set(cheap(rows)[best[1:4]])
    results = [(archs[i], float(full(rows[i : i + 1])[0])) for i in best[1 : PROMOTED + 1]]
    opt.restore(results, low=low)
    again = opt.ask(2)
    assert len(again) == 2
    assert not {a for a, _ in results} & set(again)
    opt.restore(results, low=low)
    assert opt.ask(2) == again  # A function of the history.
    opt.restore([])
    assert opt.queries == ()
    assert opt._low == []


@pytest.mark.parametrize("answered", [0, 1])
def test_hardly_any_cheap_answers_tell_nothing(answered: int) -> None:
    """The others were dropped: their sizes break the limit."""
    space = Chain({"a": list(range(8)), "b": list(range(8)), "c": [0, 1]})
    archs = list(dict.fromkeys(space.sample(40, seed=0)))
    low = [(arch, {"score": 1.0, "size": 1.0}) for arch in archs[:answered]]
    low += [(arch, {"size": 9.0}) for arch in archs[answered:20]]
    optimizer = OptiProxy(space, "score=max", constraints="size<=6", seed=0)
    results = [(arch, {"score": float(arch["a"]), "size": float(arch["b"])}) for arch in archs[20:]]
    optimizer.restore(results, low=low)
    assert len(optimizer.ask(2)) == 2


def test_many_cheap_answers_beside_an_exact_limit() -> None:
    space = Chain({"a": list(range(8)), "b": list(range(8)), "c": [0, 1]})
    archs = space.sample(50, seed=0)
    exact = {"size": lambda arch: float(arch["b"])}
    optimizer = OptiProxy(space, "score=max", constraints="size<=6", exact=exact, seed=0)
    results = [(arch, float(arch["a"] + arch["c"])) for arch in archs]
    optimizer.restore(results[:6], low=results)
    assert len(optimizer.ask(2)) == 2
