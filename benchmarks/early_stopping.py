"""Early stopping on SpikeNAS-Bench: regret at the same cost, with and without it.

    python benchmarks/early_stopping.py --seeds 20

The budget counts full trainings of 100 epochs; a stopped one costs the epochs that it ran. Needs
the published tables (``OPTIPROXY_DATA``). Regret is in percentage points of validation accuracy; p
is from the exact signed-rank test over the seeds.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.report.significance import signed_rank
from optiproxy.study import Study

TASK = "spikenas-curves-cifar10"


class Cell(NamedTuple):
    """One search."""

    method: str
    seed: int
    budget: int
    stops: bool


def search(cell: Cell) -> dict[str, float]:
    task = tasks.get(TASK)
    if not cell.stops:
        assert isinstance(task, tasks.Table)
        task = tasks.Table(
            task.space,
            task.rows,
            name=task.name,
            objectives=task.objectives,
            reported=task.reported,
        )
    study = Study(task, method=cell.method, seed=cell.seed)
    study.run(cell.budget)
    spent, at_half = 0.0, float("inf")
    for record in study.queries:
        spent += record.cost
        if record.metrics is not None and spent <= cell.budget / 2 + 1e-9:
            at_half = min(at_half, task.regret(record.metrics))
    assert study.best is not None
    return {
        "regret_at_half": at_half,
        "regret": task.regret(study.best.metrics),
        "queries": len(study.queries),
        "stopped": sum(record.stopped for record in study.queries),
        "own_seconds": study.seconds.optimizer,
    }


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--methods", nargs="+", default=["optiproxy", "evolution", "random"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results: dict[str, Any] = {}
    values: dict[str, Any] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for method in options.methods:
            runs = {
                label: list(
                    pool.map(search, [Cell(method, s, options.budget, stops) for s in seeds])
                )
                for label, stops in (("in full", False), ("stopped early", True))
            }
            gap = np.subtract(*([run["regret"] for run in each] for each in runs.values()))
            results[method] = {
                label: {
                    **{name: round(float(np.mean([r[name] for r in each])), 4) for name in each[0]},
                    "std_regret": _results.std([r["regret"] for r in each]),
                }
                for label, each in runs.items()
            }
            results[method]["p"] = float(f"{signed_rank([gap])[1]:.4g}")
            values[method] = {
                label: {name: [round(r[name], 6) for r in each] for name in each[0]}
                for label, each in runs.items()
            }
            print(method, results[method], flush=True)
    print(_results.write("early-stopping", options, results, values))


if __name__ == "__main__":
    main()
