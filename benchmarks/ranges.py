"""Numbers of a range under Optuna: our sampler beside TPE and Optuna's Gaussian process.

    python benchmarks/ranges.py --seeds 20

Branin's function and Hartmann's of three and six numbers (Dixon and Szegö, 1978), and a mixed task:
a category, a whole number, a float in steps and a float on a logarithmic scale, whose best value is
4. Regret is the distance to the best value, after a number of trials; each sampler proposes one
trial at a time.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "experiments"))

import math

import numpy as np
import optuna
import torch

import _results  # isort: skip - this folder is on the path, and the experiments below it
from peaks import PEAKS_3, PEAKS_6, SLOPES_3, SLOPES_6, branin, hartmann  # isort: skip

import optiproxy as op

SAMPLERS = ("optiproxy", "gpsampler", "tpe")


class Task(NamedTuple):
    """What is maximised, its best value, and after how many trials the regret is reported."""

    of: Callable[[optuna.Trial], float]
    best: float
    budgets: tuple[int, ...]


def numbers(function: Callable, count: int) -> Callable[[optuna.Trial], float]:
    def of(trial: optuna.Trial) -> float:
        x = [trial.suggest_float(f"x{i}", 0, 1) for i in range(count)]
        return float(function(np.array([x]))[0])

    return of


def mixed(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("kind", ["a", "b", "c", "d"])
    depth = trial.suggest_int("depth", 1, 12)
    dropout = trial.suggest_float("dropout", 0, 0.5, step=0.05)
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    found = {"a": 0.0, "b": 0.4, "c": 1.0, "d": 0.6}[kind]
    found += 1 - ((depth - 8) / 8) ** 2
    found += 1 - (4 * (dropout - 0.2)) ** 2
    return found + 1 - ((math.log10(rate) + 2.7) / 2) ** 2


TASKS = {
    "mixed": Task(mixed, 4.0, (25, 50)),
    "branin": Task(numbers(branin, 2), -0.397887, (25, 40)),
    "hartmann3": Task(numbers(hartmann(SLOPES_3, PEAKS_3), 3), 3.86278, (25, 40)),
    "hartmann6": Task(numbers(hartmann(SLOPES_6, PEAKS_6), 6), 3.32237, (25, 40)),
}


def one(job: tuple[str, str, int]) -> tuple[list[float], float]:
    """The best regret so far after each trial, and the seconds of all."""
    name, sampler, seed = job
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    made = {
        "optiproxy": lambda: op.OptiProxySampler(seed=seed),
        "gpsampler": lambda: optuna.samplers.GPSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
    }[sampler]()
    task = TASKS[name]
    study = optuna.create_study(direction="maximize", sampler=made)
    start = time.process_time()
    study.optimize(task.of, n_trials=task.budgets[-1])
    seconds = time.process_time() - start
    values = [trial.value for trial in study.trials]
    return (task.best - np.maximum.accumulate(values)).tolist(), seconds


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS), choices=SAMPLERS)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results, values, path = {}, {}, None
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tasks:
            for sampler in options.samplers:
                answers = list(pool.map(one, [(name, sampler, seed) for seed in seeds]))
                regrets = np.array([regret for regret, _ in answers])
                at = {str(n): regrets[:, n - 1] for n in TASKS[name].budgets}
                results[f"{name}, {sampler}"] = {
                    n: {
                        "mean_regret": round(float(found.mean()), 5),
                        "median_regret": round(float(np.median(found)), 5),
                        "std": _results.std(found),
                    }
                    for n, found in at.items()
                } | {"cpu_seconds": round(float(np.mean([s for _, s in answers])), 2)}
                values[f"{name}, {sampler}"] = {n: f.round(6).tolist() for n, f in at.items()}
                print(name, sampler, results[f"{name}, {sampler}"], flush=True)
            path = _results.write("ranges", options, results, values)
    print(path)


if __name__ == "__main__":
    main()
