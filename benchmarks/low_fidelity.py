"""Low fidelity on NAS-Bench-201: regret and training seconds, and those of full trainings only.

    python benchmarks/low_fidelity.py --seeds 30

The full search trains 100 architectures for 200 epochs. The low-fidelity search has a budget of 24
full trainings, part of which is spent on trainings of 12 epochs. Seconds are the table's (those of
the validation run); an epoch of an architecture takes equally long in both. Needs the published
tables (``OPTIPROXY_DATA``). Regret is in percentage points of validation accuracy.
"""

from __future__ import annotations

import argparse
import time

import _results
import numpy as np
import pyarrow.parquet as pq

from optiproxy import tasks
from optiproxy.study import Study
from optiproxy.tables import store

TASKS = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16-120")
LOW = 12


def training_seconds(task: tasks.Task) -> dict[str, float]:
    """Architecture, as text → seconds of its full training."""
    data_set = task.name.removeprefix("nb201-").replace("-", "_")
    column = f"{data_set}_search_train_seconds_200_epochs"
    table = pq.read_table(store.find("nb201_cost_proxies"), columns=["arch", column])
    return dict(zip(*(table[name].to_pylist() for name in ("arch", column)), strict=True))


def search(task: tasks.Task, budget: int, seed: int, seconds: dict[str, float]) -> dict[str, float]:
    start = time.perf_counter()
    study = Study(task, seed=seed)
    study.run(budget)
    took = time.perf_counter() - start
    spent = [seconds[task.space.to_text(r.architecture)] * r.cost for r in study.queries]
    return {
        "regret": task.regret(study.best.metrics),
        "training_seconds": sum(spent),
        "full_trainings": sum(r.epochs is None for r in study.queries),
        "short_trainings": sum(r.epochs is not None for r in study.queries),
        "own_seconds": took,
    }


def summary(runs: list[dict[str, float]]) -> dict[str, float | None]:
    regrets = np.array([run["regret"] for run in runs])
    means = {name: round(float(np.mean([run[name] for run in runs])), 2) for name in runs[0]}
    return {
        **means,
        "regret": round(float(regrets.mean()), 4),
        "std_regret": _results.std(regrets),
        "optimum_found": round(float((regrets <= 1e-9).mean()), 4),
    }


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--low-budget", type=int, default=24)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    options = parser.parse_args()
    for name in options.tasks:
        task = tasks.get(name)
        low = task.replaced(low_fidelity=LOW)
        seconds = training_seconds(task)
        full_runs, low_runs = [], []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            low_runs.append(search(low, options.low_budget, seed, seconds))
            full_runs.append(search(task, options.budget, seed, seconds))
            regrets = full_runs[-1]["regret"], low_runs[-1]["regret"]
            print(f"{name} seed {seed}: in full {regrets[0]:.3f}, low {regrets[1]:.3f}", flush=True)
        runs = {"full": full_runs, "low": low_runs}
        full_s, low_s = (sum(run["training_seconds"] for run in each) for each in runs.values())
        results = {label: summary(each) for label, each in runs.items()}
        results |= {"part_of_training_seconds": round(low_s / full_s, 4)}
        print(name, results, flush=True)
        values = {
            label: {key: [round(run[key], 6) for run in each] for key in each[0]}
            for label, each in runs.items()
        }
        settings = argparse.Namespace(**{**vars(options), "tasks": name})
        print(_results.write(f"low-fidelity-{name}", settings, results, values))


if __name__ == "__main__":
    main()
