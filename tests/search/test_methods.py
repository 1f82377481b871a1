"""One protocol test for every registered method: STYLE's "one API test over the list"."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.search import METHODS, Optimizer
from optiproxy.spaces import Cell, Chain, Space

CELL = Cell(nodes=4, operations=["none", "skip", "conv"])
CHAIN = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
Make = Callable[..., Optimizer]


@pytest.fixture(params=METHODS.names())
def make(request: pytest.FixtureRequest) -> Make:
    def build(
        space: Space, objectives: Mapping[str, str] | None = None, **kwargs: object
    ) -> Optimizer:
        return METHODS.get(request.param)(space, objectives or {"score": "max"}, **kwargs)  # type: ignore[no-any-return]

    return build


def score(arch: Mapping[str, object]) -> float:
    return sum(hash_free(str(k) + str(v)) for k, v in arch.items())


def hash_free(text: str) -> float:
    """A fixed number in 0…1 for a text; `hash` differs from process to process."""
    return sum((i + 1) * ord(c) for i, c in enumerate(text)) % 97 / 97


def run(opt: Optimizer, budget: int, batch: int = 5) -> list[dict[str, object]]:
    while len(opt.queries) < budget:
        archs = opt.ask(min(batch, budget - len(opt.queries)))
        if not archs:
            break
        opt.tell(archs, [{"score": score(a)} for a in archs])
    return [dict(q.architecture) for q in opt.queries]


def test_proposals_are_new_and_valid(make: Make) -> None:
    opt = make(CELL, seed=1)
    trajectory = run(opt, 40)
    assert len(trajectory) == 40
    assert len({tuple(a.values()) for a in trajectory}) == 40
    assert opt.best is not None
    assert opt.best.metrics is not None
    assert opt.best.metrics["score"] == max(score(a) for a in trajectory)


def test_same_seed_same_search_other_seed_other_search(make: Make) -> None:
    first, again, other = (run(make(CELL, seed=s), 30) for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_restored_equals_uninterrupted(make: Make) -> None:
    """The history is the only state: a rebuilt optimiser goes on as the old one would have."""
    whole = make(CELL, seed=2)
    run(whole, 25)
    rebuilt = make(CELL, seed=2)
    rebuilt.restore([(q.architecture, q.metrics) for q in whole.queries])
    assert rebuilt.ask(5) == whole.ask(5)


def test_pending_counts_as_known(make: Make) -> None:
    opt = make(CELL, seed=0)
    run(opt, 20)
    out = [a for _ in range(6) for a in opt.ask(2)]
    assert len(set(out)) == 12
    rebuilt = make(CELL, seed=0)
    rebuilt.restore([(q.architecture, q.metrics) for q in opt.queries], pending=out)
    assert not set(rebuilt.ask(5)) & set(out)


def test_exhausts_the_space_exactly(make: Make) -> None:
    opt = make(CHAIN, seed=0)
    assert len(run(opt, 100)) == CHAIN.count
    assert opt.ask(3) == []


def test_failures_are_no_end(make: Make) -> None:
    opt = make(CELL, seed=0)
    for i in range(6):
        archs = opt.ask(5)
        assert len(archs) == 5
        results = [None if (i + j) % 2 else {"score": score(a)} for j, a in enumerate(archs)]
        opt.tell(archs, results)
    assert sum(q.metrics is None for q in opt.queries) == 15
    opt.tell(opt.ask(2), [{"score": math.nan}, {"score": 1.0}])
    assert opt.queries[-2].metrics is None


def test_only_failures(make: Make) -> None:
    opt = make(CELL, seed=0)
    for _ in range(5):
        archs = opt.ask(5)
        opt.tell(archs, [None] * 5)
    assert opt.best is None
    assert len({q.architecture for q in opt.queries}) == 25


def test_tell_takes_what_was_never_asked(make: Make) -> None:
    opt = make(CELL, seed=0)
    archs = CELL.sample(5, seed=9)
    opt.tell([dict(a) for a in archs], [score(a) for a in archs])
    assert not set(opt.ask(20)) & set(archs)


def test_minimises(make: Make) -> None:
    opt = make(CHAIN, {"loss": "min"}, seed=0)
    archs = opt.ask(12)
    opt.tell(archs, [{"loss": score(a)} for a in archs])
    assert opt.best is not None
    assert opt.best.metrics == {"loss": min(map(score, archs))}


def test_constraint_limits_the_best(make: Make) -> None:
    opt = make(CELL, {"score": "max"}, constraints={"size": "<= 3"}, seed=0)
    for _ in range(6):
        archs = opt.ask(5)
        opt.tell(
            archs, [{"score": score(a), "size": list(a.values()).count("conv")} for a in archs]
        )
    assert opt.best is not None
    assert opt.best.metrics is not None
    assert opt.best.metrics["size"] <= 3
    fit = [q for q in opt.queries if list(q.architecture.values()).count("conv") <= 3]
    assert opt.best.metrics["score"] == max(score(q.architecture) for q in fit)


def test_several_objectives(make: Make) -> None:
    opt = make(CELL, {"score": "max", "size": "min"}, seed=0)
    for _ in range(5):
        archs = opt.ask(5)
        opt.tell(
            archs, [{"score": score(a), "size": list(a.values()).count("conv")} for a in archs]
        )
    assert len({q.architecture for q in opt.queries}) == 25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda opt: opt.ask(0), "ask: n: got 0"),
        (lambda opt: opt.tell(CELL.sample(2), [1.0]), "give 2, one each"),
        (lambda opt: opt.tell(CELL.sample(1), [{"other": 1.0}]), "'score' is missing"),
        (lambda opt: opt.tell([{"0>1": "conv"}], [1.0]), "choice '0>2' is missing"),
    ],
)
def test_misuse_is_told(make: Make, call: Callable[[Optimizer], object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        call(make(CELL))


@pytest.mark.parametrize(
    "kwargs", [{"seed": -1}, {"seed": 1.5}, {"constraints": {"size": "5"}}, {"objectives": {}}]
)
def test_bad_arguments(make: Make, kwargs: dict[str, object]) -> None:
    arguments = {"objectives": {"score": "max"}, **kwargs}
    with pytest.raises(InvalidValueError, match=next(iter(kwargs))[:9]):
        METHODS.get("optiproxy")(CELL, **arguments)
    assert np.isfinite(make(CELL).seed)
