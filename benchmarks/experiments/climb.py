"""Gradient ascent: without it, with other temperatures, fewer groups, other acquisitions.

    python benchmarks/experiments/climb.py --seeds 30

``draws`` ranks as many random architectures as the groups would have given. All variants also rank
the neighbours of the best architectures and random candidates.
"""

from _run import directions, run

import optiproxy.search._climb as climbing
import optiproxy.search.optiproxy as search
from optiproxy.search.optiproxy import OptiProxy


class Draws(OptiProxy):
    def _climbed(self, model, targets, alpha, rng, generator, away=None):
        return self.space.random_indices(len(alpha) * search.DRAWS, rng)


class Groups(OptiProxy):
    groups = 5

    def _start(self, groups, incumbents, rng):
        return super()._start(min(groups, self.groups), incumbents[:1], rng)


class Temperature(OptiProxy):
    start, end = climbing.TAU_START, climbing.TAU_END

    def _climbed(self, *arguments, **options):
        before = climbing.TAU_START, climbing.TAU_END
        climbing.TAU_START, climbing.TAU_END = self.start, self.end
        try:
            return super()._climbed(*arguments, **options)
        finally:
            climbing.TAU_START, climbing.TAU_END = before


class Hot(Temperature):
    start = end = 0.7


class Cold(Temperature):
    start = end = 0.2


def of(kind, **options):
    return lambda task, seed: kind(task.space, directions(task), seed=seed, **options)


VARIANTS = {
    "default": of(OptiProxy),
    "draws": of(Draws),
    "5 groups": of(Groups),
    "tau 0.7": of(Hot),
    "tau 0.2": of(Cold),
    "climbs improvement": of(OptiProxy, climbs=("improvement",)),
    "climbs optimism": of(OptiProxy, climbs=("optimism",)),
    "climbs thompson": of(OptiProxy, climbs=("thompson",)),
}

if __name__ == "__main__":
    run(__doc__, VARIANTS, ("nb201-cifar100", "nb201-imagenet16-120"))
