"""Twenty queries of NAS-Bench-201: the default, random search, evolution, the published method.

python benchmarks/experiments/few_queries.py --seeds 30
"""

from _run import directions, run

from optiproxy.methods import METHODS


def of(method):
    return lambda task, seed: METHODS.get(method)(task.space, directions(task), seed=seed)


VARIANTS = {name: of(name) for name in ("random", "optiproxy", "paper", "evolution")}
TASKS = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16-120")

if __name__ == "__main__":
    run(__doc__, VARIANTS, TASKS, budget=20)
