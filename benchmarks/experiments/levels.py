"""What a model gains by knowing the order of options that are numbers: widths, depths, kernels.

    python benchmarks/experiments/levels.py

A proxy is fitted to a metric of some random architectures and predicts others, with `Space.levels`
and without.
"""

import math

from _measured import compare

METRICS = [
    *((f"nasbench-mr-{s}", "val_accuracy") for s in ("cls-50-1000", "cls-50-100", "cls-10-1000")),
    ("nasbench-mr-cls-10c", "val_accuracy"),
    ("nasbench-mr-seg", "val_miou"),
    ("nasbench-mr-seg-4x", "val_miou"),
    ("nasbench-mr-video", "val_accuracy"),
    ("nasbench-mr-video-p", "val_accuracy"),
    ("accel-nasbench", "val_accuracy"),
    ("accel-nasbench", "latency_zcu102_ms"),
    ("accel-nasbench", "throughput_a100_img_per_s"),
    ("accel-nasbench", "throughput_tpuv3_img_per_s"),
]

if __name__ == "__main__":
    compare("levels", __doc__, METRICS, "levels", math.nan)
