"""The search with each proxy, everything else equal, in batches of five.

python benchmarks/experiments/proxies.py --seeds 30
"""

from _run import directions, run

from optiproxy import proxies
from optiproxy.search.optiproxy import OptiProxy


class Fives(OptiProxy):
    """Batches of five, so that all proxies are fitted equally often."""

    batch_size = 5


def with_proxy(name):
    return lambda task, seed: Fives(task.space, directions(task), seed=seed, proxy=name)


VARIANTS = {name: with_proxy(name) for name in proxies.names()}

if __name__ == "__main__":
    run(__doc__, VARIANTS, ("nb201-cifar100", "nb201-imagenet16-120"))
