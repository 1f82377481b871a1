"""Regret and search overhead on NAS-Bench-201.

    python benchmarks/nb201.py --seeds 30                   # the default configuration
    python benchmarks/nb201.py --seeds 30 --proxy gcn
    python benchmarks/nb201.py --seeds 100 --method local
    python benchmarks/nb201.py --seeds 30 --features auto --budget 30 --at 10 20 25 30

Needs the published table (``OPTIPROXY_DATA``). Searches run one after another in one process, so
that CPU seconds and memory are those of one search; scores are computed once for all. Regret
is in percentage points of validation accuracy.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.methods import METHODS

TASKS = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16-120")


def search(task: tasks.Task, options: argparse.Namespace, seed: int) -> tuple[list[float], float]:
    """One search: the regret after each query, and the CPU seconds spent in ask and tell."""
    extra = {"proxy": options.proxy, "features": task.features} if ours(options) else {}
    directions = {o.metric: o.direction for o in task.objectives}
    opt = METHODS.get(options.method)(task.space, directions, seed=seed, **extra)
    regrets: list[float] = []
    seconds = 0.0
    while len(opt.queries) < options.budget:
        start = time.process_time()
        # Read in each round: a method may change its batch size in the course of a search.
        batch = options.batch or opt.batch_size
        archs = opt.ask(min(batch, options.budget - len(opt.queries)))
        seconds += time.process_time() - start
        results = [task.visible(task.query(a).metrics) for a in archs]
        start = time.process_time()
        opt.tell(archs, results)
        seconds += time.process_time() - start
        for result in results:
            regret = task.regret(result)
            regrets.append(min(regret, regrets[-1]) if regrets else regret)
    return regrets, seconds


def ours(options: argparse.Namespace) -> bool:
    return bool(options.method == "optiproxy")


def marks(options: argparse.Namespace) -> list[int]:
    """The numbers of queries at which regret is reported."""
    return options.at or sorted({max(1, options.budget // part) for part in (4, 2, 1)})


def summary(
    regrets: np.ndarray, seconds: list[float], options: argparse.Namespace
) -> dict[str, object]:
    budget = options.budget
    found = (regrets <= 1e-9).argmax(1) + 1
    found = np.where(regrets[:, -1] <= 1e-9, found, budget + 1)
    return {
        **{
            str(queries): {
                "mean_regret": round(float(regrets[:, queries - 1].mean()), 4),
                "std_regret": _results.std(regrets[:, queries - 1]),
                "max_regret": round(float(regrets[:, queries - 1].max()), 4),
                "optimum_found": round(float((regrets[:, queries - 1] <= 1e-9).mean()), 4),
            }
            for queries in marks(options)
        },
        "median_queries_to_optimum": None if np.median(found) > budget else float(np.median(found)),
        "optimizer_seconds": {
            "mean": round(statistics.mean(seconds), 2), "max": round(max(seconds), 2),
        },
    }  # fmt: skip


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--method", default="optiproxy", choices=METHODS.names())
    parser.add_argument("--proxy", default="auto")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--batch", type=int, default=0, help="default: the method's own")
    parser.add_argument("--features", default="none", help="training-free scores, such as auto")
    parser.add_argument("--at", nargs="+", type=int, help="default: a quarter, a half, all queries")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    options = parser.parse_args()
    results, values = {}, {}
    for name in options.tasks:
        task = tasks.get(name).replaced(features=options.features)
        runs = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            runs.append(search(task, options, seed))
            print(f"{name} seed {seed}: {runs[-1][0][-1]:.3f} after {options.budget}", flush=True)
        regrets = np.array([run[0] for run in runs])
        results[name] = summary(regrets, [run[1] for run in runs], options)
        values[name] = {
            **{str(q): regrets[:, q - 1].round(6).tolist() for q in marks(options)},
            "optimizer_seconds": [round(run[1], 3) for run in runs],
        }
        print(name, results[name], flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    label = options.method if options.method != "optiproxy" else options.proxy
    label += "" if options.features == "none" else "-with-scores"
    label += f"-batches-of-{options.batch}" if options.batch else ""
    found = {"tasks": results, "peak_memory_mb": round(peak)}
    print(_results.write(f"nb201-{label}", options, found, values))


if __name__ == "__main__":
    main()
