"""What the base class of all methods refuses, and how it ranks; on one method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optiproxy.baselines import RandomSearch
from optiproxy.errors import InvalidValueError
from optiproxy.search import Optimizer
from optiproxy.spaces import Cell

CELL = Cell(nodes=4, operations=["none", "skip", "conv"])
SCORE = {"score": "max"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda opt: opt.ask(0), "ask: n: got 0"),
        (lambda opt: opt.tell(CELL.sample(2), [1.0]), "give 2, one each"),
        (lambda opt: opt.tell(CELL.sample(1), [{"other": 1.0}]), "'score' is missing"),
        (lambda opt: opt.tell([{"0>1": "conv"}], [1.0]), "choice '0>2' is missing"),
        (lambda opt: opt.tell(CELL.sample(1)[0], [1.0]), "tell: archs: .* give a list"),
        (lambda opt: opt.tell(CELL.sample(1), 1.0), "tell: results: got 1.0; give a list"),
        (lambda opt: opt.tell(CELL.sample(1), ["?"]), r"tell: result: score: got '\?'; give a"),
        (lambda opt: opt.tell(CELL.sample(1), [{"score": None}]), "score: got None"),
    ],
)
def test_misuse_is_refused(call: Callable[[Optimizer], object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        call(RandomSearch(CELL, SCORE))


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("seed", {"seed": -1}),
        ("seed", {"seed": 1.5}),
        ("constraint", {"constraints": {"size": "5"}}),
        ("objectives", {"objectives": {}}),
        ("objectives: got 3; give texts", {"objectives": 3}),
        ("objective 'score': got None; give a direction", {"objectives": {"score": None}}),
        ("constraints: got 5; give texts", {"constraints": 5}),
        ("space", {"space": {"width": [1, 2]}}),
    ],
)
def test_bad_arguments_are_refused(message: str, arguments: dict[str, Any]) -> None:
    given: dict[str, Any] = {"space": CELL, "objectives": SCORE, **arguments}
    with pytest.raises(InvalidValueError, match=message):
        RandomSearch(given.pop("space"), given.pop("objectives"), **given)


def test_the_best_is_the_least_where_the_objective_is_minimised() -> None:
    opt = RandomSearch(CELL, {"loss": "min"})
    opt.tell(opt.ask(3), [{"loss": 2.0}, {"loss": 1.0}, {"loss": 3.0}])
    assert opt.best is not None
    assert opt.best.metrics == {"loss": 1.0}


def test_a_history_that_goes_on_is_restored_as_a_new_one_is() -> None:
    rng = np.random.default_rng(0)
    archs = CELL.sample(12, seed=1)
    opt = RandomSearch(CELL, SCORE, seed=3)
    pairs: list[Any] = [(arch, {"score": float(i)}) for i, arch in enumerate(archs)]
    for _ in range(40):
        pairs[rng.integers(12)][1]["score"] = float(rng.integers(100))  # The same mapping.
        start, size = rng.integers(2), rng.integers(12)
        opt.distinct = bool(rng.integers(5))
        opt.restore(pairs[start:size], [archs[size]])
        anew = RandomSearch(CELL, SCORE, seed=3, distinct=opt.distinct)
        anew.restore(pairs[start:size], [archs[size]])
        assert opt.queries == anew.queries
        assert (opt.rows == anew.rows).all()
        assert opt.ask(2) == anew.ask(2)
        opt.tell([archs[-1]], [1.0])  # A history of its own is replaced.
