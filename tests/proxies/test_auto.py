"""The default proxy: a Gaussian process, and the network that fills some places of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from optiproxy import proxies
from optiproxy.encodings import corners
from optiproxy.proxies.auto import Auto
from optiproxy.proxies.base import Proxy
from optiproxy.proxies.gp import _Likelihood
from optiproxy.search import _network, _surrogates
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Cell


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


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


def test_half_of_the_fits_ignore_inactive_choices() -> None:
    p, new = data(30), data(20, seed=4)
    means = []
    for seed in range(3):
        proxy = Auto(SPACE, seed=seed)
        pruned = "active_counts" in [view.name for view in proxy._kernel.views]
        assert pruned == (seed % 2 == 0)
        proxy.fit(p, additive(p)[:, None])
        means.append(proxy.mean(new))
    assert torch.equal(means[0], means[2])
    assert not torch.allclose(means[0], means[1])


@pytest.mark.parametrize(("network", "places"), [(Known, (4, 1)), (Wrong, ())])
def test_the_places_follow_the_cross_validation(
    monkeypatch: pytest.MonkeyPatch, network: type[Proxy], places: tuple[int, ...]
) -> None:
    monkeypatch.setattr(_network, "MLPEnsemble", network)
    p = data(40, seed=10 + len(places))
    assert _network.network_places(SPACE, p, noise(p)[:, None]) == places


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of queries of each cross-validation."""
    found: list[int] = []

    class Counted(Known):
        def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
            found.append(len(p))
            return super().left_out(p, y, folds)

    monkeypatch.setattr(_network, "MLPEnsemble", Counted)
    return found


def test_a_cross_validation_holds_until_there_are_four_times_as_many(looks: list[int]) -> None:
    p = data(161, seed=3)
    y = additive(p)
    for n in (10, 39, 40, 50, 120, 159, 160, 161):
        # Targets are scaled anew each round, and a later best changes their values, not their
        # order.
        _network.network_places(SPACE, p[:n], torch.exp(y[:n, None] / n))
    assert looks == [40, 160]


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["low fidelity", slow("features"), slow("warm start")])
def test_a_cross_validation_uses_the_metrics_as_measured(looks: list[int], prior: str) -> None:
    """Residuals of a prior would change with each query."""
    p = data(60, seed=3)
    archs = SPACE.from_indices(p.argmax(-1).numpy())
    results = list(zip(archs, noise(p).tolist(), strict=True))
    features = {"kinds": lambda arch: float(len(set(arch.values())))}
    opt = OptiProxy(
        Cell(nodes=4, operations=SPACE.operations),  # results are kept with the space
        "y=max",
        seed=0,
        features=features if prior == "features" else {},
        warm_start=[results[:20]] if prior == "warm start" else (),
    )
    low = results[20:30] if prior == "low fidelity" else []
    for n in (40, 45, 55):
        opt.restore(results[:n], low=low)
        opt.ask(3)
    assert looks == [40]


def network_is(monkeypatch: pytest.MonkeyPatch, network: type[Proxy]) -> None:
    """Makes `network` fill the usual place of five in all searches."""
    monkeypatch.setattr(_surrogates, "MLPEnsemble", network)
    monkeypatch.setattr(_surrogates, "network_places", lambda *arguments: _network.USUAL_PLACES)


@pytest.mark.parametrize("limited", [False, True])
def test_a_place_of_five_is_the_networks(monkeypatch: pytest.MonkeyPatch, limited: bool) -> None:
    """The network knows a metric by its noise, which no other model could find."""
    network_is(monkeypatch, Known)
    options = {"constraints": {"cost": "<= 99"}, "exact": {"cost": lambda arch: 1.0}}
    opt = OptiProxy(SPACE, {"score": "max"}, seed=0, **(options if limited else {}))  # type: ignore[arg-type]
    values: list[float] = []
    for _ in range(6):
        archs = opt.ask(5)
        p = corners(SPACE, torch.from_numpy(SPACE.to_indices(archs)), torch.float64)
        values += noise(p).tolist()
        opt.tell(archs, [{"score": v, "cost": 1.0} for v in additive(p).tolist()])
    network, others = values[14::5], values[10::5] + values[11::5] + values[12::5]
    assert min(network) > 0.9
    assert np.mean(others) < 0.6


@pytest.mark.parametrize("prior", ["features", "low fidelity"])
def test_the_network_fills_its_place_also_on_a_prior(
    monkeypatch: pytest.MonkeyPatch, prior: str
) -> None:
    """Both learn what the prior leaves: here ten times its noise, which only the network knows."""

    class Loud(Known):
        sign = 10.0

    network_is(monkeypatch, Loud)
    p = data(60, seed=3)
    archs = SPACE.from_indices(p.argmax(-1).numpy())
    results = list(zip(archs, additive(p).tolist(), strict=True))
    features = {"kinds": lambda arch: float(len(set(arch.values())))}
    opt = OptiProxy(SPACE, "y=max", seed=0, features=features if prior == "features" else {})
    opt.restore(results[:10], low=results if prior == "low fidelity" else [])
    proposed = corners(SPACE, torch.from_numpy(SPACE.to_indices(opt.ask(5))), torch.float64)
    assert noise(proposed)[4] > 0.9
    assert noise(proposed)[:4].mean() < 0.6


@pytest.mark.parametrize("name", ["gp", "mlp", slow("gcn"), slow("transformer")])
def test_left_out_does_not_know_what_it_leaves_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A Gaussian process keeps the hyper-parameters of the fit to all; here they do not move.
    monkeypatch.setattr(_Likelihood, "maximise", lambda likelihood: (likelihood._mean, 0.0))
    proxy = proxies.get(name)(SPACE)
    p = data(16).to(proxy.dtype)
    y = additive(p.double())[:, None].to(proxy.dtype)
    y = (y - y.mean()) / y.std()
    folds = torch.arange(16) % 4
    first = proxy.left_out(p, y, folds)
    changed = y.clone()
    changed[0] += 0.5
    second = proxies.get(name)(SPACE).left_out(p, changed, folds)
    assert float((first - second)[folds == 0].abs().max()) < 1e-5
    assert float((first - second)[folds == 1].abs().max()) > 1e-3
