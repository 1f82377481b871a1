"""What a model gains by being told which choices are dead: on no open path, and never seen.

    python benchmarks/experiments/dead_edges.py

A proxy is fitted to a metric of some random architectures and asked for others, with `Space.cuts`
and without.
"""

from copy import copy

import numpy as np
from _measured import told_or_not

from optiproxy.spaces import Space

METRICS = [
    ("nb201-cifar10", "val_accuracy"),
    ("nb201-cifar100", "val_accuracy"),
    ("nb201-imagenet16-120", "val_accuracy"),
    ("spikenas-cifar10", "val_accuracy"),
    ("nb101-sample", "accuracy"),
    *((f"hw-nb201-cifar10-{d}", "latency_ms") for d in ("samsung_a50", "2080ti_1")),
]


def untold(space: Space) -> Space:
    """The same space, which does not tell what its options cut."""
    other = copy(space)
    other.__dict__["cuts"] = np.zeros_like(space.mask)  # in the place of what is cached
    return other


if __name__ == "__main__":
    told_or_not("dead-edges", __doc__.splitlines()[0], METRICS, untold)
