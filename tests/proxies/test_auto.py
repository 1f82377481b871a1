"""The default proxy: who joins, by what, and what becomes of the prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.proxies import PROXIES, auto
from optiproxy.proxies.auto import Auto
from optiproxy.proxies.base import Proxy
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.spaces import Cell, Chain

SPACE = Cell(nodes=4, operations=["none", "skip", "conv1", "conv3"])
EFFECTS = torch.from_numpy(np.random.default_rng(5).normal(size=(len(SPACE), 4)))


class Oracle(Proxy):
    """Knows a metric that no choice explains: which architecture it is, as a number."""

    dtype = torch.float64

    def fit(self, p: Tensor, y: Tensor) -> None:
        self.metrics = y.shape[1]

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean = noise(p)[:, None].expand(-1, self.metrics)
        return mean, torch.ones_like(mean)


def noise(p: Tensor) -> Tensor:
    weights = 2.0 ** torch.arange(p[0].numel(), dtype=p.dtype).view(p.shape[1:])
    return torch.sin(12345.0 * (p * weights).sum((1, 2)))


def data(n: int, seed: int = 0) -> Tensor:
    rows = SPACE.random_indices(n, np.random.default_rng(seed))
    return corners(SPACE, torch.from_numpy(rows), torch.float64)


def additive(p: Tensor) -> Tensor:
    return (p * EFFECTS).sum((1, 2))


def test_the_gaussian_process_stays_alone_where_it_is_good() -> None:
    p = data(40)
    proxy, alone = Auto(SPACE), GaussianProcess(SPACE)
    y = additive(p)[:, None]
    proxy.fit(p, y)
    alone.fit(p, y)
    assert proxy.joined == ("",)
    torch.testing.assert_close(proxy.mean(p), alone.mean(p))
    torch.testing.assert_close(proxy.beliefs(p).spread, alone.beliefs(p).spread)


def test_a_better_one_joins_the_metric_it_is_better_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(auto.NETWORKS, "mlp", Oracle)
    p = data(40, seed=1)
    y = torch.stack([additive(p), noise(p)], 1)
    proxy, alone = Auto(SPACE), GaussianProcess(SPACE)
    proxy.fit(p, y)
    alone.fit(p, y)
    assert proxy.joined == ("", "mlp")
    new = data(20, seed=2)
    means, gp = proxy.mean(new), alone.mean(new)
    torch.testing.assert_close(means[:, 0], gp[:, 0])
    torch.testing.assert_close(means[:, 1], (gp[:, 1] + noise(new)) / 2)
    # Where the two disagree less is known, also after an architecture is believed.
    beliefs = proxy.beliefs(new)
    assert bool((beliefs.spread[:, 1] >= (means[:, 1] - gp[:, 1]).abs() - 1e-9).all())
    before = beliefs.spread.clone()
    beliefs.believe(0)
    assert bool((beliefs.spread <= before + 1e-9).all())
    assert float(beliefs.spread[0, 0]) < float(before[0, 0])


def test_a_look_is_kept_until_there_is_four_times_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    class Counted(Oracle):
        def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
            looks.append(len(p))
            return super().left_out(p, y, folds)

    monkeypatch.setattr(auto, "NETWORKS", {"mlp": Counted})
    p = data(81, seed=3)
    y = additive(p)
    for n in (10, 19, 20, 25, 60, 79, 80, 81):
        # Targets are scaled anew each round, and a later best changes their shape: not their order.
        Auto(SPACE).fit(p[:n], torch.exp(y[:n, None] / n))
    assert looks == [20, 80]


@pytest.mark.parametrize("name", [n for n in PROXIES.names() if n != "auto"])
def test_left_out_does_not_know_what_it_leaves_out(name: str) -> None:
    proxy: Proxy = PROXIES.get(name)(SPACE)
    p = data(16).to(proxy.dtype)
    y = additive(p.double())[:, None].to(proxy.dtype)
    y = (y - y.mean()) / y.std()
    folds = torch.arange(16) % 4
    first = proxy.left_out(p, y, folds)
    changed = y.clone()
    changed[0] += 0.5
    second = PROXIES.get(name)(SPACE).left_out(p, changed, folds)
    # The Gaussian process keeps the hyper-parameters of the fit to all, which move a little.
    tolerance = 0.1 if name == "gp" else 1e-5
    assert float((first - second)[folds == 0].abs().max()) < tolerance
    assert float((first - second)[folds == 1].abs().max()) > tolerance / 10
    fitted = PROXIES.get(name)(SPACE)
    fitted.fit(p, y)
    torch.testing.assert_close(proxy.mean(p), fitted.mean(p))


def test_a_graph_network_is_not_asked_where_graphs_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the graph network was asked")

    monkeypatch.setattr(auto.GCNEnsemble, "left_out", refuse)
    space = Chain({str(number): [0, 1] for number in range(20)})
    rows = space.random_indices(20, np.random.default_rng(0))
    p = corners(space, torch.from_numpy(rows), torch.float64)
    Auto(space).fit(p, torch.from_numpy(rows.sum(1, keepdims=True) - 10.0))
    small = data(20, seed=9)
    with pytest.raises(AssertionError, match="was asked"):
        Auto(SPACE).fit(small, additive(small)[:, None])
