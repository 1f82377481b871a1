"""Noisy evaluations: the true regret of what is recommended, with and without confirmation.

    python benchmarks/noise.py --seeds 30
    python benchmarks/noise.py --seeds 30 --methods gpsampler tpe

Each query is a single training, drawn from the two or three that NAS-Bench-201 has of a cell; what
a search recommends is judged by the mean of all of them, in percentage points. With confirmation
the last trainings of the budget repeat what may be the best, a twentieth of them as by default: the
cost is equal. Needs the published tables (``OPTIPROXY_DATA``). p is of the exact signed-rank test
of the recommendation against the greatest value that the same search without confirmation saw.
Each method has a result file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.report.significance import signed_rank
from optiproxy.study import Study
from optiproxy.tasks import Task

METHODS = ("optiproxy", "gpsampler", "tpe", "evolution", "local")
DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")
BUDGETS = (25, 50, 100)
PLAIN = "not confirmed"

Found = dict[int, dict[str, dict[str, float]]]  # budget → label → what → value


def searches(seed: int, *, name: str, method: str, budgets: Iterable[int]) -> Found:
    """What one search says at each budget, and one that confirms its winner within each."""
    task = tasks.get(f"nb201-runs-{name}")
    untreated = Study(task, method=method, seed=seed)
    found: Found = {}
    for budget in sorted(budgets):
        untreated.run(budget, confirm=0)
        confirmed = Study(task, method=method, seed=seed)
        confirmed.run(budget)
        found[budget] = {
            PLAIN: judged(task, untreated),
            "confirmed": judged(task, confirmed),
        }
    return found


def judged(task: Task, study: Study) -> dict[str, float]:
    """True regrets of a search, and by how much the values that it reports are too high."""
    metric, truth = task.objectives[0].metric, str(task.noiseless)
    queries = [dict(query.metrics) for query in study.queries if query.metrics is not None]
    greatest = max(queries, key=lambda metrics: metrics[metric])
    assert study.best is not None
    best = study.best.metrics
    return {
        "regret": task.regret(best),
        "too_high": best[metric] - best[truth],
        "greatest_regret": task.regret(greatest),
        "greatest_too_high": greatest[metric] - greatest[truth],
        "best_queried": min(map(task.regret, queries)),
    }


def measured(options: argparse.Namespace, method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Means, and the values of each seed, by data set, budget and confirmation."""
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for name in options.data_sets:
        search = partial(searches, name=name, method=method, budgets=options.budgets)
        with ProcessPoolExecutor(options.processes) as pool:
            found = list(pool.map(search, seeds))
        results[name], values[name] = {}, {}
        for budget in sorted(options.budgets):
            every = [one[budget] for one in found]
            kept = {
                label: {what: [round(one[label][what], 5) for one in every] for what in whats}
                for label, whats in every[0].items()
            }
            results[name][budget] = {
                label: summary(of, kept[PLAIN]["greatest_regret"]) for label, of in kept.items()
            }
            values[name][budget] = kept
            print(name, method, budget, results[name][budget], flush=True)
    return results, values


def summary(values: dict[str, list[float]], greatest: list[float]) -> dict[str, Any]:
    """Means; p of the regret against that of the greatest value without repeats."""
    gains = np.array(greatest) - np.array(values["regret"])
    return {
        **{what: round(float(np.mean(of)), 5) for what, of in values.items()},
        "std_regret": _results.std(values["regret"]),
        "p": round(signed_rank([gains])[1], 5),
    }


if __name__ == "__main__":
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--data-sets", nargs="+", default=list(DATA_SETS), choices=DATA_SETS)
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    for method in options.methods:
        own = argparse.Namespace(**{**vars(options), "methods": [method]})
        print(_results.write(f"noise-{method}", own, *measured(own, method)))
