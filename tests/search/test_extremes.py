"""Values at the ends of what a float holds: no warning reaches a user, and nothing overflows."""

from __future__ import annotations

import itertools
import math
import sys
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from optiproxy.methods import METHODS
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Architecture, Chain

SPACE = Chain({"depth": [1, 2, 3, 4], "width": [8, 16, 32], "op": ["conv", "pool", "skip"]})
LARGE, TINY = sys.float_info.max, math.ulp(0.0)


def _rank(arch: Architecture) -> int:
    return int(SPACE.to_indices([arch])[0] @ [9, 3, 1])


VALUES: dict[str, Callable[[Architecture], float]] = {
    "constant 1e300": lambda arch: 1e300,
    "constant -1e300": lambda arch: -1e300,
    "constant 1e-300": lambda arch: 1e-300,
    "constant 0": lambda arch: 0.0,
    "least": lambda arch: TINY * (1 + _rank(arch) % 3),
    "tiny": lambda arch: 1e-300 * (1 + _rank(arch)),
    "tiny differences": lambda arch: 1.0 + 2.3e-16 * _rank(arch),
    "huge": lambda arch: 1e300 * (1 + _rank(arch)),
    "both ends": lambda arch: LARGE if _rank(arch) % 2 else -LARGE,
    "all orders": lambda arch: 10.0 ** (16 * _rank(arch) - 280),
    "a penalty": lambda arch: LARGE if _rank(arch) % 4 == 0 else 0.1 * _rank(arch),
    "one apart": lambda arch: 1e-300 if _rank(arch) else 1.0,
}
BOUNDS = ["<= 1e300", ">= 1e-300", "<= 0", "<= 5e-324", ">= -1.7e308", "<= 1.0000000000000002"]


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> object:
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        yield


def _search(opt: OptiProxy, rounds: int = 5) -> None:
    """A design of four, then rounds of the model."""
    for _ in range(rounds):
        archs = opt.ask(4)
        assert len(set(archs)) == 4
        opt.tell(archs, [_results(opt, arch) for arch in archs])
    predicted = opt.predictions(opt.ask(1))
    assert predicted is None or np.isfinite(predicted).all()
    assert repr(opt)


def _results(opt: OptiProxy, arch: Architecture) -> dict[str, float] | None:
    names = [*(o.metric for o in opt.objectives), *(c.metric for c in opt.constraints)]
    return None if _rank(arch) == 7 else {name: VALUES[name](arch) for name in names}


@pytest.mark.parametrize("direction", ["max", pytest.param("min", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", VALUES)
def test_an_objective(name: str, direction: str) -> None:
    _search(OptiProxy(SPACE, {name: direction}, n_init=4))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bound"), list(zip(VALUES, itertools.cycle(BOUNDS))))
def test_a_limit(name: str, bound: str) -> None:
    _search(OptiProxy(SPACE, {"tiny": "max"}, constraints={name: bound}, n_init=4))
    exact = {name: VALUES[name]}
    opt = OptiProxy(SPACE, {"tiny": "max"}, constraints={name: bound}, exact=exact, n_init=4)
    if len(opt.ask(4)) == 4:
        opt.restore([])
        _search(opt, 2)


@pytest.mark.slow
@pytest.mark.parametrize("pair", list(itertools.pairwise([*VALUES, *VALUES]))[3:14])
def test_a_front(pair: tuple[str, str]) -> None:
    _search(OptiProxy(SPACE, {pair[0]: "max", pair[1]: "min"}, n_init=4), rounds=4)


def test_a_front_of_three_with_a_limit() -> None:
    objectives = {"huge": "min", "all orders": "max", "both ends": "min"}
    _search(OptiProxy(SPACE, objectives, constraints={"tiny": "<= 2e-299"}, n_init=4), rounds=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", VALUES)
def test_a_warm_start_and_low_fidelity(name: str) -> None:
    archs = SPACE.sample(24, seed=1)
    known = [(arch, VALUES[name](arch)) for arch in archs]
    _search(OptiProxy(SPACE, {name: "max"}, warm_start=[known], n_init=4), rounds=2)
    opt = OptiProxy(SPACE, {name: "max"}, n_init=4)
    opt.restore([(a, {name: v}) for a, v in known[:6]], low=[(a, {name: v}) for a, v in known])
    assert len(opt.ask(4)) == 4
    _search(OptiProxy(SPACE, {name: "max"}, features={"score": VALUES["tiny"]}, n_init=4), rounds=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["evolution", "local", "bananas", "boosted", "nasbowl", "npenas", "paper"]
)
def test_other_methods(method: str) -> None:
    for name in ("both ends", "tiny", "constant 1e300"):
        opt = METHODS.get(method)(SPACE, {name: "min"}, constraints={"huge": "<= 1e301"}, seed=0)
        for _ in range(4):
            archs = opt.ask(4)
            opt.tell(archs, [_results(opt, arch) for arch in archs])
