"""Numbers of a range in a search: every method proposes them, and ours between what was tried."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners
from optiproxy.methods import METHODS
from optiproxy.proxies import PROXIES
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.search import optiproxy
from optiproxy.search._climb import climb, start
from optiproxy.search._design import balanced
from optiproxy.search._numbers import Numbers
from optiproxy.search._smoothness import seems_smooth
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Architecture, Chain, Conditional, Float, Int

SPACE = Conditional(
    {
        "op": ["conv", "pool", "skip"],
        "rate": Float(1e-5, 1e-1, log=True),
        "width": Int(8, 512, log=True),
        "drop": Float(0, 0.5),
    },
    when={"drop": {"op": ["conv"]}},
)


def quality(arch: Architecture) -> float:
    found = 1 - (math.log10(arch["rate"]) + 3) ** 2 / 4 + math.log(arch["width"]) / 10
    return found if arch["drop"] is None else found + 0.5 - (arch["drop"] - 0.2) ** 2


def searched(opt, n: int, answer=quality) -> list[Architecture]:
    found: list[Architecture] = []
    while len(found) < n:
        archs = opt.ask(3)
        opt.tell(archs, [answer(arch) for arch in archs])
        found += archs
    assert len(set(found)) == len(found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", [m for m in METHODS.names() if m not in ("smac", "nsga2-pymoo")])
def test_every_method_proposes_numbers(method: str) -> None:
    opt = METHODS.get(method)(SPACE, {"y": "max"}, seed=0)
    archs = searched(opt, 24)
    rates = [math.log10(arch["rate"]) for arch in archs]
    assert len(set(rates)) > 8
    assert np.ptp(rates) > 2
    assert {SPACE.architecture(arch.to_json()) for arch in archs} == set(archs)


@pytest.mark.slow
@pytest.mark.parametrize("proxy", PROXIES.names())
def test_every_proxy_reads_numbers(proxy: str) -> None:
    searched(OptiProxy(SPACE, {"y": "max"}, seed=0, proxy=proxy), 15)


@pytest.mark.slow
def test_with_objectives_limits_exact_metrics_and_scores() -> None:
    def cost(arch: Architecture) -> float:
        return float(arch["width"])

    def answer(arch: Architecture) -> dict[str, float]:
        return {"y": quality(arch), "latency": arch["width"] / 50 + (arch["op"] == "conv")}

    opt = OptiProxy(
        SPACE, {"y": "max", "cost": "min"}, constraints={"latency": "<= 6"}, exact={"cost": cost},
        features={"narrow": lambda arch: -math.log(arch["width"])}, seed=0,
    )  # fmt: skip
    searched(opt, 15, answer)
    assert sum(query.feasible for query in opt.queries) > 7


def test_the_design_fills_the_range() -> None:
    space = Chain({"x": Float(0, 1), "rate": Float(1e-4, 1, log=True)})
    rows = balanced(space, 10, np.random.default_rng(0))
    for c, number in space.numbers.items():
        tenths = np.floor(10 * number.levels(rows[:, c])).astype(int)
        assert sorted(tenths) == list(range(10))


def test_a_climb_moves_numbers_to_the_maximum() -> None:
    space = Chain({"x": Float(0, 1), "op": ["a", "b"]})
    numbers, mask = Numbers(space), torch.from_numpy(space.mask)
    alpha = start(space, 20, np.empty((0, 2), np.int64), np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)

    def score(p: torch.Tensor) -> torch.Tensor:
        return -((numbers.levels(p)[:, 0] - 0.3) ** 2) + p[:, 1, 0]

    p = climb(alpha, score, mask, generator, numbers=numbers)
    assert float((numbers.levels(p)[:, 0] - 0.3).abs().median()) < 0.05


def test_refined_numbers_are_between_what_was_tried() -> None:
    """A parabola's maximum lies between two of its values, and the model finds it."""
    space = Chain({"x": Float(0, 1), "op": ["a", "b"]})
    rows = space.to_indices([{"x": x, "op": "a"} for x in (0.0, 0.2, 0.5, 0.8, 1.0)])
    p = corners(space, torch.from_numpy(rows), torch.float64)
    y = -((torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0]).double() - 0.37) ** 2)
    model = GaussianProcess(space)
    model.fit(p, ((y - y.mean()) / y.std())[:, None])
    best = Numbers(space).refined(rows, lambda q: model.mean(q)[:, 0], torch.float64)
    for arch in space.from_indices(best[1:3]):
        assert arch["x"] == pytest.approx(0.37, abs=0.03)


def test_numbers_alone_need_no_list() -> None:
    space = Chain({"x": Float(-5, 10), "y": Float(0, 15)})
    found = []
    for seed in range(3):
        opt = OptiProxy(space, {"value": "min"}, seed=seed)
        searched(opt, 21, lambda arch: (arch["x"] - 3) ** 2 + (arch["y"] - 2) ** 2)
        assert opt.best is not None
        assert opt.best.metrics is not None
        found.append(opt.best.metrics["value"])
    assert np.median(found) < 0.05  # half of random searches have above 1.7


def test_a_long_list_of_numbers_is_a_range_in_steps() -> None:
    assert Chain({"x": list(range(20)), "op": ["a", "b"]}).smooth
    assert Chain({"x": Int(0, 5)}).smooth
    assert not Chain({"x": list(range(16)), "op": [f"op {i}" for i in range(30)]}).smooth


def test_queries_say_whether_a_list_of_numbers_is_a_range_in_steps() -> None:
    rng = np.random.default_rng(0)
    space = Chain({f"x{i}": range(12) for i in range(3)})
    rows = np.unique(space.random_indices(40, rng), axis=0)
    p = corners(space, torch.from_numpy(rows), torch.float64)
    far = torch.from_numpy(((rows / 11 - 0.37) ** 2).sum(1))
    effects = torch.from_numpy(rng.standard_normal((3, 12))[np.arange(3), rows].sum(1))
    for y, smooth in ((-far, True), (effects, False)):
        assert seems_smooth(space, p, (y - y.mean()) / y.std()) == smooth
    failed = torch.full((len(rows),), torch.nan).double()
    assert not seems_smooth(space, p, failed)


def test_a_search_models_a_list_of_numbers_as_its_queries_say(monkeypatch) -> None:
    sharp = []
    real = optiproxy.targets_of
    monkeypatch.setattr(
        optiproxy, "targets_of", lambda *a, **k: sharp.append(k["sharp"]) or real(*a, **k)
    )
    space = Chain({f"x{i}": range(12) for i in range(3)})
    effects = np.random.default_rng(0).standard_normal((3, 12))
    for value, modelled in (
        (lambda row: np.exp(-6 * ((row / 11 - 0.37) ** 2).sum()), False),
        (lambda row: effects[np.arange(3), row].sum(), True),
    ):
        opt = OptiProxy(space, "y=max", seed=0)
        rows = np.unique(space.random_indices(40, np.random.default_rng(0)), axis=0)
        opt.tell(space.from_indices(rows), [float(value(row)) for row in rows])
        opt.ask(1)
        assert sharp[-1] == modelled


@pytest.mark.slow
def test_a_smooth_function_of_long_lists_is_climbed() -> None:
    """Hartmann's function of six numbers (Dixon and Szegö, 1978) in 40 steps; its maximum is 3.3.

    As lists of options like others, the mean regret of these searches was 1.05; it is 0.11.
    """
    slopes = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
              [17, 8, 0.05, 10, 0.1, 14]]  # fmt: skip
    peaks = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
             [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]  # fmt: skip

    def height(arch: Architecture) -> float:
        off = np.array(list(arch.values())) / 39 - np.array(peaks) / 10_000
        return float(np.exp(-(np.array(slopes) * off**2).sum(1)) @ [1, 1.2, 3, 3.2])

    regrets = []
    for seed in range(4):
        opt = OptiProxy(Chain({f"x{i}": range(40) for i in range(6)}), {"height": "max"}, seed=seed)
        while len(opt.queries) < 30:
            archs = opt.ask(1)
            opt.tell(archs, [height(arch) for arch in archs])
        regrets.append(3.32237 - opt.best.metrics["height"])
    assert np.mean(regrets) < 0.5
