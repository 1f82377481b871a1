"""Conformance cases of methods."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError
from optiproxy.search import Optimizer
from optiproxy.spaces import Architecture, Cell, Chain, Conditional
from optiproxy.spaces.architecture import Indices

CELL = Cell(nodes=4, operations=["none", "skip", "conv"])
# Of 288 combinations 26 are allowed.
BRANCHES = Conditional(
    {"block": ["conv", "attention", "skip"], "kernel": [3, 5, 7], "heads": [2, 4, 8],
     "norm": ["batch", "layer"], "width": [16, 32]},
    when={"kernel": {"block": ["conv"]}, "heads": {"block": ["attention"]},
          "norm": {"block": ["conv", "attention"]}},
)  # fmt: skip
CHAIN = Chain({"depth": [1, 2, 3], "width": [16, 32], "kernel": [3, 5, 7]})
# Fewer than an initial design has.
FEW = Chain({"depth": [1, 2, 3, 4, 5, 6, 7]})

# Its 64 cells are 14 networks.
TWINS = Cell(nodes=4, operations=["none", "conv"])


class Even(Chain):
    """No two architectures differ in a single choice."""

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        return np.asarray(indices.sum(1) % 2 == 0)


Make = Callable[..., Optimizer]
ABILITIES = (
    "uses_exact",
    "uses_distinct",
    "uses_features",
    "uses_warm_start",
    "default_proxy",
)
SCORE = {"score": "max"}


def score(arch: Mapping[str, object]) -> float:
    """A fixed number for an architecture, to which every choice adds its part."""
    return sum(zlib.crc32(f"{name}{option}".encode()) % 97 / 97 for name, option in arch.items())


def size(arch: Mapping[str, object]) -> float:
    """The number of convolutions."""
    return float(list(arch.values()).count("conv"))


def run(opt: Optimizer, budget: int, batch: int = 5) -> list[Architecture]:
    """Asks and tells until the budget or the space is used up; what was queried."""
    while len(opt.queries) < budget:
        archs = opt.ask(min(batch, budget - len(opt.queries)))
        if not archs:
            break
        opt.tell(archs, [{"score": score(arch)} for arch in archs])
    return [query.architecture for query in opt.queries]


class OptimizerCases:
    """The protocol of `optiproxy.search.Optimizer`.

    The fixture `make` gives the method's class, or any function that takes what
    ``Optimizer.__init__`` takes.
    """

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError("define the fixture `make`")

    def test_proposals_are_new_and_valid(self, make: Make) -> None:
        opt = make(CELL, SCORE, seed=1)
        archs = run(opt, 40)
        assert len(archs) == len(set(archs)) == 40
        assert CELL.valid(CELL.to_indices(archs)).all()
        assert opt.best is not None
        assert opt.best.metrics == {"score": max(map(score, archs))}

    def test_proposals_are_allowed_where_most_combinations_are_not(self, make: Make) -> None:
        opt = make(BRANCHES, SCORE, seed=0)
        while archs := opt.ask(5):
            assert BRANCHES.valid(BRANCHES.to_indices(archs)).all()
            opt.tell(archs, [{"score": score(arch)} for arch in archs])
        assert len(opt.queries) == BRANCHES.count

    def test_same_seed_same_search_other_seed_other_search(self, make: Make) -> None:
        first, again, other = (run(make(CELL, SCORE, seed=seed), 30) for seed in (3, 3, 4))
        assert first == again
        assert first != other

    def test_a_rebuilt_one_goes_on_as_the_old_one_would_have(self, make: Make) -> None:
        whole = make(CELL, SCORE, seed=2)
        run(whole, 25)
        rebuilt = make(CELL, SCORE, seed=2)
        rebuilt.restore([(query.architecture, query.metrics) for query in whole.queries])
        assert rebuilt.ask(5) == whole.ask(5)

    def test_what_is_pending_is_not_proposed(self, make: Make) -> None:
        opt = make(CELL, SCORE, seed=0)
        run(opt, 20)
        out = [arch for _ in range(6) for arch in opt.ask(2)]
        assert len(set(out)) == 12
        rebuilt = make(CELL, SCORE, seed=0)
        evaluated = [(query.architecture, query.metrics) for query in opt.queries]
        rebuilt.restore(evaluated, pending=out)
        assert not set(rebuilt.ask(5)) & set(out)

    @pytest.mark.parametrize("space", [CHAIN, FEW], ids=["18", "7"])
    def test_the_space_is_used_up_exactly(self, make: Make, space: Chain) -> None:
        opt = make(space, SCORE, seed=0)
        archs = run(opt, 100, batch=3)
        assert len(archs) == len(set(archs)) == space.count
        assert opt.ask(3) == []

    def test_the_end_of_a_space_with_few_networks_is_found(self, make: Make) -> None:
        opt = make(TWINS, SCORE, seed=0, distinct=True)
        networks = np.unique(TWINS.canonical(TWINS.all_indices), axis=0)
        assert len(run(opt, int(TWINS.count))) == len(networks) == 14

    def test_neighbours_may_be_no_architectures(self, make: Make) -> None:
        opt = make(Even({f"c{i}": [0, 1] for i in range(10)}), SCORE, seed=0)
        assert len(run(opt, 40)) == 40

    def test_failures_do_not_end_it(self, make: Make) -> None:
        opt = make(CELL, SCORE, seed=0)
        for i in range(6):
            archs = opt.ask(5)
            assert len(archs) == 5
            results = [None if (i + j) % 2 else {"score": score(a)} for j, a in enumerate(archs)]
            opt.tell(archs, results)
        assert sum(query.metrics is None for query in opt.queries) == 15
        opt.tell(opt.ask(2), [{"score": math.nan}, {"score": 1.0}])
        assert opt.queries[-2].metrics is None

    def test_nothing_but_failures(self, make: Make) -> None:
        opt = make(CELL, SCORE, seed=0)
        for _ in range(5):
            opt.tell(opt.ask(5), [None] * 5)
        assert opt.best is None
        assert len({query.architecture for query in opt.queries}) == 25

    def test_results_of_other_architectures_are_taken(self, make: Make) -> None:
        opt = make(CELL, SCORE, seed=0)
        archs = CELL.sample(5, seed=9)
        opt.tell([dict(arch) for arch in archs], [score(arch) for arch in archs])
        assert not set(opt.ask(20)) & set(archs)

    def test_less_is_better_where_the_objective_says_so(self, make: Make) -> None:
        """A method that climbs the wrong way ends far below the average architecture."""
        found = []
        for seed in range(3):
            opt = make(CELL, {"loss": "min"}, seed=seed)
            while len(opt.queries) < 30:
                archs = opt.ask(5)
                opt.tell(archs, [-score(arch) for arch in archs])
            found += [score(query.architecture) for query in opt.queries[15:]]
        average = np.array([score(arch) for arch in CELL.sample(200, seed=1)])
        assert np.mean(found) > average.mean() - 0.5 * average.std()

    def test_what_is_known_exactly_keeps_its_limit(self, make: Make) -> None:
        if not getattr(make, "uses_exact", True):
            pytest.skip("the method takes no `exact`")
        opt = make(CELL, SCORE, constraints={"size": "<= 2"}, exact={"size": size}, seed=0)
        for archs in iter(lambda: opt.ask(5) if len(opt.queries) < 25 else [], []):
            assert max(map(size, archs)) <= 2
            opt.tell(archs, [score(arch) for arch in archs])

    def test_a_constraint_limits_the_best(self, make: Make) -> None:
        opt = make(CELL, SCORE, constraints={"size": "<= 3"}, seed=0)
        for _ in range(6):
            archs = opt.ask(5)
            opt.tell(archs, [{"score": score(arch), "size": size(arch)} for arch in archs])
        fit = [q.architecture for q in opt.queries if size(q.architecture) <= 3]
        assert opt.best is not None
        assert opt.best.architecture == max(fit, key=score)

    def test_several_objectives(self, make: Make) -> None:
        opt = make(CELL, {"score": "max", "size": "min"}, seed=0)
        for _ in range(5):
            archs = opt.ask(5)
            opt.tell(archs, [{"score": score(arch), "size": size(arch)} for arch in archs])
        assert len({query.architecture for query in opt.queries}) == 25

    def test_what_it_can_not_use_is_refused(self, make: Make) -> None:
        with pytest.raises(InvalidValueError, match="seed"):
            make(CELL, SCORE, seed=-1)
        opt = make(CELL, SCORE)
        with pytest.raises(InvalidValueError, match="ask: n: got 0"):
            opt.ask(0)
        with pytest.raises(InvalidValueError, match="'score' is missing"):
            opt.tell(CELL.sample(1), [{"other": 1.0}])

    def test_predictions_are_one_number_each(self, make: Make) -> None:
        opt = make(CELL, SCORE, seed=0)
        run(opt, 20)
        predicted = opt.predictions(opt.ask(5))
        assert predicted is None or (len(predicted) == 5 and all(map(math.isfinite, predicted)))

    def test_a_subclass_with_keywords_keeps_the_abilities(self, make: Make) -> None:
        if not isinstance(make, type):
            pytest.skip("the method is a function")

        class Sub(make):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)

        for ability in ABILITIES:
            assert getattr(Sub, ability) == getattr(make, ability)
        # What a class declares, its arguments accept.
        options: dict[str, Any] = {}
        if Sub.uses_exact:
            options["exact"] = {"size": size}
        if Sub.uses_distinct:
            options["distinct"] = True
        if Sub.uses_features:
            options["features"] = {"size": size}
        if Sub.uses_warm_start:
            options["warm_start"] = [[(arch, score(arch)) for arch in CELL.sample(6)]]
        if Sub.default_proxy is not None:
            options["proxy"] = Sub.default_proxy
        opt = Sub(CELL, SCORE, constraints={"size": "<= 4"}, **options)
        assert len(opt.ask(2)) == 2
