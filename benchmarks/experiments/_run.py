"""What the experiments share: variants searched over seeds in parallel, and their summary."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from _results import write
from scipy import stats

from optiproxy import tasks
from optiproxy.report import bootstrap_interval
from optiproxy.search import Optimizer

Make = Callable[[tasks.Task, int], Optimizer]


def directions(task: tasks.Task) -> dict[str, str]:
    return {o.metric: o.direction for o in task.objectives}


def search(task: tasks.Task, opt: Optimizer, budget: int) -> tuple[list[float], float]:
    """The regret after each query, and the seconds spent in ask."""
    regrets: list[float] = []
    seconds = 0.0
    while len(opt.queries) < budget:
        start = time.perf_counter()
        archs = opt.ask(min(opt.batch_size, budget - len(opt.queries)))
        seconds += time.perf_counter() - start
        answers = [task.guiding(task.query(a).metrics or {}) for a in archs]
        opt.tell(archs, [answer or None for answer in answers])
        for answer in answers:
            regret = task.regret(answer) if answer else float("inf")
            regrets.append(min(regret, regrets[-1]) if regrets else regret)
    return regrets, seconds


def summary(regrets: np.ndarray, budgets: Sequence[int], base: np.ndarray | None) -> dict[str, Any]:
    """Regrets (seeds, queries) at each budget; `base` are the first variant's, same seeds."""
    rows = {}
    for queries in budgets:
        at = regrets[:, queries - 1]
        low, high = bootstrap_interval(at)
        row = {
            "mean_regret": round(float(at.mean()), 4),
            "interval_95": [round(low, 4), round(high, 4)],
            "std": round(float(at.std(ddof=1)), 4),
            "optimum_found": round(float((at <= 1e-9).mean()), 3),
        }
        if base is not None:
            gap = at - base[:, queries - 1]
            row["wilcoxon_p"] = round(float(stats.wilcoxon(gap).pvalue), 4) if gap.any() else 1.0
        rows[str(queries)] = row
    return rows


# Of the experiment that runs: worker processes are forked and find it here.
_VARIANTS: dict[str, Make] = {}


def _one(job: tuple[str, str, int, int]) -> tuple[list[float], float]:
    variant, name, seed, budget = job
    task = tasks.get(name)
    return search(task, _VARIANTS[variant](task, seed), budget)


def run(
    title: str, variants: Mapping[str, Make], default_tasks: Sequence[str], budget: int = 100
) -> None:
    """The command line of an experiment: every variant on every task, over the same seeds.

    The first variant is what the others are tested against (Wilcoxon's signed-rank test).
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=budget)
    parser.add_argument("--tasks", nargs="+", default=list(default_tasks))
    parser.add_argument("--variants", nargs="+", default=list(variants), choices=list(variants))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    budgets = sorted({options.budget // 4, options.budget // 2, options.budget})
    results: dict[str, Any] = {}
    _VARIANTS.update(variants)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("fork")) as pool:
        for name in options.tasks:
            base = None
            for variant in options.variants:
                jobs = [(variant, name, seed, options.budget) for seed in seeds]
                found = list(pool.map(_one, jobs))
                regrets = np.array([regret for regret, _ in found])
                rows = summary(regrets, budgets, base)
                base = regrets if base is None else base
                seconds = round(float(np.mean([s for _, s in found])), 2)
                results.setdefault(name, {})[variant] = {**rows, "optimizer_seconds": seconds}
                line = ", ".join(f"{q}: {r['mean_regret']:.3f}" for q, r in rows.items())
                print(f"{name} {variant}: mean regret {line}; {seconds} s", flush=True)
    label = "experiment-" + Path(sys.argv[0]).stem.replace("_", "-")
    print(write(label, vars(options), results))
