"""Noisy evaluations: the true regret of what is recommended, with and without confirmation.

    python benchmarks/noise.py --seeds 30

Each query is a single training, drawn from the two or three that NAS-Bench-201 has of a cell; what
a search recommends is judged by the mean of all of them, in percentage points. With confirmation
the last trainings of the budget repeat what may be the best: the cost is equal. Needs the published
tables (``OPTIPROXY_DATA``). p is of the exact signed-rank test of the recommendation against the
greatest value that the same search without confirmation saw.
"""

from __future__ import annotations

import argparse
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


def search(task: Task, method: str, seed: int, budget: int, confirm: int) -> dict[str, float]:
    """True regrets of one search, and by how much the values that it reports are too high."""
    study = Study(task, method=method, seed=seed)
    study.run(budget, confirm=confirm)
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


def measured(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Means, and the values of each seed, by data set, method, budget and confirmation."""
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in options.data_sets:
        task = tasks.get(f"nb201-runs-{name}")
        for method in options.methods:
            for budget in options.budgets:
                place = results.setdefault(name, {}).setdefault(method, {}).setdefault(budget, {})
                kept = values.setdefault(name, {}).setdefault(method, {}).setdefault(budget, {})
                untreated: list[float] = []
                for confirm in (0, options.confirm):
                    seeds = range(options.seeds)
                    found = [search(task, method, seed, budget, confirm) for seed in seeds]
                    label = f"{confirm} repeated"
                    kept[label] = {k: [round(f[k], 5) for f in found] for k in found[0]}
                    untreated = untreated or kept[label]["greatest_regret"]
                    gains = np.array(untreated) - np.array(kept[label]["regret"])
                    place[label] = {
                        **{k: round(float(np.mean(v)), 5) for k, v in kept[label].items()},
                        "std_regret": _results.std(kept[label]["regret"]),
                        "p": round(signed_rank([gains])[1], 5),
                    }
                    print(name, method, budget, label, place[label], flush=True)
    return results, values


if __name__ == "__main__":
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--confirm", type=int, default=3, help="trainings that are repeated")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--data-sets", nargs="+", default=list(DATA_SETS), choices=DATA_SETS)
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    options = parser.parse_args()
    print(_results.write("noise", options, *measured(options)))
