"""The scale of a limited metric's model: always the logarithm, never, or as `of_limit` selects.

    python benchmarks/experiments/limit_scales.py

A Gaussian process is fitted to a metric of some random architectures, and predicts the probability
that others meet a limit at the 10, 30 and 60 % quantile. Reported is its log loss in nats, the mean
over the quantiles and seeds.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from _measured import measured
from scipy.stats import norm

import _results  # isort: skip - _measured puts its folder on the path
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.search.transforms import Array, Scale, of_limit, on_logarithm, without_logarithm

METRICS = [
    *(
        (f"hw-nb201-cifar10-{device}", "latency_ms")
        for device in ("pixel2", "essential_ph_1", "silver_4114", "2080ti_1", "raspi4", "pixel3")
    ),
    ("accel-nasbench", "latency_zcu102_ms"),
    ("accel-nasbench", "params_m"),
    ("accel-nasbench", "train_seconds"),
    ("nasbench-graph-cora", "latency_ms"),
    ("nasbench-graph-computers", "params_m"),
    ("nasbench-macro", "params"),
    ("nasbench-macro", "flops"),
    ("nasbench-mr-cls-10c", "params_m"),
    ("nasbench-mr-cls-10c", "flops_g"),
    ("oncenas-cifar10", "latency_gpu"),
    ("oncenas-cifar10", "latency_mcu"),
]
QUANTILES = (0.1, 0.3, 0.6)
QUERIES = (30, 80)
PREDICTED = 800


def always(values: Array, sign: float, bound: float) -> Scale:
    return on_logarithm(values, sign, bound).standardised(values)


def never(values: Array, sign: float, bound: float) -> Scale:
    return without_logarithm(values, sign, bound).standardised(values)


SCALES = {"logarithm": always, "none": never, "picked": of_limit}


def log_loss(gp: GaussianProcess, p: torch.Tensor, bound: float, met: Array) -> float:
    mean, spread = gp.predict(p)
    chance = norm.cdf((bound - mean[:, 0].numpy()) / spread[:, 0].numpy()).clip(1e-6, 1 - 1e-6)
    return -float(np.log(np.where(met, chance, 1 - chance)).mean())


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results, by_seed = {}, {}
    for name, metric in METRICS:
        space, p, values = measured(name, metric)
        losses: dict[str, list[float]] = {}
        for seed, queries in itertools.product(range(options.seeds), QUERIES):
            order = np.random.default_rng(seed).permutation(len(values))
            known, others = order[:queries], order[queries : queries + PREDICTED]
            for quantile, (label, make) in itertools.product(QUANTILES, SCALES.items()):
                limit = float(np.quantile(values, quantile))
                scale = make(values[known], 1.0, limit)
                gp = GaussianProcess(space)
                gp.fit(p[known], torch.from_numpy(scale(values[known]))[:, None])
                bound = float(scale(np.array([limit]))[0])
                loss = log_loss(gp, p[others], bound, values[others] <= limit)
                losses.setdefault(f"{label} at {queries}", []).append(loss)
        row = {label: round(float(np.mean(found)), 3) for label, found in losses.items()}
        results[f"{name} {metric}"] = row
        # By seed, and within a seed by quantile.
        by_seed[f"{name} {metric}"] = {
            label: [round(loss, 5) for loss in found] for label, found in losses.items()
        }
        print(name, metric, row, flush=True)
    print(_results.write("experiment-limit-scales", options, results, by_seed))


if __name__ == "__main__":
    main()
