"""Scores that cost no query, as inputs of the proxy."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest
import torch

from optiproxy.encodings import corners
from optiproxy.errors import InvalidValueError
from optiproxy.methods import METHODS
from optiproxy.proxies.training_free import LARGEST, Scores
from optiproxy.search import optiproxy
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Architecture, Chain
from optiproxy.study import Study

SPACE = Chain({name: [0, 1, 2, 3] for name in "abcde"})


def noise(arch: Architecture, number: int) -> float:
    """Without any structure that choices could explain; the same for the same architecture."""
    row = SPACE.to_indices([arch])[0].tolist()
    return float(np.random.default_rng([number, *row]).normal())


def score(arch: Architecture) -> float:
    return noise(arch, 0)


def hint(arch: Architecture) -> float:
    return -3.0 * (score(arch) + 0.3 * noise(arch, 1))  # it points the other way, on another scale


def best(features: dict[str, object], seed: int) -> float:
    opt = OptiProxy(SPACE, {"score": "max"}, seed=seed, features=features)  # type: ignore[arg-type]
    while len(opt.queries) < 25:
        archs = opt.ask(5)
        opt.tell(archs, [score(a) for a in archs])
    return float(opt.values("score").max())


@pytest.mark.slow
def test_a_good_score_leads_where_choices_say_nothing() -> None:
    with_it = [best({"hint": hint}, seed) for seed in range(4)]
    without = [best({}, seed) for seed in range(4)]
    # Best of 1,024 normal numbers: about 3.2; of 25: about 2.
    assert np.mean(with_it) > np.mean(without) + 0.4
    assert np.mean(with_it) > 2.5


def test_exact_at_corners_and_differentiable_between() -> None:
    scores = Scores(SPACE, 1, {"hint": hint, "sum": lambda arch: float(sum(arch.values()))})  # type: ignore[arg-type]
    rows = SPACE.random_indices(50, np.random.default_rng(0))
    p = corners(SPACE, torch.from_numpy(rows), torch.float64)
    values = scores.values(p)
    sums = torch.from_numpy(rows.sum(1)).double()
    slope = (values[:, 1] - values[0, 1]) / (sums - sums[0])
    assert slope[sums != sums[0]].std() < 1e-9
    between = (0.9 * p + 0.025).requires_grad_()
    scores.values(between)[:, 1].sum().backward()
    assert between.grad is not None
    assert between.grad.abs().sum() > 0


def test_each_architecture_is_scored_once() -> None:
    calls: list[Architecture] = []

    def counted(arch: Architecture) -> float:
        calls.append(arch)
        return score(arch)

    best({"counted": counted}, 0)
    assert len(calls) == len(set(calls))


def test_what_is_not_finite_counts_as_low() -> None:
    scores = Scores(SPACE, 1, {"s": lambda a: math.nan if a["a"] == 3 else float(a["b"])})  # type: ignore[arg-type]
    p = corners(SPACE, torch.tensor([[3, 0, 0, 0, 0], [0, 0, 0, 0, 0]]), torch.float64)
    low, finite = scores.values(p)[:, 0].tolist()
    assert low == -LARGEST
    assert abs(finite) < LARGEST


def test_what_can_not_be_used_is_an_error() -> None:
    def broken(arch: Architecture) -> float:
        raise RuntimeError("no such layer")

    for features, words in (
        ({"flat": lambda arch: 1.0}, "flat"),
        ({"flat": lambda arch: 0.1}, "flat"),  # Whose mean is rounded.
        ({"broken": broken}, "broken: it raised RuntimeError"),
        ({"none": 3}, "features"),
    ):
        with pytest.raises(InvalidValueError, match=words):
            OptiProxy(SPACE, {"score": "max"}, features=features)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_study_hands_them_to_methods_that_can_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Architecture] = []

    def feature(arch: Architecture) -> float:
        asked.append(arch)
        return float(zlib.crc32(arch.to_json().encode()) % 97)

    class WithKeywords(OptiProxy):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(optiproxy, "WithKeywords", WithKeywords, raising=False)
    entry = "optiproxy.search.optiproxy:WithKeywords"
    monkeypatch.setitem(METHODS._entries, "with-keywords", entry)
    for method, used in (("random", False), ("optiproxy", True), ("with-keywords", True)):
        asked.clear()
        study = Study("s", SPACE, lambda arch: 1.0 + len(str(arch)), objectives="score=max",
                      method=method, features={"size": feature})  # fmt: skip
        study.run(14)
        assert bool(asked) == used
    wrong: Any = {"size": 3}
    with pytest.raises(InvalidValueError, match=r"Task: features: got \{'size': 3\}"):
        Study("s", SPACE, feature, objectives="score=max", features=wrong)
