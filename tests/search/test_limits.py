"""Limits: the scales on which they are learnt, exact metrics, and queries dropped untrained."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from optiproxy import proxies
from optiproxy.encodings import corners
from optiproxy.errors import InvalidValueError
from optiproxy.methods import METHODS
from optiproxy.metrics import Constraint, parse_objectives
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.search._exact import Exact
from optiproxy.search._outputs import Column, Outputs
from optiproxy.search._training_targets import targets_of
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.search.transforms import (
    of_front,
    of_limit,
    of_objective,
    on_logarithm,
    sharpen,
    standardise,
    without_logarithm,
)
from optiproxy.spaces import Architecture, Cell, Chain
from optiproxy.spaces.architecture import Indices

SPACE = Chain({"depth": [1, 2, 3, 4, 5], "width": [8, 16, 32, 64], "kernel": [3, 5, 7, 9]})


def cost(arch: Architecture) -> float:
    return float(arch["depth"] * arch["width"] * arch["kernel"])


def score(arch: Architecture) -> float:
    return math.log(cost(arch)) - abs(arch["kernel"] - 5) * 0.3


VALUES = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_scales_keep_the_order_and_can_be_undone(sign: float) -> None:
    for scale in (
        of_limit(VALUES, sign, 2.0),
        on_logarithm(VALUES, sign, 2.0).standardised(VALUES),
        without_logarithm(VALUES, sign, 2.0).standardised(VALUES),
        of_objective(VALUES, sign, VALUES < 4.5),
        of_front(VALUES, sign),
    ):
        targets = scale(VALUES)
        assert (np.argsort(targets) == np.argsort(sign * VALUES)).all()
        assert scale.inverse(targets) == pytest.approx(sign * VALUES)
        assert targets.mean() == pytest.approx(0.0)
        assert targets.std() == pytest.approx(1.0)


def test_without_limits_the_scale_is_the_sharpened_one() -> None:
    scale = of_objective(VALUES, 1.0, np.ones(6, dtype=bool))
    assert scale(VALUES) == pytest.approx(sharpen(VALUES))


@pytest.mark.parametrize("direction", ["max", "min"])
def test_targets_can_be_read_in_the_metric_s_unit_also_where_queries_failed(direction: str) -> None:
    values = np.r_[VALUES, np.nan, np.nan, np.nan]
    (objective,) = parse_objectives({"y": direction})
    targets = targets_of(lambda _: values, 9, (objective,), (), feasible=~np.isnan(values))
    read = objective.sign * targets.scales[0].inverse(targets.y[:, 0].numpy())
    assert read == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize("size", [1e-13, 1.0, 1e13])
def test_targets_are_the_same_in_any_unit(size: float) -> None:
    def unlimited(y: np.ndarray) -> np.ndarray:
        return of_objective(y, 1.0, np.zeros(len(y), dtype=bool))(y)

    for scale_of in (unlimited, standardise, sharpen):
        assert scale_of(size * VALUES) == pytest.approx(scale_of(VALUES))
        assert scale_of(np.full(9, size * 0.1)) == pytest.approx(0.0)


def test_a_limit_is_finest_at_its_bound() -> None:
    scale = of_limit(np.geomspace(1, 1000, 31), 1.0, 50.0)
    near, far = scale(np.array([50.0, 55.0, 500.0, 550.0])).reshape(2, 2)
    assert near[1] - near[0] > 1.2 * (far[1] - far[0])


def test_a_limited_metric_is_on_the_logarithm_where_it_looks_more_normal_so() -> None:
    rng = np.random.default_rng(0)
    normal, deviates = rng.normal(20, 4, 60), rng.normal(0, 0.8, 60)
    assert of_limit(np.exp(deviates), 1.0, 2.0).log
    assert not of_limit(normal, 1.0, 18.0).log
    # Networks without a path, next to nothing where all others take 20.
    assert not of_limit(np.r_[normal, 0.01, 0.02], 1.0, 18.0).log
    # What is zero or below has no logarithm, and neither has a bound.
    assert not of_limit(np.r_[np.exp(deviates), 0.0], 1.0, 2.0).log
    assert not of_limit(np.exp(deviates), 1.0, -1.0).log


def test_the_likelihood_of_a_scale_is_that_of_its_density() -> None:
    values = np.exp(np.linspace(-0.6, 0.7, 40))  # no outliers
    densities = []
    for scale in (on_logarithm(values, -1.0, 1.5), without_logarithm(values, -1.0, 1.5)):
        standard = scale.standardised(values)
        slopes = (standard(values + 1e-6) - standard(values - 1e-6)) / 2e-6
        densities.append(float((np.log(np.abs(slopes)) - standard(values) ** 2 / 2).sum()))
        assert scale.log_likelihood(values) - 20 == pytest.approx(densities[-1], abs=1e-4)


@pytest.mark.parametrize(
    "method", [n for n in METHODS.names() if n not in ("smac", "gpsampler", "bananas", "npenas")]
)
def test_exact_limits_are_never_broken(method: str) -> None:
    calls: list[Architecture] = []

    def counted(arch: Architecture) -> float:
        calls.append(arch)
        return cost(arch)

    opt = METHODS.get(method)(
        SPACE, "score=max", constraints="cost<=300", seed=1, exact={"cost": counted}
    )
    for _ in range(3):
        archs = opt.ask(5)
        assert all(cost(arch) <= 300 for arch in archs)
        opt.tell(archs, [{"score": score(arch)} for arch in archs])  # without the cost
    assert all(query.feasible for query in opt.queries)
    assert opt.queries[0].metrics is not None
    assert opt.queries[0].metrics["cost"] == cost(opt.queries[0].architecture)
    assert len(calls) == len(set(calls))  # once each


@pytest.mark.slow
@pytest.mark.parametrize("proxy", proxies.names())
def test_every_proxy_can_be_climbed_within_an_exact_limit(proxy: str) -> None:
    limit, exact = "cost<=300", {"cost": cost}
    opt = OptiProxy(SPACE, "score=max", constraints=limit, exact=exact, proxy=proxy, n_init=6)
    for _ in range(3):
        archs = opt.ask(5)
        assert all(cost(arch) <= 300 for arch in archs)
        opt.tell(archs, [{"score": score(arch)} for arch in archs])


def test_a_limit_on_what_hardly_varies_ends_no_search() -> None:
    opt = OptiProxy(SPACE, "score=max", constraints="nearly<=0.999999", seed=0, proxy="mlp")
    for _ in range(4):
        archs = opt.ask(5)
        nearly = [1 + 1e-5 * cost(arch) / 2304 for arch in archs]
        results = zip(archs, nearly, strict=True)
        opt.tell(archs, [{"score": score(a), "nearly": value} for a, value in results])


@pytest.mark.slow
def test_what_has_no_exact_metric_is_not_proposed() -> None:
    def partly(arch: Architecture) -> float:
        if arch["kernel"] == 9:
            raise RuntimeError("no such layer")
        return math.nan if arch["kernel"] == 7 else cost(arch)

    for wanted, limits in (("score=max", "cost<=300"), (["score=max", "cost=min"], None)):
        opt = OptiProxy(SPACE, wanted, constraints=limits, seed=0, exact={"cost": partly})
        for _ in range(4):
            archs = opt.ask(5)
            assert len(archs) == 5
            assert {arch["kernel"] for arch in archs} <= {3, 5}
            opt.tell(archs, [{"score": score(arch)} for arch in archs])
    with pytest.raises(InvalidValueError, match=r"exact: cost: got .*nan for .*finite numbers"):
        OptiProxy(
            SPACE, "score=max", constraints="cost<=9", exact={"cost": lambda a: math.nan}
        ).ask()


@pytest.mark.slow
def test_an_exact_metric_that_few_have_ends_no_search() -> None:
    """Of 80 architectures four have one: many in a row are drawn that do not."""

    def rarely(arch: Architecture) -> float:
        return cost(arch) if (arch["depth"], arch["kernel"]) == (1, 3) else math.nan

    for seed in range(20):
        opt = OptiProxy(SPACE, "score=max", constraints="cost<=300", seed=seed,
                        exact={"cost": rarely})  # fmt: skip
        asked = [arch for _ in range(5) for arch in opt.ask(1)]
        assert {arch["width"] for arch in asked} == {8, 16, 32, 64}
        assert len(asked) == 4


def test_an_exact_objective_is_known_for_every_candidate() -> None:
    opt = OptiProxy(SPACE, {"score": "max", "cost": "min"}, seed=0, exact={"cost": cost})
    while len(opt.queries) < 20:
        archs = opt.ask(5)
        opt.tell(archs, [{"score": score(arch)} for arch in archs])
    best = {q.architecture for q in opt.queries}
    # Of the smallest costs the best scores are on the front: the search goes there by itself.
    assert min(map(cost, best)) == 24.0


def test_a_limit_that_one_in_hundreds_meets_is_found_downhill() -> None:
    space = Chain({f"c{i}": [0, 1, 2, 3, 4] for i in range(12)})
    exact = Exact(space, {"sum": lambda a: float(sum(a.values()))}, ["sum"])
    limits = (Constraint("sum", 1.0, 4.0),)
    start = space.random_indices(64, np.random.default_rng(0))
    assert (exact.violation(start, limits) > 0).all()
    found = exact.descend(start, limits)
    assert len(found) > 0
    assert (found.sum(1) <= 4).all()
    opt = OptiProxy(
        space, "y=max", constraints="sum<=4", exact={"sum": lambda a: float(sum(a.values()))}
    )
    assert len(opt.ask(5)) == 5


@pytest.mark.parametrize("unit", [1.0, 1e9])
def test_what_breaks_limits_is_ranked_alike_in_all_units(unit: float) -> None:
    opt = METHODS.get("evolution")(
        SPACE, "score=max", constraints=["ms<=10", f"flops<={10 * unit}"], seed=0
    )
    # By 0.3, 1.0, 0.5 and 0.2 beyond the limits, and within.
    measured = [(9, 13), (20, 9), (14, 11), (11, 11), (9, 9)]
    results = [{"score": 1.0, "ms": ms, "flops": flops * unit} for ms, flops in measured]
    opt.tell(SPACE.sample(5), results)
    assert opt.scores() == pytest.approx([-0.3, -1.0, -0.5, -0.2, 1.0])


@pytest.mark.parametrize(
    ("objectives", "limit"), [("score=max", "cost>=1"), (["score=max", "cost=min"], None)]
)
def test_an_exact_metric_may_be_zero_where_no_query_was(
    objectives: list[str] | str, limit: str | None
) -> None:
    space = Chain({"depth": [0, 1, 2, 3], "width": [0, 8, 16, 64], "kernel": [3, 5, 7, 9]})
    opt = OptiProxy(space, objectives, constraints=limit, seed=1, exact={"cost": cost})
    archs = [arch for arch in space.enumerate() if cost(arch)][:12]
    opt.tell(archs, [{"score": arch["depth"] / arch["kernel"]} for arch in archs])
    assert len(opt.ask(3)) == 3


def test_a_share_of_an_exact_metric() -> None:
    limits = [
        OptiProxy(
            SPACE, "score=max", constraints="cost<=50%", exact={"cost": cost}, seed=s
        ).constraints
        for s in (0, 1)
    ]
    assert limits[0] == limits[1]
    assert limits[0][0].bound == 0.5 * 5 * 64 * 9
    with pytest.raises(InvalidValueError, match="ms in percent"):
        OptiProxy(SPACE, "score=max", constraints="ms<=50%")


@pytest.mark.parametrize(
    ("exact", "said"),
    [
        ({"cost": 3}, "give a function"),
        ({"size": cost}, "no objective and no constraint"),
        ({"cost": lambda arch: math.nan}, "finite number"),
        ({"cost": lambda arch: "much"}, "finite number"),
        ({"cost": lambda arch: 1 / 0}, "ZeroDivisionError.*finite number"),
    ],
)
def test_exact_functions_that_are_none(exact: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        OptiProxy(SPACE, "score=max", constraints="cost<=300", exact=exact).ask(3)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["optiproxy", "evolution", "tpe"])
def test_what_was_dropped_untrained_teaches_its_limit(method: str) -> None:
    """Two limits, so that a query may lack all but the metric that breaks one."""
    opt = METHODS.get(method)(SPACE, "score=max", constraints=["cost<=60", "mb<=9"], seed=2)
    for _ in range(6):
        archs = opt.ask(5)
        results = [{"score": score(a), "cost": cost(a), "mb": 1.0} for a in archs]
        opt.tell(archs, [r if r["cost"] <= 60 else {"cost": r["cost"]} for r in results])
    trained = [query for query in opt.queries if query.feasible]
    assert all("score" in query.metrics for query in trained if query.metrics)
    if method == "optiproxy":
        # Five of 80 meet the limit; seeds 0 to 5 found all of them in 20 or 25 queries, where
        # random draws find two in 30.
        assert len(trained) == 5
    missing = opt.ask(1)
    with pytest.raises(InvalidValueError, match="is missing"):
        opt.tell(missing, [{"cost": 30.0}])


def test_no_result_at_all_but_broken_limits() -> None:
    opt = OptiProxy(SPACE, "score=max", constraints="cost<=300", seed=0)
    archs = [a for a in SPACE.sample(60, seed=1) if cost(a) > 300][:12]
    opt.tell(archs, [{"cost": cost(a)} for a in archs])
    assert sum(cost(a) <= 300 for a in opt.ask(5)) >= 4


def test_the_climb_sees_an_exact_metric_fall() -> None:
    """Between the corners its linear stand-in points the right way."""
    exact = Exact(SPACE, {"cost": cost}, ["cost"])
    rows = SPACE.random_indices(12, np.random.default_rng(0))
    scale = of_limit(exact.values("cost", rows), 1.0, 300.0)
    columns = {1: Column("cost", scale)}
    model = Outputs(SPACE, lambda outputs: GaussianProcess(SPACE), exact, columns, torch.float64)
    p = corners(SPACE, torch.from_numpy(SPACE.all_indices), torch.float64)
    y = torch.zeros(12, 2, dtype=torch.float64)
    y[::2, 0] = 1.0
    y[3, 0] = math.nan
    model.fit(corners(SPACE, torch.from_numpy(rows), torch.float64), y)
    known = scale(exact.values("cost", SPACE.all_indices))
    assert np.corrcoef(model.mean(p)[:, 1].numpy(), known)[0, 1] > 0.9
    posterior = model.posterior(p)
    assert posterior.mean[:, 1].numpy() == pytest.approx(known)
    assert float(posterior.spread[:, 1].max()) < 1e-5
    before = float(posterior.spread[7, 0])
    posterior.condition_on_mean(7)
    assert float(posterior.spread[7, 0]) < before


def test_earlier_studies_inform_what_is_learnt_beside_exact_metrics() -> None:
    """Parts of a proxy get their part of what was known."""
    archs = SPACE.sample(20, seed=4)
    known = [(a, {"score": score(a), "cost": cost(a), "ms": cost(a) / 40}) for a in archs]
    opt = OptiProxy(
        SPACE, "score=max", constraints=["cost<=300", "ms<=9"], warm_start=[known],
        exact={"cost": cost}, features={"depth": lambda a: float(a["depth"])},
    )  # fmt: skip
    for _ in range(2):
        asked = opt.ask(4)
        assert all(cost(a) <= 300 for a in asked)
        opt.tell(asked, [{"score": score(a), "ms": cost(a) / 40} for a in asked])
    assert opt.best is not None
    assert opt.best.metrics is not None
    assert opt.best.metrics["score"] > 5.0


def test_the_design_has_every_option_that_an_exact_limit_leaves() -> None:
    """Of 486 architectures within the limit 6 have the widest embedding."""
    space = Chain({"embedding": [1, 2, 3], **{f"layer{i}": [1, 2, 3] for i in range(5)}})

    def size(arch: Architecture) -> float:
        return float(arch["embedding"] ** 2 * sum(arch[f"layer{i}"] for i in range(5)))

    for seed in range(5):
        limit = {"constraints": "size<=54", "exact": {"size": size}}
        opt = OptiProxy(space, {"y": "max"}, seed=seed, **limit)
        archs = opt.ask(10)
        assert all(size(arch) <= 54 for arch in archs)
        assert {arch["embedding"] for arch in archs} == {1, 2, 3}


def test_a_network_beyond_a_limit_is_tried_as_another_architecture() -> None:
    """The latency counts operations that reach no output, as that of published tables does."""
    space = Cell(nodes=3, operations=["none", "skip", "conv"])

    def measured(row: Indices) -> dict[str, float]:
        (network,) = space.canonical(row[None])
        return {
            "y": 10.0 * (network == [0, 2, 0]).all() + network[1],
            "ms": float((row == 2).sum()),
        }

    opt = OptiProxy(space, "y=max", constraints={"ms": "<= 1"}, seed=0, n_init=4)
    rows = np.array([[0, 2, 2], [0, 0, 0], [0, 1, 0], [1, 1, 1]])
    for _ in range(4):  # six other networks are left
        opt.tell(space.from_indices(rows), [measured(row) for row in rows])
        rows = space.to_indices(opt.ask(1))
    assert opt.best is not None
    assert opt.best.metrics == {"y": 12.0, "ms": 1.0}
