"""Search under a latency limit, with measured latencies of devices.

    python benchmarks/hardware.py --seeds 30
    python benchmarks/hardware.py --seeds 30 --methods evolution
    python benchmarks/hardware.py --seeds 30 --known
    python benchmarks/hardware.py --published --methods optiproxy paper --seeds 30 --budget 200
    python benchmarks/hardware.py --tasks hwgpt-s-a100 hwgpt-s-v100 --quantiles 0.3 --methods tpe
    python benchmarks/hardware.py --seeds 5 --first-seed 1000 --devices raspi4 --quantiles 0.1

Needs the published tables (``OPTIPROXY_DATA``). Validation accuracy is maximised on each data set
while the latency of a device is at most a quantile of all architectures' latencies. With
``--published`` the tasks are the twelve of OptiProxy-NAS's authors instead: ImageNet16-120 on the
devices of HW-NAS-Bench, with limits in milliseconds. ``--tasks`` names others that have a metric
``latency_ms``: perplexity of language models is minimised.

Regret is the distance to the best architecture that meets the limit, in the objective's unit
(percentage points, perplexity); a search that finds none within the limit has the regret of the
worst one of all. With ``--known`` the
latency of every architecture is known without a query, as from a table of the device. Each method
has a result file, written when the last of its searches has ended.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.methods import METHODS

DATA_SETS = ("cifar10", "imagenet16-120")
DEVICES = ("raspi4", "pixel3", "eyeriss", "fpga", "1080ti_1", "gold_6226")
QUANTILES = (0.1, 0.3, 0.6)
#: Device → limits in ms. No network takes exactly so long: the authors' ``<`` is our ``<=``.
PUBLISHED = {
    "edgegpu": (2, 4, 6), "raspi4": (2, 4, 6), "pixel3": (2, 4, 6),
    "edgetpu": (1,), "eyeriss": (1,), "fpga": (1,),
}  # fmt: skip


class Setting(NamedTuple):
    """A task, and the limit of its latency: a quantile of all latencies, or milliseconds."""

    task: str
    limit: float
    quantile: bool

    @property
    def group(self) -> str:
        """What settings are summarised together by."""
        return f"quantile {self.limit:g}" if self.quantile else self.task.rpartition("-")[2]

    def __str__(self) -> str:
        return f"{self.task} at {self.limit:g}" + " ms" * (not self.quantile)


class Cell(NamedTuple):
    """One search."""

    setting: Setting
    seed: int
    method: str
    proxy: str
    budget: int
    known: bool


class Outcome(NamedTuple):
    """The regret after each query, which queries met the limit, and the search overhead."""

    regrets: list[float]
    feasible: list[bool]
    seconds: float
    cpu_seconds: float


class Clock:
    """Wall and processor seconds of the calls that are made through it."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        found = function(*arguments)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return found


def limited(setting: Setting) -> tasks.Table:
    """The task with its limit."""
    table, limit = tasks.get(setting.task), setting.limit
    if setting.quantile:
        limit = table.quantile("latency_ms", limit)
    return table.replaced(constraints={"latency_ms": f"<= {limit!r}"})


def search(cell: Cell) -> Outcome:
    task = limited(cell.setting)
    extra: dict[str, Any] = {}
    if cell.method == "optiproxy":
        extra["proxy"] = cell.proxy
    if cell.method == "paper" and not cell.setting.quantile:
        extra["settings"] = "hw-nas-bench"
    if cell.known:
        latency = {"latency_ms": math.inf}  # of a network that the device can't run
        extra["exact"] = {"latency_ms": lambda a: (task.query(a).metrics or latency)["latency_ms"]}
    objective = task.objectives[0]
    opt = METHODS.get(cell.method)(
        task.space, [objective], constraints=task.constraints, seed=cell.seed, **extra
    )
    regret = float(np.ptp(task.objective_values()[:, 0]))
    clock, regrets, feasible = Clock(), [], []
    while len(regrets) < cell.budget:
        archs = clock(opt.ask, min(opt.batch_size, cell.budget - len(regrets)))
        found = [task.query(arch).metrics for arch in archs]
        results = [None if metrics is None else task.visible(metrics) for metrics in found]
        clock(opt.tell, archs, results)
        for result in results:
            # A device may be unable to run a network: a failure.
            feasible.append(result is not None and task.feasible(result))
            if feasible[-1]:
                regret = min(regret, task.regret(result))
            regrets.append(regret)
    return Outcome(regrets, feasible, clock.wall, clock.cpu)


def summary(outcomes: list[Outcome]) -> dict[str, float | None]:
    regrets = np.array([outcome.regrets for outcome in outcomes])
    half = regrets.shape[1] // 2
    return {
        "mean_regret": round(float(regrets[:, -1].mean()), 4),
        "std_regret": _results.std(regrets[:, -1]),
        "optimum_found": round(float((regrets[:, -1] <= 1e-9).mean()), 4),
        "mean_regret_at_quarter": round(float(regrets[:, half // 2 - 1].mean()), 4),
        "mean_regret_at_half": round(float(regrets[:, half - 1].mean()), 4),
        "feasible_queries": round(float(np.mean([o.feasible for o in outcomes])), 4),
        "optimizer_seconds": round(float(np.mean([o.seconds for o in outcomes])), 2),
        "cpu_seconds": round(float(np.mean([o.cpu_seconds for o in outcomes])), 2),
    }


def settings(options: argparse.Namespace) -> list[Setting]:
    if options.published:
        tasks_of = {device: f"hwnas-imagenet16-120-{device}" for device in PUBLISHED}
        return [Setting(tasks_of[d], at, False) for d, limits in PUBLISHED.items() for at in limits]
    if options.tasks:
        return [
            Setting(t, at, True) for t, at in itertools.product(options.tasks, options.quantiles)
        ]
    every = itertools.product(options.data_sets, options.devices, options.quantiles)
    return [Setting(f"hw-nb201-{data}-{device}", at, True) for data, device, at in every]


def measure(options: argparse.Namespace, method: str, pool: Executor) -> Path:
    """Runs a method's searches and writes its file."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    shared = (method, options.proxy, options.budget, options.known)
    todo = [Cell(setting, seed, *shared) for setting in settings(options) for seed in seeds]
    found: dict[Setting, list[Outcome]] = {}
    for cell, outcome in zip(todo, pool.map(search, todo), strict=True):
        outcomes = found.setdefault(cell.setting, [])
        outcomes.append(outcome)
        if len(outcomes) == options.seeds:
            print(method, cell.setting, summary(outcomes), flush=True)
    groups: dict[str, list[Outcome]] = {"all": []}
    for setting, outcomes in found.items():
        groups["all"] += outcomes
        groups.setdefault(setting.group, []).extend(outcomes)
    results: dict[str, Any] = {name: summary(outcomes) for name, outcomes in groups.items()}
    results["tasks"] = {
        str(setting): {"optimum": round(limited(setting).optimum, 3), **summary(outcomes)}
        for setting, outcomes in found.items()
    }
    values = {
        str(setting): {
            "regret_at_quarter": [round(o.regrets[len(o.regrets) // 4 - 1], 6) for o in outcomes],
            "regret_at_half": [round(o.regrets[len(o.regrets) // 2 - 1], 6) for o in outcomes],
            "regret": [round(o.regrets[-1], 6) for o in outcomes],
            "feasible_queries": [sum(o.feasible) for o in outcomes],
        }
        for setting, outcomes in found.items()
    }
    for name in groups:
        print(method, name, results[name])
    label = "published-" * options.published
    label += f"{options.tasks[0].rpartition('-')[0]}-" if options.tasks else ""
    label += method if method != "optiproxy" else options.proxy
    label += "-known" * options.known
    own = argparse.Namespace(**{**vars(options), "methods": [method]})
    return _results.write(f"hardware-{label}", own, results, values)


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument(
        "--methods", "--method", nargs="+", default=["optiproxy"], choices=METHODS.names()
    )
    parser.add_argument("--proxy", default="auto")
    parser.add_argument("--published", action="store_true", help="the authors' twelve tasks")
    parser.add_argument("--tasks", nargs="+", default=[], help="instead of data sets and devices")
    parser.add_argument("--known", action="store_true", help="latency is known without a query")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--data-sets", nargs="+", default=list(DATA_SETS))
    parser.add_argument("--devices", nargs="+", default=list(DEVICES))
    parser.add_argument("--quantiles", nargs="+", type=float, default=list(QUANTILES))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        for method in options.methods:
            print(measure(options, method, pool))


if __name__ == "__main__":
    main()
