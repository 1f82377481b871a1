"""What limits a search: its candidates, its acquisition, its model, or the data.

    python benchmarks/experiments/what_limits.py --seeds 20

Three searches over the same seeds: the default; one whose candidates are all architectures of the
space in every round, instead of those of the ascent, neighbours and random ones; and one that
selects by expected improvement alone. Beside them what the default's Gaussian process knows of more
data: it is fitted to N random architectures, and of the others the best of the 25 that it ranks
first is taken, so that no acquisition and no search has a part in it.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from _run import directions, patched, search  # before torch: it bounds the threads

import _results  # isort: skip - _run puts its folder on the path
import optiproxy.search.optiproxy as module
from optiproxy import tasks
from optiproxy.encodings import corners
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.search.optiproxy import OptiProxy
from optiproxy.search.transforms import of_objective

TASKS = (
    "nb201-imagenet16-120", "spikenas-cifar10", "nasbench-graph-computers", "nasbench-graph-cora",
)  # fmt: skip
BUDGETS = (15, 25, 50)
SAMPLES = (25, 50, 100, 200, 400)
CHOSEN = 25
EVERY = patched(OptiProxy, patch.object(module, "ENUMERATED", 10**6))
VARIANTS = {
    "default": OptiProxy,
    "every candidate": EVERY,
    "expected improvement": partial(OptiProxy, acquisition=("improvement",)),
}


def searched(seed: int, name: str, variant: str) -> list[float]:
    """The regret after each of `BUDGETS`."""
    task = tasks.get(name)
    opt = VARIANTS[variant](task.space, directions(task), seed=seed)
    regrets, _ = search(task, opt, BUDGETS[-1])
    return [round(regrets[queries - 1], 5) for queries in BUDGETS]


def known(seed: int, name: str) -> list[float]:
    """The regret of the best that models of each of `SAMPLES` choose."""
    task = tasks.get(name)
    rows, sign = task.space.all_indices, task.objectives[0].sign
    metrics = [task.query(arch).metrics for arch in task.space.from_indices(rows)]
    failed = {task.objectives[0].metric: np.nan}
    y = sign * np.array([(m or failed)[task.objectives[0].metric] for m in metrics])
    order = np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(y)))
    p = corners(task.space, torch.from_numpy(rows), torch.float64)
    found = []
    for n in SAMPLES:
        sample, others = order[:n], order[n:]
        targets = of_objective(y[sample], 1.0, np.ones(n, dtype=bool))(y[sample])
        model = GaussianProcess(task.space)
        with torch.no_grad():
            model.fit(p[sample], torch.from_numpy(targets)[:, None])
            mean = model.mean(p[others])[:, 0].numpy()
        found.append(round(float(np.nanmax(y) - y[others[np.argsort(-mean)[:CHOSEN]]].max()), 5))
    return found


if __name__ == "__main__":
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tasks:
            values[name] = {}
            for variant in VARIANTS:
                found = list(pool.map(partial(searched, name=name, variant=variant), seeds))
                columns = zip(BUDGETS, zip(*found, strict=True), strict=True)
                values[name][variant] = {str(n): list(column) for n, column in columns}
            models = list(pool.map(partial(known, name=name), seeds))
            columns = zip(SAMPLES, zip(*models, strict=True), strict=True)
            values[name]["model"] = {str(n): list(column) for n, column in columns}
            print(name, {v: {n: np.mean(c).round(3) for n, c in at.items()}
                         for v, at in values[name].items()}, flush=True)  # fmt: skip
    results = {
        name: {
            variant: {n: round(float(np.mean(column)), 4) for n, column in at.items()}
            for variant, at in variants.items()
        }
        for name, variants in values.items()
    }
    print(_results.write("experiment-what-limits", options, results, values))
