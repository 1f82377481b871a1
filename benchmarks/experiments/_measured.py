"""What the experiments on models share: measured architectures of a table, in random order, and the
comparison of models that are told something of the space with models that are not."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
from collections.abc import Sequence
from copy import copy
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

import _results  # isort: skip - the path has just been set
from optiproxy import tasks
from optiproxy.encodings import corners
from optiproxy.proxies import PROXIES
from optiproxy.proxies.base import Proxy
from optiproxy.search._scales import Scale, of_objective
from optiproxy.spaces import Space

LISTED = 4000
QUERIES = (30, 100)
ASKED = 1000


def measured(name: str, metric: str) -> tuple[Space, torch.Tensor, NDArray[np.float64]]:
    """A task's space, at most `LISTED` of its architectures (T, C, O), and their values (T,)."""
    task = tasks.get(name)
    rows = np.random.default_rng(0).permutation(task.space.all_indices)[:LISTED]
    found = [task.query(arch).metrics or {} for arch in task.space.from_indices(rows)]
    values = np.array([metrics.get(metric, math.nan) for metrics in found])
    known = np.isfinite(values)
    return (
        task.space,
        corners(task.space, torch.from_numpy(rows[known]), torch.float64),
        values[known],
    )


def told_or_not(
    name: str,
    description: str,
    metrics: Sequence[tuple[str, str]],
    attribute: str,
    nothing: object,
) -> None:
    """Fits each proxy to some architectures, told and not told, and asks it for others.

    Metrics to maximise are on the scale of a search (finest at the best), others standardised.
    Measured are the root mean squared error and the rank correlation (Spearman), means over the
    seeds.

    Args:
        name: Of the result file.
        description: For ``--help``.
        metrics: Task and metric.
        attribute: Of the space, (C, O): by what it tells.
        nothing: The entries of a space that does not tell.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--proxies", nargs="+", default=["gp", "mlp", "gcn", "transformer"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for (task, metric), queries in itertools.product(metrics, QUERIES):
        space, p, values = measured(task, metric)
        if len(values) < queries + 30:
            continue
        untold = copy(space)
        # In the place of what is cached.
        untold.__dict__[attribute] = np.full(space.mask.shape, nothing)
        for proxy in options.proxies:
            found: dict[str, list[tuple[float, float]]] = {"told": [], "not told": []}
            for seed in range(options.seeds):
                order = np.random.default_rng(seed).permutation(len(values))[: queries + ASKED]
                y = _scale_of(metric, values[order[:queries]])(values[order])
                for label, seen in (("told", space), ("not told", untold)):
                    fresh = PROXIES.get(proxy)(seen, seed=seed)
                    found[label].append(_quality(fresh, p[order], y, queries))
            row = {
                f"{measure}, {label}": round(float(np.mean([pair[i] for pair in pairs])), 3)
                for i, measure in enumerate(("error", "rank correlation"))
                for label, pairs in found.items()
            }
            results[f"{task} {metric}, {queries} queries, {proxy}"] = row
            print(task, metric, queries, proxy, row, flush=True)
    print(_results.write(f"experiment-{name}", vars(options), results))


def _scale_of(metric: str, values: NDArray[np.float64]) -> Scale:
    if "accuracy" not in metric and "miou" not in metric:
        return Scale(-1.0, False, 0.0, np.inf).standardised(values)
    return of_objective(values, 1.0, np.ones(len(values), dtype=bool))


def _quality(
    proxy: Proxy, p: torch.Tensor, y: NDArray[np.float64], queries: int
) -> tuple[float, float]:
    p, told = p.to(proxy.dtype), torch.from_numpy(y[:queries, None]).to(proxy.dtype)
    proxy.fit(p[:queries], told)
    with torch.no_grad():
        mean = proxy.mean(p[queries:])[:, 0].double().numpy()
    error = float(((y[queries:] - mean) ** 2).mean() ** 0.5)
    return error, float(spearmanr(mean, y[queries:]).statistic)
