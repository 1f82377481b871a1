"""What a model gains by being told which choices are dead: on no open path, and never seen.

    python benchmarks/experiments/dead_edges.py

A proxy is fitted to a metric of some random architectures and asked for others, with `Space.cuts`
and without. Accuracies are on the scale of a search (finest at the best), latencies
standardised. Measured are the root mean squared error and the rank correlation (Spearman), means
over the seeds.
"""

from __future__ import annotations

import argparse
import itertools
from copy import copy

import numpy as np
import torch
from _measured import measured
from scipy.stats import spearmanr

import _results  # isort: skip - after _measured, which finds it
from optiproxy.proxies import PROXIES
from optiproxy.proxies.base import Proxy
from optiproxy.search._scales import Scale, of_objective
from optiproxy.spaces import Space

METRICS = [
    ("nb201-cifar10", "val_accuracy"),
    ("nb201-cifar100", "val_accuracy"),
    ("nb201-imagenet16-120", "val_accuracy"),
    ("spikenas-cifar10", "val_accuracy"),
    ("nb101-sample", "accuracy"),
    *((f"hw-nb201-cifar10-{d}", "latency_ms") for d in ("samsung_a50", "2080ti_1")),
]
QUERIES = (30, 100)
ASKED = 1000


def scale_of(metric: str, values: np.ndarray) -> Scale:
    if metric == "latency_ms":
        return Scale(-1.0, False, 0.0, np.inf).standardised(values)
    return of_objective(values, 1.0, np.ones(len(values), dtype=bool))


def untold(space: Space) -> Space:
    """The same space, which does not tell what its options cut."""
    other = copy(space)
    other.__dict__["cuts"] = np.zeros_like(space.mask)  # in the place of what is cached
    return other


def quality(proxy: Proxy, p: torch.Tensor, y: np.ndarray, queries: int) -> tuple[float, float]:
    p, told = p.to(proxy.dtype), torch.from_numpy(y[:queries, None]).to(proxy.dtype)
    proxy.fit(p[:queries], told)
    with torch.no_grad():
        mean = proxy.mean(p[queries:])[:, 0].double().numpy()
    error = float(((y[queries:] - mean) ** 2).mean() ** 0.5)
    return error, float(spearmanr(mean, y[queries:]).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--proxies", nargs="+", default=["gp", "mlp", "gcn", "transformer"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for (name, metric), queries in itertools.product(METRICS, QUERIES):
        space, p, values = measured(name, metric)
        if len(values) < queries + 30:
            continue
        for proxy in options.proxies:
            found: dict[str, list[tuple[float, float]]] = {"told": [], "not told": []}
            for seed in range(options.seeds):
                order = np.random.default_rng(seed).permutation(len(values))[: queries + ASKED]
                y = scale_of(metric, values[order[:queries]])(values[order])
                for label, seen in (("told", space), ("not told", untold(space))):
                    fresh = PROXIES.get(proxy)(seen, seed=seed)
                    found[label].append(quality(fresh, p[order], y, queries))
            row = {
                f"{measure}, {label}": round(float(np.mean([pair[i] for pair in pairs])), 3)
                for i, measure in enumerate(("error", "rank correlation"))
                for label, pairs in found.items()
            }
            results[f"{name} {metric}, {queries} queries, {proxy}"] = row
            print(name, metric, queries, proxy, row, flush=True)
    print(_results.write("experiment-dead-edges", vars(options), results))


if __name__ == "__main__":
    main()
