"""Finds the choices of a function, and when each is asked, by running it a few times.

1. A run with every first option, every last one, and for each label one in which all choices that
   offer it have it: rules such as "nothing but skip" are met there.
2. Runs that have as many new pairs of options as possible (of few options, new combinations of
   three), and new combinations of the parents of a choice, until a random sample has none.
3. Random runs. One that asks for other choices than predicted teaches the condition, and 2 begins
   anew; otherwise the conditions are taken for found.

Reference for 2: Cohen et al., The AETG System, IEEE Trans. Software Engineering 23(7), 1997.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, OptiProxyError
from optiproxy.nn._conditions import Observed
from optiproxy.nn._order import in_order
from optiproxy.nn._runs import Network, Run, Runner
from optiproxy.spaces import Conditional, Float, Int, Option
from optiproxy.spaces.conditional import Condition

# Architectures that the next run is chosen from.
POOL = 200
# Random runs that must all be as predicted: a third of them answered at random, a third uniform
# over the architectures, and a third at the edge of conditions.
CHECKS = 48
# A function of so few options is run with new combinations of three instead of two.
TRIPLES = 32
MAX_RUNS = 1000


def discover(
    network: Network, where: Sequence[str] = ()
) -> tuple[dict[str, list[Option] | Float | Int], dict[str, Condition], list[Run]]:
    """The choices of a function, the conditions of those that are not asked always, and the runs.

    Raises:
        InvalidValueError: It is random; options depend on other choices; it asks for none; the
            conditions are too many; it fails with answers that keep the rules `where`.
    """
    runner, observed = Runner(network, where), Observed()
    rng = np.random.default_rng(0)
    first = runner.run({}, lambda name, size: 0)
    observed.add(first)
    if not first.asked:
        raise InvalidValueError("space_of: the function asks for no choice: choose(name, options)")
    runner.again(first)
    observed.add(runner.run({}, lambda name, size: size - 1))
    labels: set[Option] = set()
    while new := {o for options in observed.options.values() for o in options} - labels:
        labels |= new
        for label in sorted(new, key=repr):
            if sum(label in options for options in observed.options.values()) > 1:
                everywhere = dict.fromkeys(observed.options, label)
                observed.add(runner.run(everywhere, lambda name, size: 0))
    while True:
        _cover_pairs(runner, observed, rng)
        if _checked(runner, observed, rng):
            break
    runner.again(runner.runs[-1])
    order = in_order(list(observed.options), {
        pair for run in runner.runs for pair in itertools.pairwise(run.asked)
    })  # fmt: skip
    ranges = {name: found for run in runner.runs for name, found in run.ranges.items()}
    choices = {name: ranges.get(name, list(observed.options[name])) for name in order}
    when: dict[str, Condition] = {
        name: terms[0] if len(terms) == 1 else terms
        for name, terms in ((name, observed.terms.get(name, [])) for name in order)
        if terms
    }
    return choices, when, runner.runs


def _cover_pairs(runner: Runner, observed: Observed, rng: np.random.Generator) -> None:
    """Runs until a sample has no pair of options, and no parents' options, that no run had."""
    while True:
        _check_number(runner)
        done = observed.one_hot(observed.covered)
        pool = observed.sample(POOL, rng)
        rows = observed.one_hot(pool)
        triples = rows.shape[1] <= TRIPLES
        new = ((_pairs(done) if triples else done).T @ done) == 0
        gain = (((_pairs(rows) if triples else rows) @ new) * rows).sum(1)
        gain += observed.new_parents(pool)
        best = int(gain.argmax())
        if gain[best] == 0:
            return
        known = observed.picked(pool[best])
        run = runner.run(known, lambda name, size: int(rng.integers(size)))
        observed.add(run)
        if any(run.picked.get(name, option) != option for name, option in known.items()):
            observed.refused.append(known)


def _pairs(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Which pairs of options each row of zeros and ones has, (R, pairs)."""
    one, other = np.triu_indices(rows.shape[1], 1)
    return rows[:, one] * rows[:, other]


def _checked(runner: Runner, observed: Observed, rng: np.random.Generator) -> bool:
    """Whether random runs ask for what is predicted."""
    space = conditional(dict(observed.options), dict(observed.terms))
    uniform = space.from_indices(space.random_indices(CHECKS // 3, rng))
    near = observed.sample(CHECKS // 3, rng)
    for check in range(CHECKS):
        _check_number(runner)
        known: dict[str, Option] = {}
        if check % 3 == 1:
            known = {name: o for name, o in uniform[check // 3].items() if o is not None}
        elif check % 3 == 2:
            known = observed.picked(near[check // 3])
        if not observed.add(runner.run(known, lambda name, size: int(rng.integers(size)))):
            return False
    return True


def conditional(
    options: Mapping[str, Sequence[Option]], terms: Mapping[str, object]
) -> Conditional:
    """The space of what was found.

    Raises:
        InvalidValueError: The conditions go round in a circle.
    """
    try:
        # Lists, since a tuple of two numbers may be meant as a range.
        listed = {name: list(labels) for name, labels in options.items()}
        return Conditional(listed, terms)  # type: ignore[arg-type]
    except OptiProxyError as error:
        raise InvalidValueError(f"space_of: the choices make no space: {error}") from None


def _check_number(runner: Runner) -> None:
    if len(runner.runs) >= MAX_RUNS:
        raise InvalidValueError(
            f"space_of: {MAX_RUNS} runs of the function did not show when each choice is asked; "
            "ask for it in every run, or write the space by hand: spaces.Conditional"
        )
