"""Shared by the experiments on models: measured architectures of a table in random order, and the
comparison of models that know something about the space with models that do not."""

from __future__ import annotations

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

import _results  # isort: skip - its folder has just been put on the path
from optiproxy import proxies, tasks
from optiproxy.encodings import corners
from optiproxy.proxies.base import Proxy
from optiproxy.search.transforms import Scale, of_objective
from optiproxy.spaces import Space

LISTED = 4000
QUERIES = (30, 100)
PREDICTED = 1000


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


def compare(
    name: str,
    description: str | None,
    metrics: Sequence[tuple[str, str]],
    attribute: str,
    nothing: object,
) -> None:
    """Fits each proxy to some architectures and predicts others, with the knowledge and without.

    Metrics to maximise are on the scale of a search (finest at the best), others are standardised.
    Reported are the root mean squared error and Spearman's rank correlation, means over the seeds.

    Args:
        name: Of the result file.
        description: The script's docstring.
        metrics: Pairs of a task and a metric.
        attribute: The attribute of a space that holds the knowledge, (C, O).
        nothing: Entry of that attribute in a space without the knowledge.
    """
    parser = _results.parser(description)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--proxies", nargs="+", default=["gp", "mlp", "gcn", "transformer"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    results, scores = {}, {}
    for (task, metric), queries in itertools.product(metrics, QUERIES):
        space, p, values = measured(task, metric)
        if len(values) < queries + 30:
            continue
        without = copy(space)
        # Replaces the value of the cached property.
        without.__dict__[attribute] = np.full(space.mask.shape, nothing)
        for proxy in options.proxies:
            found: dict[str, list[tuple[float, float]]] = {"told": [], "not told": []}
            for seed in range(options.seeds):
                order = np.random.default_rng(seed).permutation(len(values))[: queries + PREDICTED]
                y = _scale_of(metric, values[order[:queries]])(values[order])
                for label, known in (("told", space), ("not told", without)):
                    fresh = proxies.get(proxy)(known, seed=seed)
                    found[label].append(_quality(fresh, p[order], y, queries))
            row = {
                f"{measure}, {label}": round(float(np.mean([pair[i] for pair in pairs])), 3)
                for i, measure in enumerate(("error", "rank correlation"))
                for label, pairs in found.items()
            }
            key = f"{task} {metric}, {queries} queries, {proxy}"
            results[key] = row
            scores[key] = {
                f"{measure}, {label}": [round(pair[i], 5) for pair in pairs]
                for i, measure in enumerate(("error", "rank correlation"))
                for label, pairs in found.items()
            }
            print(task, metric, queries, proxy, row, flush=True)
    print(_results.write(f"experiment-{name}", options, results, scores))


def _scale_of(metric: str, values: NDArray[np.float64]) -> Scale:
    if "accuracy" not in metric and "miou" not in metric:
        return Scale(-1.0, False, 0.0, np.inf).standardised(values)
    return of_objective(values, 1.0, np.ones(len(values), dtype=bool))


def _quality(
    proxy: Proxy, p: torch.Tensor, y: NDArray[np.float64], queries: int
) -> tuple[float, float]:
    p, known = p.to(proxy.dtype), torch.from_numpy(y[:queries, None]).to(proxy.dtype)
    proxy.fit(p[:queries], known)
    with torch.no_grad():
        mean = proxy.mean(p[queries:])[:, 0].double().numpy()
    error = float(((y[queries:] - mean) ** 2).mean() ** 0.5)
    return error, float(spearmanr(mean, y[queries:]).statistic)
