"""The published method, and variants of it with one part changed.

    python benchmarks/experiments/published.py --seeds 30

``no climb`` ranks random draws; ``no noise`` draws from the groups' distributions alone. ``kept``
keeps the architecture parameters from round to round, as the authors' code does, which a resumed
search could not. ``exchanged`` swaps the vertices of the operations 1>2 and 0>3 in the graph, as
their code does. ``whole table`` standardises by the table's mean and standard deviation, which no
real search knows.
"""

from unittest.mock import patch

from _run import directions, run

import optiproxy.search.paper as paper
from optiproxy.search.paper import Paper, PublishedGCN


class Kept(Paper):
    alpha = None

    def _propose(self, n, rng):
        start, climb = paper.start, paper.climb

        def kept(*arguments, **options):
            return start(*arguments, **options) if self.alpha is None else self.alpha

        def climbed(alpha, *arguments, **options):
            p = climb(alpha, *arguments, **options)
            # Its logarithm equals the parameters up to a constant of each choice.
            self.alpha = p.clamp(min=1e-6).log()
            return p

        paper.start, paper.climb = kept, climbed
        try:
            return super()._propose(n, rng)
        finally:
            paper.start, paper.climb = start, climb


class ExchangedGCN(PublishedGCN):
    def __init__(self, space, **options):
        super().__init__(space, **options)
        read = self._read
        a, b = 1 + space.names.index("1>2"), 1 + space.names.index("0>3")

        def exchanged(p):
            graph, x = read(p)
            order = list(range(x.shape[1]))  # the input, the operations, the output
            order[a], order[b] = b, a
            return graph, x[:, order]

        self._read = exchanged


class Exchanged(Paper):
    def _propose(self, n, rng):
        with patch.object(paper, "PublishedGCN", ExchangedGCN):
            return super()._propose(n, rng)


class WholeTable(Paper):
    constants = (0.0, 1.0)

    def _propose(self, n, rng):
        mean, deviation = self.constants
        with patch.object(paper, "standardise", lambda y: (y - mean) / deviation):
            return super()._propose(n, rng)


def whole_table(task, seed):
    opt = WholeTable(task.space, directions(task), seed=seed)
    values = task.values(task.objectives[0].metric)
    opt.constants = values.mean(), values.std()
    return opt


def of(kind, **options):
    return lambda task, seed: kind(task.space, directions(task), seed=seed, **options)


VARIANTS = {
    "published": of(Paper),
    "no climb": of(Paper, climbs=False),
    "no noise": of(Paper, exploration=0.0),
    "kept": of(Kept),
    "exchanged": of(Exchanged),
    "whole table": whole_table,
}

if __name__ == "__main__":
    run(__doc__, VARIANTS, ("nb201-imagenet16-120",))
