"""Acquisition functions: the default (mean and expected improvement in turn) and others.

python benchmarks/experiments/acquisition.py --seeds 30
"""

from _run import directions, run

from optiproxy.search.optiproxy import OptiProxy


def with_acquisition(*acquisition):
    return lambda task, seed: OptiProxy(
        task.space, directions(task), seed=seed, acquisition=acquisition
    )


VARIANTS = {
    "mean, improvement": with_acquisition("mean", "improvement"),
    "mean": with_acquisition("mean"),
    "improvement": with_acquisition("improvement"),
    "optimism": with_acquisition("optimism"),
    "thompson": with_acquisition("thompson"),
    "mean, thompson": with_acquisition("mean", "thompson"),
}

if __name__ == "__main__":
    run(__doc__, VARIANTS, ("nb201-cifar100", "nb201-imagenet16-120"))
