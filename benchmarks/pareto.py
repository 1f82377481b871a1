"""Two objectives on published tables: the hypervolume of each method's front by query.

    python benchmarks/pareto.py --seeds 30
    python benchmarks/pareto.py --seeds 5 --first-seed 1000 --tasks nasbench-graph-cora

Needs the published tables (``OPTIPROXY_DATA``). Accuracy is maximised and latency minimised. The
hypervolume is a share of that of the whole table's front; its reference point is worse than the
worst value of that front in each objective, by a tenth of the front's range. The default is
compared with each other method by the exact signed-rank test over the seeds, two-sided, with
Holm's correction over the methods.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import _results
import moocore
import numpy as np

from optiproxy import tasks
from optiproxy.methods import METHODS
from optiproxy.report import hypervolume_so_far
from optiproxy.report.significance import holm, signed_rank

TASKS = (
    "hw-nb201-cifar10-raspi4",
    "hw-nb201-imagenet16-120-1080ti_1",
    "hw-nb201-imagenet16-120-fpga",
    "nasbench-graph-cora",
    "nasbench-graph-physics",
)
OURS = "optiproxy"
OTHERS = (
    "nsga2",
    *(m for m in METHODS.names() if m == "nsga2-pymoo"),
    "tpe",
    "random",
    "evolution",
)
OBJECTIVES = {"val_accuracy": "max", "latency_ms": "min"}
SIGNS = np.array([1.0, -1.0])


class Cell(NamedTuple):
    """One search."""

    task: str
    method: str
    seed: int
    budget: int


@cache
def front(name: str) -> tuple[np.ndarray, float]:
    """The reference point, and the hypervolume of all architectures."""
    table = tasks.get(name)
    values = np.stack([table.values(metric) for metric in OBJECTIVES], 1)
    values = values[np.isfinite(values).all(1)]
    best = values[moocore.is_nondominated(-SIGNS * values)]
    worst, ideal = (SIGNS * best).min(0), (SIGNS * best).max(0)
    reference = SIGNS * (worst - 0.1 * (ideal - worst))
    return reference, float(moocore.hypervolume(-SIGNS * best, ref=-SIGNS * reference))


def search(cell: Cell) -> tuple[np.ndarray, float]:
    """The share of the hypervolume after each query, (T,), and the seconds of ask and tell."""
    table = tasks.get(cell.task)
    opt = METHODS.get(cell.method)(table.space, OBJECTIVES, seed=cell.seed)
    values: list[list[float]] = []
    seconds = 0.0
    while len(values) < cell.budget:
        start = time.perf_counter()
        archs = opt.ask(min(opt.batch_size, cell.budget - len(values)))
        seconds += time.perf_counter() - start
        results = [table.query(arch).metrics for arch in archs]
        visible = [None if r is None else table.visible(r) for r in results]
        start = time.perf_counter()
        opt.tell(archs, visible)
        seconds += time.perf_counter() - start
        values += [[np.nan] * 2 if g is None else [g[m] for m in OBJECTIVES] for g in visible]
    reference, whole = front(cell.task)
    course = hypervolume_so_far(values, np.isfinite(values).all(1), SIGNS, reference)
    return course / whole, seconds


def compared(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Adjusted p of the default against each other method on one task: (S, T) by method."""
    others = [method for method in found if method != OURS]
    gaps = [found[OURS][:, -1] - found[method][:, -1] for method in others]
    adjusted = holm([signed_rank([gap])[1] for gap in gaps])
    return {method: float(f"{p:.4g}") for method, p in zip(others, adjusted, strict=True)}


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--methods", nargs="+", default=[OURS, *OTHERS])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    marks = sorted({max(1, options.budget // part) for part in (4, 2, 1)})
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tasks:
            todo = [
                Cell(name, method, seed, options.budget)
                for method, seed in itertools.product(options.methods, seeds)
            ]
            courses: dict[str, list[np.ndarray]] = {}
            spent: dict[str, list[float]] = {}
            for cell, (course, seconds) in zip(todo, pool.map(search, todo), strict=True):
                courses.setdefault(cell.method, []).append(course)
                spent.setdefault(cell.method, []).append(seconds)
            found = {method: np.stack(runs) for method, runs in courses.items()}
            results[name] = {
                "reference": dict(zip(OBJECTIVES, front(name)[0].round(6).tolist(), strict=True)),
                "share_of_hypervolume": {
                    method: {str(q): round(float(runs[:, q - 1].mean()), 5) for q in marks}
                    | {
                        "std": _results.std(runs[:, -1]),
                        "optimizer_seconds": round(float(np.mean(spent[method])), 2),
                    }
                    for method, runs in found.items()
                },
                "p": compared(found) if OURS in found else {},
            }
            values[name] = {
                method: {str(q): runs[:, q - 1].round(6).tolist() for q in marks}
                for method, runs in found.items()
            }
            print(name, results[name], flush=True)
    print(_results.write("pareto", options, results, values))


if __name__ == "__main__":
    main()
