"""The default proxy: a Gaussian process, and who is heard beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.proxies import PROXIES, auto
from optiproxy.proxies.auto import Auto
from optiproxy.proxies.base import Proxy
from optiproxy.proxies.gp import GaussianProcess, _Likelihood
from optiproxy.proxies.mlp import MLPEnsemble
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Cell

SPACE = Cell(nodes=4, operations=["none", "skip", "conv1", "conv3"])
EFFECTS = torch.from_numpy(np.random.default_rng(5).normal(size=(len(SPACE), 4)))


class Known(Proxy):
    """Predicts `truth`, whatever it is fitted to."""

    dtype = torch.float64
    sign = 1.0

    def fit(self, p: Tensor, y: Tensor) -> None:
        self.metrics = y.shape[1]

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.sign * noise(p)[:, None].expand(-1, self.metrics)
        return mean, torch.ones_like(mean)


class Wrong(Known):
    sign = -1.0


def noise(p: Tensor) -> Tensor:
    """A metric that no choice explains."""
    weights = 2.0 ** torch.arange(p[0].numel(), dtype=p.dtype).view(p.shape[1:])
    return torch.sin(12345.0 * (p * weights).sum((1, 2)))


def data(n: int, seed: int = 0) -> Tensor:
    rows = SPACE.random_indices(n, np.random.default_rng(seed))
    return corners(SPACE, torch.from_numpy(rows), torch.float64)


def additive(p: Tensor) -> Tensor:
    return (p * EFFECTS).sum((1, 2))


def test_rounds_take_turns_to_be_told_what_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    fit = Auto.fit

    def recorded(proxy: Auto, p: Tensor, y: Tensor) -> None:
        told.append("living" in [view.name for view in proxy._gp._kernel.views])
        assert told[-1] == (proxy.seed % 2 == 0)
        fit(proxy, p, y)

    monkeypatch.setattr(Auto, "fit", recorded)
    opt = OptiProxy(SPACE, "y=max", seed=0)
    for _ in range(10):
        archs = opt.ask(5)
        p = corners(SPACE, torch.from_numpy(SPACE.to_indices(archs)), torch.float64)
        opt.tell(archs, additive(p).tolist())
    assert len(told) == 8
    assert set(told) == {True, False}


def test_told_and_not_told_think_differently() -> None:
    p, new = data(30), data(20, seed=4)
    means = []
    for seed in range(3):
        proxy = Auto(SPACE, seed=seed)
        proxy.fit(p, additive(p)[:, None])
        means.append(proxy.mean(new))
    assert torch.equal(means[0], means[2])
    assert not torch.allclose(means[0], means[1])


def test_means_are_those_of_the_gaussian_process_and_the_network_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auto, "_look", lambda *arguments: 1)
    p, new = data(40), data(20, seed=4)
    y = additive(p)[:, None]
    proxy, gp, network = Auto(SPACE, seed=2), GaussianProcess(SPACE), MLPEnsemble(SPACE, seed=2)
    proxy.fit(p, y)
    gp.fit(p, y)
    network.fit(p.float(), y.float())
    beliefs = proxy.beliefs(new)
    assert beliefs.share == proxy.share == 1
    torch.testing.assert_close(beliefs.mean, gp.beliefs(new).mean)
    torch.testing.assert_close(beliefs.second, network.mean(new.float()).double())


@pytest.mark.parametrize(("network", "share"), [(Known, 2), (Wrong, 0)])
def test_the_share_follows_what_is_predicted(
    monkeypatch: pytest.MonkeyPatch, network: type[Proxy], share: int
) -> None:
    monkeypatch.setattr(auto, "MLPEnsemble", network)
    p = data(40, seed=10 + share)
    proxy = Auto(SPACE)
    proxy.fit(p, noise(p)[:, None])
    assert proxy.share == share
    assert (proxy.beliefs(p).second is None) == (share == 0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many queries each look was."""
    found: list[int] = []

    class Counted(Known):
        def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
            found.append(len(p))
            return super().left_out(p, y, folds)

    monkeypatch.setattr(auto, "MLPEnsemble", Counted)
    return found


def test_a_look_is_kept_until_there_is_four_times_as_much(looks: list[int]) -> None:
    p = data(161, seed=3)
    y = additive(p)
    for n in (10, 39, 40, 50, 120, 159, 160, 161):
        # Targets are scaled anew each round, and a later best changes their shape: not their order.
        Auto(SPACE).fit(p[:n], torch.exp(y[:n, None] / n))
    assert looks == [40, 160]


@pytest.mark.parametrize("prior", ["features", "warm start", "short trainings"])
def test_a_look_is_kept_also_where_a_prior_takes_its_part(looks: list[int], prior: str) -> None:
    p = data(60, seed=3)
    archs = SPACE.from_indices(p.argmax(-1).numpy())
    told = list(zip(archs, noise(p).tolist(), strict=True))
    features = {"kinds": lambda arch: float(len(set(arch.values())))}
    opt = OptiProxy(
        Cell(nodes=4, operations=SPACE.operations),  # What was found by a look is kept with it.
        "y=max",
        seed=0,
        features=features if prior == "features" else {},
        warm_start=[told[:20]] if prior == "warm start" else (),
    )
    low = told[20:30] if prior == "short trainings" else []
    for n in (40, 45, 55):
        opt.restore(told[:n], low=low)
        opt.ask(3)
    assert looks == [40]


@pytest.mark.parametrize("limited", [False, True])
def test_a_place_of_five_is_the_networks(monkeypatch: pytest.MonkeyPatch, limited: bool) -> None:
    """The network knows a metric by its noise, which no other model could find."""
    monkeypatch.setattr(auto, "MLPEnsemble", Known)
    monkeypatch.setattr(auto, "_share", lambda *arguments: 1)
    options = {"constraints": {"cost": "<= 99"}, "exact": {"cost": lambda arch: 1.0}}
    opt = OptiProxy(SPACE, {"score": "max"}, seed=0, **(options if limited else {}))  # type: ignore[arg-type]
    values: list[float] = []
    for _ in range(6):
        archs = opt.ask(5)
        p = corners(SPACE, torch.from_numpy(SPACE.to_indices(archs)), torch.float64)
        values += noise(p).tolist()
        opt.tell(archs, [{"score": v, "cost": 1.0} for v in additive(p).tolist()])
    heard, others = values[14::5], values[10::5] + values[11::5] + values[12::5]
    assert min(heard) > 0.9
    assert np.mean(others) < 0.6


@pytest.mark.parametrize("name", [n for n in PROXIES.names() if n != "auto"])
def test_left_out_does_not_know_what_it_leaves_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A Gaussian process keeps the hyper-parameters of the fit to all; here they do not move.
    monkeypatch.setattr(_Likelihood, "maximise", lambda likelihood: (likelihood._mean, 0.0))
    proxy: Proxy = PROXIES.get(name)(SPACE)
    p = data(16).to(proxy.dtype)
    y = additive(p.double())[:, None].to(proxy.dtype)
    y = (y - y.mean()) / y.std()
    folds = torch.arange(16) % 4
    first = proxy.left_out(p, y, folds)
    changed = y.clone()
    changed[0] += 0.5
    second = PROXIES.get(name)(SPACE).left_out(p, changed, folds)
    assert float((first - second)[folds == 0].abs().max()) < 1e-5
    assert float((first - second)[folds == 1].abs().max()) > 1e-3
