"""Shared by the experiments: variants searched over seeds in parallel, and their summary."""

from __future__ import annotations

import contextlib
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

import _results  # isort: skip - its folder has just been put on the path
from optiproxy import tasks
from optiproxy.report import bootstrap_interval
from optiproxy.report.significance import signed_rank
from optiproxy.search import Optimizer

Make = Callable[[tasks.Task, int], Optimizer]


def directions(task: tasks.Task) -> dict[str, str]:
    return {o.metric: o.direction for o in task.objectives}


def patched(
    kind: type[Optimizer], *patches: contextlib.AbstractContextManager[Any]
) -> type[Optimizer]:
    """A method with parts of the product replaced while it proposes.

    Args:
        kind: The method.
        patches: Of `unittest.mock.patch`, which fails where the replaced part no longer exists: a
            variant is never the unchanged method by accident.
    """

    class Patched(kind):  # type: ignore[misc, valid-type]
        def _propose(self, n: int, rng: np.random.Generator) -> Any:
            with contextlib.ExitStack() as stack:
                for each in patches:
                    stack.enter_context(each)
                return super()._propose(n, rng)

    return Patched


def search(task: tasks.Task, opt: Optimizer, budget: int) -> tuple[list[float], float]:
    """The best regret so far after each query, and the seconds spent in ask."""
    regrets: list[float] = []
    seconds = 0.0
    while len(opt.queries) < budget:
        start = time.perf_counter()
        archs = opt.ask(min(opt.batch_size, budget - len(opt.queries)))
        seconds += time.perf_counter() - start
        answers = [task.visible(task.query(a).metrics or {}) for a in archs]
        opt.tell(archs, [answer or None for answer in answers])
        for answer in answers:
            found = bool(answer) and task.feasible(answer)
            regret = task.regret(answer) if found else float("inf")
            regrets.append(min(regret, regrets[-1]) if regrets else regret)
    return regrets, seconds


def summary(regrets: np.ndarray, budgets: Sequence[int], base: np.ndarray | None) -> dict[str, Any]:
    """Regrets (seeds, queries) at each budget; `base` has those of the first variant.

    p is from the exact signed-rank test over the seeds.
    """
    rows = {}
    for queries in budgets:
        at = regrets[:, queries - 1]
        low, high = bootstrap_interval(at)
        row = {
            "mean_regret": round(float(at.mean()), 4),
            "interval_95": [round(low, 4), round(high, 4)],
            "std": _results.std(at),
            "optimum_found": round(float((at <= 1e-9).mean()), 3),
        }
        if base is not None:
            row["p"] = float(f"{signed_rank([at - base[:, queries - 1]])[1]:.4g}")
        rows[str(queries)] = row
    return rows


def by_seed(regrets: np.ndarray, budgets: Sequence[int]) -> dict[str, list[float]]:
    """Budget → the regret of each seed, for the result file."""
    return {str(queries): regrets[:, queries - 1].round(6).tolist() for queries in budgets}


# The running experiment's: forked worker processes inherit it, since closures can't be pickled.
_VARIANTS: dict[str, Make] = {}


def _one(job: tuple[str, str, int, int]) -> tuple[list[float], float]:
    variant, name, seed, budget = job
    task = tasks.get(name)
    return search(task, _VARIANTS[variant](task, seed), budget)


def run(
    title: str, variants: Mapping[str, Make], default_tasks: Sequence[str], budget: int = 100
) -> None:
    """The command line of an experiment: every variant on every task, over the same seeds.

    The others are tested against the first variant.

    Args:
        title: The script's docstring.
        variants: Name → what makes the optimiser of a task and a seed.
        default_tasks: Names.
        budget: Queries of a search, unless the command line has others.
    """
    parser = _results.parser(title)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=budget)
    parser.add_argument("--tasks", nargs="+", default=list(default_tasks))
    parser.add_argument("--variants", nargs="+", default=list(variants), choices=list(variants))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--label", default="", help="of the file, where variants have one alone")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    budgets = sorted({max(1, options.budget // n) for n in (4, 2, 1)})
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
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
                values.setdefault(name, {})[variant] = by_seed(regrets, budgets)
                seconds = round(float(np.mean([s for _, s in found])), 2)
                results.setdefault(name, {})[variant] = {**rows, "optimizer_seconds": seconds}
                line = ", ".join(f"{q}: {r['mean_regret']:.3f}" for q, r in rows.items())
                print(f"{name} {variant}: mean regret {line}; {seconds} s", flush=True)
    label = "experiment-" + (options.label or Path(sys.argv[0]).stem.replace("_", "-"))
    print(_results.write(label, options, results, values))
