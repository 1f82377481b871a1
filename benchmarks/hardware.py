"""Search under a latency limit on NAS-Bench-201, with measured latencies of six devices.

    python benchmarks/hardware.py --seeds 30
    python benchmarks/hardware.py --seeds 30 --method evolution
    python benchmarks/hardware.py --seeds 30 --known
    python benchmarks/hardware.py --seeds 5 --first-seed 1000 --devices raspi4 --quantiles 0.1

Needs the published tables (``OPTIPROXY_DATA``). Validation accuracy is maximised on each data set
while the latency of a device is at most a quantile of all architectures' latencies. Regret is the
distance to the best architecture that meets the limit, in percentage points; a search that finds
none within the limit has the regret of the worst one within it. With ``--known`` the latency of
every architecture is known without a query, as from a table of the device.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.methods import METHODS

DATA_SETS = ("cifar10", "imagenet16-120")
DEVICES = ("raspi4", "pixel3", "eyeriss", "fpga", "1080ti_1", "gold_6226")
QUANTILES = (0.1, 0.3, 0.6)


class Cell(NamedTuple):
    """One search."""

    task: str
    quantile: float
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


def search(cell: Cell) -> Outcome:
    table = tasks.get(cell.task)
    limit = table.quantile("latency_ms", cell.quantile)
    limited = table.replaced(constraints={"latency_ms": f"<= {limit!r}"})
    extra: dict[str, Any] = {"proxy": cell.proxy} if cell.method == "optiproxy" else {}
    if cell.known:
        extra["exact"] = {"latency_ms": lambda arch: table.query(arch).metrics["latency_ms"]}
    opt = METHODS.get(cell.method)(
        limited.space,
        {"val_accuracy": "max"},
        constraints={"latency_ms": f"<= {limit!r}"},
        seed=cell.seed,
        **extra,
    )
    accuracy = table.values("val_accuracy")
    worst = float(accuracy[table.values("latency_ms") <= limit].min())
    regret = limited.regret({"val_accuracy": worst})
    regrets, feasible, seconds = [], [], 0.0
    while len(regrets) < cell.budget:
        start = time.perf_counter()
        archs = opt.ask(min(opt.batch_size, cell.budget - len(regrets)))
        seconds += time.perf_counter() - start
        results = [limited.visible(limited.query(arch).metrics) for arch in archs]
        start = time.perf_counter()
        opt.tell(archs, results)
        seconds += time.perf_counter() - start
        for result in results:
            feasible.append(limited.feasible(result))
            if feasible[-1]:
                regret = min(regret, limited.regret(result))
            regrets.append(regret)
    return Outcome(regrets, feasible, seconds)


def summary(outcomes: list[Outcome]) -> dict[str, float | None]:
    regrets = np.array([outcome.regrets for outcome in outcomes])
    half = regrets.shape[1] // 2
    return {
        "mean_regret": round(float(regrets[:, -1].mean()), 4),
        "std_regret": _results.std(regrets[:, -1]),
        "optimum_found": round(float((regrets[:, -1] <= 1e-9).mean()), 4),
        "mean_regret_at_half": round(float(regrets[:, half - 1].mean()), 4),
        "feasible_queries": round(float(np.mean([o.feasible for o in outcomes])), 4),
        "optimizer_seconds": round(float(np.mean([o.seconds for o in outcomes])), 2),
    }


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for data_set, device, quantile, seed in itertools.product(
        options.data_sets, options.devices, options.quantiles, seeds
    ):
        name = f"hw-nb201-{data_set}-{device}"
        yield Cell(
            name, quantile, seed, options.method, options.proxy, options.budget, options.known
        )


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--method", default="optiproxy", choices=METHODS.names())
    parser.add_argument("--proxy", default="auto")
    parser.add_argument("--known", action="store_true", help="latency is known without a query")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--data-sets", nargs="+", default=list(DATA_SETS))
    parser.add_argument("--devices", nargs="+", default=list(DEVICES))
    parser.add_argument("--quantiles", nargs="+", type=float, default=list(QUANTILES))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    todo = list(cells(options))
    found: dict[tuple[str, float], list[Outcome]] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for cell, outcome in zip(todo, pool.map(search, todo), strict=True):
            found.setdefault((cell.task, cell.quantile), []).append(outcome)
            if len(found[cell.task, cell.quantile]) == options.seeds:
                print(*cell[:2], summary(found[cell.task, cell.quantile]), flush=True)
    everything = list(itertools.chain.from_iterable(found.values()))
    results: dict[str, Any] = {
        "all": summary(everything),
        **{
            f"quantile {q:g}": summary([o for (_, k), os in found.items() if k == q for o in os])
            for q in options.quantiles
        },
        "tasks": {f"{task} at {q:g}": summary(outcomes) for (task, q), outcomes in found.items()},
    }
    values = {
        f"{task} at {q:g}": {
            "regret_at_half": [round(o.regrets[len(o.regrets) // 2 - 1], 6) for o in outcomes],
            "regret": [round(o.regrets[-1], 6) for o in outcomes],
            "feasible_queries": [sum(o.feasible) for o in outcomes],
        }
        for (task, q), outcomes in found.items()
    }
    for name in ("all", *(f"quantile {q:g}" for q in options.quantiles)):
        print(name, results[name])
    label = options.method if options.method != "optiproxy" else options.proxy
    label += "-known" if options.known else ""
    print(_results.write(f"hardware-{label}", options, results, values))


if __name__ == "__main__":
    main()
