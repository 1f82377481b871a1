"""What a model gains by knowing which operations are inactive: those on no open path.

    python benchmarks/experiments/dead_edges.py

A proxy is fitted to a metric of some random architectures and predicts others, with
`Space.zero_options` and without.
"""

from _measured import compare

METRICS = [
    ("nb201-cifar10", "val_accuracy"),
    ("nb201-cifar100", "val_accuracy"),
    ("nb201-imagenet16-120", "val_accuracy"),
    ("spikenas-cifar10", "val_accuracy"),
    ("nb101-sample", "accuracy"),
    *((f"hw-nb201-cifar10-{d}", "latency_ms") for d in ("samsung_a50", "2080ti_1")),
]

if __name__ == "__main__":
    compare("dead-edges", __doc__, METRICS, "zero_options", False)
