"""The published method, and what its parts are worth: the climb, the noise, kept parameters.

    python benchmarks/experiments/published.py --seeds 30

``kept`` keeps the architecture parameters from round to round, as the authors' code does. Within
one process that is the same search; a search that was stopped could not go on so.
"""

from _run import directions, run

import optiproxy.search.paper as paper
from optiproxy.search.paper import Paper


class Kept(Paper):
    alpha = None

    def _propose(self, n, rng):
        start, climb = paper.start, paper.climb

        def kept(*arguments):
            return start(*arguments) if self.alpha is None else self.alpha

        def climbed(alpha, *arguments, **options):
            p = climb(alpha, *arguments, **options)
            # The distribution's logarithm is the parameters but for a constant of each choice.
            self.alpha = p.clamp(min=1e-6).log()
            return p

        paper.start, paper.climb = kept, climbed
        try:
            return super()._propose(n, rng)
        finally:
            paper.start, paper.climb = start, climb


def of(kind, **options):
    return lambda task, seed: kind(task.space, directions(task), seed=seed, **options)


VARIANTS = {
    "published": of(Paper),
    "no climb": of(Paper, climbs=False),
    "no noise": of(Paper, exploration=0.0),
    "kept": of(Kept),
}

if __name__ == "__main__":
    run(__doc__.splitlines()[0], VARIANTS, ("nb201-imagenet16-120",))
