"""Warm start from a study of another space: regret with and without it.

    python benchmarks/warm_start_spaces.py --seeds 20

The earlier study of seed s is the default search of 100 queries with seed s + 10,000 (of
`nb101-sample`, which has 97 networks, all of them), its objective renamed as the later task's.
Regret is in the unit of the later task's objective. ``listened`` is the share of seeds in which
the study predicts its own results well enough to be used.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results
import numpy as np
from warm_start import searched

from optiproxy import tasks
from optiproxy.search.optiproxy import OptiProxy

PAIRS = (
    ("nb201-cifar10", "nb101-sample"),
    ("nb201-cifar10", "mnist1d-table"),
    ("nb201-cifar10", "spikenas-cifar10"),
    ("nb201-cifar10", "nasbench-graph-cora"),
    ("nb201-cifar10", "nasbench-graph-computers"),
)
BUDGETS = (5, 10, 15, 20, 25)


@cache
def earlier(name: str, seed: int) -> list[tuple[Any, float]]:
    """Architectures and the first objective; greater is better."""
    task = tasks.get(name)
    if task.space.count <= 100:
        archs = task.space.enumerate()
        queries = [(arch, task.query(arch).metrics or {}) for arch in archs]
    else:
        opt = OptiProxy(task, seed=seed + 10_000)
        searched(task, opt, 100)
        queries = [(query.architecture, query.metrics or {}) for query in opt.queries]
    objective = task.objectives[0]
    return [(arch, objective.sign * metrics[objective.metric]) for arch, metrics in queries]


def as_study(name: str, seed: int, later: tasks.Task) -> Any:
    objective = later.objectives[0]
    queries = [
        SimpleNamespace(
            architecture=arch, metrics={objective.metric: objective.sign * value}, feasible=True
        )
        for arch, value in earlier(name, seed)
    ]
    return SimpleNamespace(space=tasks.get(name).space, queries=queries)


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "warm_start")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for source, target in PAIRS:
        task = tasks.get(target)
        regrets: dict[str, list[list[float]]] = {"warm": [], "cold": []}
        listened = []
        for seed in seeds:
            study = as_study(source, seed, task)
            warm, cold = OptiProxy(task, seed=seed, warm_start=[study]), OptiProxy(task, seed=seed)
            listened.append(bool(warm._prior.features))
            regrets["cold"].append(searched(task, cold, max(BUDGETS)))
            regrets["warm"].append(
                searched(task, warm, max(BUDGETS)) if listened[-1] else regrets["cold"][-1]
            )
        name = f"{source} → {target}"
        found = {mode: np.array(runs) for mode, runs in regrets.items()}
        results[name] = {
            "listened": round(float(np.mean(listened)), 3),
            "mean_regret": {
                mode: {str(b): round(float(runs[:, b - 1].mean()), 4) for b in BUDGETS}
                for mode, runs in found.items()
            },
        }
        values[name] = {
            mode: {str(b): runs[:, b - 1].round(6).tolist() for b in BUDGETS}
            for mode, runs in found.items()
        }
        print(name, results[name], flush=True)
        # After each pair, so that an interrupted run leaves those that it finished.
        path = _results.write("warm-start-spaces", options, results, values)
    print(path)


if __name__ == "__main__":
    main()
