"""The default on all other published tables: how often the best is found, and regret.

    python benchmarks/reach.py --seeds 30

For each task: the share of the seeds that found the table's best, and the mean regret beside that
of random search on the same seeds. Pools are searched with a fifth of their size or 100 queries,
whichever is smaller.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.methods import METHODS

POOLS = (
    "accel-nasbench", "oncenas-cifar10", "nasbench-nlp-wikitext2", "nb101-sample",
    *(f"nasbench-mr-{setting}" for setting in (
        "cls-50-1000", "cls-50-100", "cls-10-1000", "cls-10c", "seg", "seg-4x", "video", "video-p",
    )),
)  # fmt: skip
GRAPHS = tuple(f"nasbench-graph-{d}" for d in ("computers", "cora", "cs", "physics", "pubmed"))
QUERIES = {"nasbench-macro": 60, **dict.fromkeys(GRAPHS, 100), "spikenas-cifar10": 100}


def budget_of(task: tasks.Task) -> int:
    return QUERIES.get(task.name) or min(100, -(-task.space.count // 5))


def one(job: tuple[str, str, int]) -> list[float]:
    name, method, seed = job
    task = tasks.get(name)
    directions = {o.metric: o.direction for o in task.objectives}
    opt = METHODS.get(method)(task.space, directions, seed=seed)
    budget = budget_of(task)
    regrets: list[float] = []
    while len(opt.queries) < budget:
        archs = opt.ask(min(opt.batch_size, budget - len(opt.queries)))
        answers = [task.query(a).metrics for a in archs]
        opt.tell(archs, [answer and task.visible(answer) for answer in answers])
        regrets += [task.regret(answer) if answer else np.inf for answer in answers]
    return np.minimum.accumulate(regrets).tolist()


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", default=[*QUERIES, *POOLS])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tasks:
            row: dict[str, Any] = {}
            for method in ("optiproxy", "random"):
                regrets = np.array(list(pool.map(one, [(name, method, s) for s in seeds])))
                row[method] = {
                    "best_found": round(float((regrets[:, -1] <= 1e-9).mean()), 3),
                    "mean_regret": round(float(regrets[:, -1].mean()), 5),
                    "std_regret": _results.std(regrets[:, -1]),
                }
                values.setdefault(name, {})[method] = regrets[:, -1].round(6).tolist()
            random = row["random"]["mean_regret"]
            row["queries"] = regrets.shape[1]
            row["regret_ratio"] = (
                round(row["optiproxy"]["mean_regret"] / random, 3) if random else None
            )
            results[name] = row
            print(name, row, flush=True)
    print(_results.write("reach", options, results, values))


if __name__ == "__main__":
    main()
