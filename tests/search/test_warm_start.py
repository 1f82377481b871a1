"""Warm starts: what earlier studies teach, and what they can't spoil."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners
from optiproxy.errors import InvalidValueError
from optiproxy.metrics import parse_objectives
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.prior import Earlier, Informed, Prior
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.search.warm_start import read_earlier
from optiproxy.spaces import Cell, Chain, Conditional

# Sums of effects, so every edge counts: none of them can be closed and leave others inactive.
SPACE = Cell(nodes=4, operations=["pool", "skip", "conv1", "conv3"])
RNG = np.random.default_rng(7)
EFFECTS = RNG.normal(size=(len(SPACE), 4))


def score(row: np.ndarray, *, tilt: float = 0.0) -> float:
    """A sum of effects; `tilt` makes another, related task of it."""
    effects = EFFECTS + tilt * np.random.default_rng(8).normal(size=EFFECTS.shape)
    return float(effects[np.arange(len(row)), row].sum())


def history(n: int, *, tilt: float = 0.0, shuffled: bool = False) -> list[tuple[object, object]]:
    rows = SPACE.random_indices(n, np.random.default_rng(3))
    values = np.array([score(row, tilt=tilt) for row in rows])
    if shuffled:
        values = np.random.default_rng(0).permutation(values)
    archs = SPACE.from_indices(rows)
    return [(arch, {"score": float(v)}) for arch, v in zip(archs, values, strict=True)]


def search(warm_start: list[object], *, budget: int, seed: int = 0) -> list[float]:
    opt = OptiProxy(SPACE, {"score": "max"}, seed=seed, warm_start=warm_start)
    while len(opt.queries) < budget:
        archs = opt.ask(5)
        opt.tell(archs, [score(row) for row in SPACE.to_indices(archs)])
    return [q.metrics["score"] for q in opt.queries if q.metrics is not None]


@pytest.mark.slow
def test_a_related_study_leads_at_once() -> None:
    best = EFFECTS.max(1).sum()
    cold = [max(search([], budget=5, seed=s)) for s in range(3)]
    warm = [max(search([history(60, tilt=0.15)], budget=5, seed=s)) for s in range(3)]
    assert np.mean(warm) > best - 1.0
    assert np.mean(warm) > np.mean(cold) + 1.0


def test_a_misleading_study_is_left_out() -> None:
    opt = OptiProxy(SPACE, {"score": "max"}, warm_start=[history(100, shuffled=True)])
    assert opt._prior.earlier == []
    # Nothing of it is left: not even its best architectures are looked at.
    cold = OptiProxy(SPACE, {"score": "max"})
    assert opt.ask(5) == cold.ask(5)


def test_weights_follow_what_is_measured() -> None:
    p = corners(SPACE, torch.from_numpy(SPACE.random_indices(40, np.random.default_rng(1))), dtype)
    y = targets(p)
    good, reversed_ = Earlier(SPACE, p, y), Earlier(SPACE, p, -y)
    now = corners(
        SPACE, torch.from_numpy(SPACE.random_indices(20, np.random.default_rng(2))), dtype
    )
    prior = Prior(SPACE, [good, reversed_])
    prior.fit(now, targets(now))
    assert prior.weights[1, 0] > 0.9
    assert prior.weights.sum() == pytest.approx(1.0)


def test_before_anything_is_measured_the_study_is_the_proxy() -> None:
    p = corners(SPACE, torch.from_numpy(SPACE.random_indices(40, np.random.default_rng(1))), dtype)
    earlier = Earlier(SPACE, p, targets(p))
    informed = Informed(GaussianProcess(SPACE), Prior(SPACE, [earlier]))
    informed.fit(p[:0], torch.zeros(0, 1, dtype=dtype))
    torch.testing.assert_close(informed.mean(p), earlier.mean(p))
    assert informed.posterior(p).spread.shape == (40, 1)


dtype = torch.float64


def targets(p: torch.Tensor) -> torch.Tensor:
    y = (p * torch.from_numpy(EFFECTS)).sum((1, 2))[:, None]
    return (y - y.mean()) / y.std()


def test_any_proxy_can_be_informed() -> None:
    opt = OptiProxy(SPACE, {"score": "max"}, proxy="mlp", warm_start=[history(30)])
    for _ in range(2):
        archs = opt.ask(4)
        opt.tell(archs, [score(row) for row in SPACE.to_indices(archs)])
    assert len(opt.ask(3)) == 3


def test_several_studies_and_studies_as_objects() -> None:
    first = OptiProxy(SPACE, {"score": "max"}, seed=5)
    archs = first.ask(10)
    first.tell(archs, [score(row) for row in SPACE.to_indices(archs)])
    opt = OptiProxy(SPACE, {"score": "max"}, warm_start=[first, history(30)])
    assert opt.ask(2) == OptiProxy(SPACE, {"score": "max"}, warm_start=[first, history(30)]).ask(2)


@pytest.mark.slow
def test_a_constraint_the_study_knows_nothing_of() -> None:
    opt = OptiProxy(SPACE, {"score": "max"}, constraints={"cost": "<= 3"}, warm_start=[history(30)])
    for _ in range(3):
        archs = opt.ask(4)
        rows = SPACE.to_indices(archs)
        opt.tell(archs, [{"score": score(r), "cost": float((r == 3).sum())} for r in rows])
    assert len(opt.queries) == 12


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (3, "warm_start: study 1"),
        ([({"0>1": "skip"}, {"score": 1.0})], "another space"),
        (history(4), "4 queries"),
        ([], "no successful query'; leave it out"),
        ([(arch, None) for arch, _ in history(9)], "no successful query"),
        ([(arch, {"loss": 1.0}) for arch, _ in history(9)], "needs the objective 'score'"),
    ],
)
def test_what_can_not_be_used_is_an_error(study: object, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        OptiProxy(SPACE, {"score": "max"}, warm_start=[study])
    with pytest.raises(InvalidValueError, match="give a list"):
        OptiProxy(Chain({"a": [1, 2]}), {"score": "max"}, warm_start="runs.journal")


def test_what_broke_a_limit_before_it_was_trained_is_left_out() -> None:
    earlier = OptiProxy(SPACE, "score=max", constraints="latency<=2", seed=0)
    archs = earlier.ask(8)
    earlier.tell(
        archs, [{"score": float(i), "latency": 1.0} for i in range(6)] + [{"latency": 3}] * 2
    )
    (study,) = OptiProxy(SPACE, "score=max", warm_start=[earlier])._prior.studies
    assert list(study.values("score")) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", ["x", {"score": None}, {"score": "x"}, 10**400])
def test_what_is_no_number_is_an_error(bad: object) -> None:
    pairs = [(arch, bad) for arch in SPACE.sample(5, seed=0)]
    with pytest.raises(InvalidValueError, match=r"study 1: score: got .*; give a number"):
        OptiProxy(SPACE, "score=max", warm_start=[pairs])


def test_short_trainings_are_a_study_of_their_own() -> None:
    archs = SPACE.sample(13, seed=0)
    queries = [
        SimpleNamespace(architecture=a, metrics={"score": float(i)}, feasible=True, epochs=epochs)
        for i, (a, epochs) in enumerate(zip(archs, [4] * 7 + [None] * 6, strict=True))
    ]
    short, full = queries[:7], queries[7:]
    for given, expected in (
        (short + full, [full, short]),
        (short + full[:4], [short]),
        (full, [full]),
    ):
        study = SimpleNamespace(queries=given)
        found = OptiProxy(SPACE, "score=max", warm_start=[study])._prior.studies
        values = [[q.metrics["score"] for q in part] for part in expected]
        assert [list(part.values("score")) for part in found] == values
    with pytest.raises(InvalidValueError, match="4 queries"):
        OptiProxy(SPACE, "score=max", warm_start=[SimpleNamespace(queries=full[:4] + short[:3])])


def test_a_value_that_is_no_number_is_a_failure_and_a_constant_one_says_nothing(
    recwarn: pytest.WarningsRecorder,
) -> None:
    space = Chain({"a": list(range(30))})
    pairs = [(arch, {"y": float(arch["a"])}) for arch in space.enumerate()]
    pairs[3] = (pairs[3][0], {"y": math.nan})
    assert len(OptiProxy(space, "y=max", warm_start=[pairs]).ask(3)) == 3
    constant = [(arch, 1.0) for arch in space.sample(12, seed=1)]
    assert len(OptiProxy(space, "y=max", warm_start=[constant]).ask(3)) == 3
    assert not recwarn.list


def test_a_choice_that_was_added_is_read_with_its_first_option() -> None:
    old = Conditional({"op": ["conv", "skip"], "k": [3, 5], "w": [16, 32]}, {"k": {"op": ["conv"]}})
    new = Conditional(
        {"op": ["conv", "skip"], "k": [3, 5], "w": [16, 32], "act": ["relu", "gelu"], "g": [1, 2]},
        {"k": {"op": ["conv"]}, "g": {"op": ["conv"]}},
    )
    history = [(arch, float(len(str(arch)))) for arch in old.enumerate()]
    with pytest.warns(UserWarning, match=r"'(act|g)' is new; .* first option, ('relu'|1)"):
        (study,) = read_earlier(new, [history], parse_objectives("y=max"))
    read = [dict(arch) for arch, _ in study.pairs(new)]
    assert {arch["act"] for arch in read} == {"relu"}
    assert all(arch["g"] == (1 if arch["op"] == "conv" else None) for arch in read)
    with pytest.raises(InvalidValueError, match=r"another space: .*choice: got 'k'"):
        read_earlier(Chain({"op": ["conv", "skip"]}), [history], parse_objectives("y=max"))
