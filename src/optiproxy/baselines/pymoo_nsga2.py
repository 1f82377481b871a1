"""NSGA-II as pymoo has it. Needs the extra ``pymoo``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.search.base import Optimizer
from optiproxy.spaces.architecture import Indices

Array = NDArray[np.float64]

POPULATION = 20
# So many values of a number of a range are drawn.
LEVELS = 1001


class PymooNSGA2(Optimizer):
    """pymoo's NSGA-II with its operators for choices, in generations of 20.

    References: Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE TEC
    2002, https://doi.org/10.1109/4235.996017; Blank and Deb, pymoo: multi-objective optimization in
    Python, IEEE Access 2020, https://doi.org/10.1109/ACCESS.2020.2990567.

    1. The first 20 architectures are random.
    2. Each 20 results that succeeded are a generation: pymoo's survival (fronts, then crowding;
       what breaks a limit after what keeps it, by the sum of the violations) chooses 20 among them
       and the survivors so far.
    3. Their children are proposed: binary tournament, uniform crossover, and a mutation that draws
       each choice anew with probability 1/C. What is known already, or no architecture, is made
       again.

    pymoo's object is built anew from the history for each `ask`, so that the history is the only
    state. Its generations are for budgets of hundreds, as those of `nsga2`.
    """

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        succeeded = [i for i, query in enumerate(self._queries) if query.metrics is not None]
        generations = len(succeeded) // POPULATION
        if not generations:
            return self.random_new(n, rng)
        algorithm = self._algorithm(np.array(succeeded[: generations * POPULATION]))
        # The parents are those of the whole generation; each `ask` makes other children of them.
        algorithm.random_state = rng
        rows = np.empty((0, len(self.space)), dtype=np.int64)
        while len(rows) < n:
            children = algorithm.ask()
            made = 0 if children is None else len(children)
            if made:
                rows = np.concatenate([rows, children.get("X").astype(np.int64)])
                rows = rows[self.is_new(rows)]
            if made < POPULATION:  # All possible children are known.
                rows = np.concatenate([rows, self.random_new(2 * n, rng)])
                return rows[self.is_new(rows)][:n]
        return rows[:n]

    def _algorithm(self, succeeded: NDArray[np.int64]) -> Any:
        """pymoo's algorithm after the generations of results number `succeeded`."""
        from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem
        from pymoo.core.termination import NoTermination
        from pymoo.core.variable import Choice
        from pymoo.operators.crossover.ux import UX
        from pymoo.operators.mutation.rm import ChoiceRandomMutation
        from pymoo.operators.selection.tournament import TournamentSelection

        options: list[Sequence[int]] = [range(size) for size in self.space.sizes.tolist()]
        for c, number in self.space.numbers.items():  # it draws from a list
            levels = np.linspace(0, 1, LEVELS)
            options[c] = [*range(number.first), *np.unique(number.nearest(levels)).tolist()]
        problem = Problem(
            vars={n: Choice(options=o) for n, o in zip(self.space.names, options, strict=True)},
            n_obj=len(self.objectives),
            n_ieq_constr=len(self.constraints),
        )
        algorithm = NSGA2(
            pop_size=POPULATION,
            selection=TournamentSelection(func_comp=binary_tournament),
            crossover=UX(),
            mutation=ChoiceRandomMutation(),
            repair=self._repair(),
            eliminate_duplicates=self._unknown(),
            output=None,
        )
        # Ties of crowding are broken at random; the same way whenever the history is read.
        algorithm.setup(problem, termination=NoTermination(), seed=self.seed)
        cost, violation = self._costs(), self._violations()
        for part in succeeded.reshape(-1, POPULATION):
            values = {"X": self.rows[part].astype(object), "F": cost[part]}
            if self.constraints:
                values["G"] = violation[part]
            algorithm.tell(Population.new(**values))
        return algorithm

    def _costs(self) -> Array:
        """The objectives as pymoo minimises them, (T, M).

        What was dropped for a limit before its objectives were measured has the worst of them.
        """
        y = np.stack([-o.sign * self.values(o.metric) for o in self.objectives], axis=1)
        known = np.isfinite(y)
        worst = np.where(known, y, -np.inf).max(axis=0, initial=-np.inf)
        return np.where(known, y, np.where(np.isfinite(worst), worst, 0.0))

    def _violations(self) -> Array:
        """How far each limit is broken, (T, limits); ``<= 0`` keeps it, as NaN is taken to do."""
        columns = [c.excess(self.values(c.metric)) for c in self.constraints]
        return (
            np.nan_to_num(np.stack(columns, axis=1)) if columns else np.empty((len(self.rows), 0))
        )

    def _repair(self) -> Any:
        """Children as architectures of the space; fewer where it can't say what is meant."""
        from pymoo.core.population import Population
        from pymoo.core.repair import Repair

        space = self.space

        class Valid(Repair):  # type: ignore[misc]
            def do(self, problem: Any, children: Any, **_: Any) -> Any:
                rows = space.repair(children.get("X").astype(np.int64))
                return Population.new(X=rows.astype(object))

        return Valid()

    def _unknown(self) -> Any:
        """Drops children that are known: succeeded, pending, or twice."""
        from pymoo.core.duplicate import DuplicateElimination

        method = self

        class Unknown(DuplicateElimination):  # type: ignore[misc]
            def do(self, children: Any, *others: Any, **_: Any) -> Any:
                if not len(children):
                    return children
                before = [p.get("X").astype(np.int64) for p in others[1:] if len(p)]
                rows = np.concatenate([*before, children.get("X").astype(np.int64)])
                return children[method.is_new(rows)[len(rows) - len(children) :]]

        return Unknown()
