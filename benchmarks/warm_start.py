"""Warm start on NAS-Bench-201: queries to the optimum after one study of 100 on CIFAR-10.

    python benchmarks/warm_start.py --seeds 30

The earlier study of seed s is the default search with seed s + 10,000. ``shuffled`` permutes its
values; ``cold`` is the search without it. Regret is in percentage points of validation
accuracy.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.search.optiproxy import OptiProxy

EARLIER = "nb201-cifar10"
LATER = ("nb201-cifar100", "nb201-imagenet16-120")
MODES = ("warm", "shuffled", "cold")


def searched(task: tasks.Task, opt: OptiProxy, budget: int) -> list[float]:
    """The best regret so far after each query."""
    regrets: list[float] = []
    while len(opt.queries) < budget:
        archs = opt.ask(min(opt.batch_size, budget - len(opt.queries)))
        answers = [task.visible(task.query(a).metrics or {}) for a in archs]
        opt.tell(archs, answers)
        regrets += [task.regret(answer) for answer in answers]
    return np.minimum.accumulate(regrets).tolist()


def one(job: tuple[int, int]) -> dict[str, dict[str, list[float]]]:
    seed, budget = job
    earlier = tasks.get(EARLIER)
    first = OptiProxy(earlier.space, {"val_accuracy": "max"}, seed=seed + 10_000)
    searched(earlier, first, 100)
    pairs = [(q.architecture, q.metrics) for q in first.queries]
    values = np.random.default_rng(seed).permutation([m["val_accuracy"] for _, m in pairs if m])
    shuffled = [(a, {"val_accuracy": float(v)}) for (a, _), v in zip(pairs, values, strict=True)]
    studies: dict[str, list[Any]] = {"warm": [pairs], "shuffled": [shuffled], "cold": []}
    return {
        name: {
            mode: searched(
                tasks.get(name),
                OptiProxy(
                    tasks.get(name).space, {"val_accuracy": "max"}, seed=seed,
                    warm_start=studies[mode],
                ),
                budget,
            )
            for mode in MODES
        }
        for name in LATER
    }  # fmt: skip


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    jobs = [
        (s, options.budget) for s in range(options.first_seed, options.first_seed + options.seeds)
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        found = list(pool.map(one, jobs))
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in LATER:
        for mode in MODES:
            regrets = np.array([run[name][mode] for run in found])
            hit = regrets <= 1e-9
            queries = np.where(hit.any(1), hit.argmax(1) + 1, options.budget + 1)
            results.setdefault(name, {})[mode] = {
                "found_within": {
                    str(q): round(float((queries <= q).mean()), 3)
                    for q in sorted({3, 5, 10, 20, 40, options.budget})
                },
                "median_queries_to_optimum": float(np.median(queries)),
                "mean_regret": {
                    str(q): round(float(regrets[:, q - 1].mean()), 4)
                    for q in sorted({10, 25, options.budget})
                    if q <= options.budget
                },
            }
            values.setdefault(name, {})[mode] = {
                "regret": regrets[:, -1].round(6).tolist(),
                # One more than the budget where it was not found.
                "queries_to_optimum": queries.tolist(),
            }
            print(name, mode, results[name][mode], flush=True)
    print(_results.write("warm-start", options, results, values))


if __name__ == "__main__":
    main()
