"""Gradient ascent: without it, with other temperatures, fewer groups, other acquisitions.

    python benchmarks/experiments/climb.py --seeds 30

``draws`` ranks as many random architectures as the groups would have given. All variants also rank
the neighbours of the best architectures and random candidates.
"""

from unittest.mock import patch

from _run import directions, patched, run

import optiproxy.search._ascent as ascent
import optiproxy.search._climb as climbing
from optiproxy.search.optiproxy import OptiProxy


def random_draws(self, model, groups, leads, *, climbs=("mean",), avoid=None):
    return self.space.random_indices(groups * ascent.DRAWS, self.rng)


def five_groups(space, groups, leads, rng):
    return climbing.start(space, min(groups, 5), leads[:1], rng)


def temperature(tau):
    replaced = (patch.object(climbing, name, tau) for name in ("TAU_START", "TAU_END"))
    return patched(OptiProxy, *replaced)


def of(kind, **options):
    return lambda task, seed: kind(task.space, directions(task), seed=seed, **options)


VARIANTS = {
    "default": of(OptiProxy),
    "draws": of(patched(OptiProxy, patch.object(ascent.Ascent, "candidates", random_draws))),
    "5 groups": of(patched(OptiProxy, patch.object(ascent, "start", five_groups))),
    "tau 0.7": of(temperature(0.7)),
    "tau 0.2": of(temperature(0.2)),
    "climbs improvement": of(OptiProxy, climbs=("improvement",)),
    "climbs optimism": of(OptiProxy, climbs=("optimism",)),
    "climbs thompson": of(OptiProxy, climbs=("thompson",)),
}

if __name__ == "__main__":
    run(__doc__, VARIANTS, ("nb201-cifar100", "nb201-imagenet16-120"))
