"""What a batch is filled by: the default (mean and expected improvement in turn) and others.

python benchmarks/experiments/acquisition.py --seeds 30
"""

from _run import directions, run

from optiproxy.search.optiproxy import OptiProxy


def filled_by(*acquisition):
    return lambda task, seed: OptiProxy(
        task.space, directions(task), seed=seed, acquisition=acquisition
    )


VARIANTS = {
    "mean, improvement": filled_by("mean", "improvement"),
    "mean": filled_by("mean"),
    "improvement": filled_by("improvement"),
    "optimism": filled_by("optimism"),
    "thompson": filled_by("thompson"),
    "mean, thompson": filled_by("mean", "thompson"),
}

if __name__ == "__main__":
    run(__doc__.splitlines()[0], VARIANTS, ("nb201-cifar100", "nb201-imagenet16-120"))
