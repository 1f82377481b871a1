"""Size of the initial design: 10 (the default), 5, 15 and 25 queries before the first fit.

python benchmarks/experiments/initial_sample.py --seeds 30
"""

from _run import directions, run

from optiproxy.search.optiproxy import OptiProxy


def with_initial(n):
    return lambda task, seed: OptiProxy(task.space, directions(task), seed=seed, n_init=n)


VARIANTS = {str(n): with_initial(n) for n in (10, 5, 15, 25)}

if __name__ == "__main__":
    run(__doc__, VARIANTS, ("nb201-cifar100", "nb201-imagenet16-120"))
