"""Smooth functions of numbers in fine steps: how soon each method finds the maximum.

    python benchmarks/experiments/peaks.py --seeds 20

Branin's function and Hartmann's of three and six numbers (Dixon and Szegö, 1978), on a regular
grid. Regret is the distance to the best point of the grid or, with six numbers, to the function's
maximum; means over the seeds.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from numpy.typing import NDArray

import _results  # isort: skip - its folder has just been put on the path
from optiproxy.methods import METHODS
from optiproxy.spaces import Chain

BUDGETS = (15, 25, 40)
SLOPES_3 = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]
PEAKS_3 = [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
SLOPES_6 = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
]
PEAKS_6 = [
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
]


class Function(NamedTuple):
    """A function of numbers from 0 to 1, (B, C) -> (B,), to maximise; `best` is its maximum."""

    of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    numbers: int
    steps: int
    best: float | None = None


def branin(x: NDArray[np.float64]) -> NDArray[np.float64]:
    u, v = 15 * x[:, 0] - 5, 15 * x[:, 1]
    bowl = (v - 5.1 * u**2 / (4 * np.pi**2) + 5 * u / np.pi - 6) ** 2
    return -(bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(u) + 10)


def hartmann(slopes: list[list[float]], peaks: list[list[int]]) -> Callable:
    def of(x: NDArray[np.float64]) -> NDArray[np.float64]:
        off = x[:, None] - np.array(peaks) / 10_000
        return np.exp(-(np.array(slopes) * off**2).sum(-1)) @ [1, 1.2, 3, 3.2]

    return of


FUNCTIONS = {
    "branin, 2 x 50": Function(branin, 2, 50),
    "hartmann, 3 x 30": Function(hartmann(SLOPES_3, PEAKS_3), 3, 30),
    "hartmann, 6 x 12": Function(hartmann(SLOPES_6, PEAKS_6), 6, 12, 3.32237),
    "hartmann, 6 x 40": Function(hartmann(SLOPES_6, PEAKS_6), 6, 40, 3.32237),
}


def one(job: tuple[str, str, int, int]) -> tuple[list[float], float]:
    """The best regret so far after each query, and the seconds spent in ask."""
    name, method, seed, batch = job
    function = FUNCTIONS[name]
    space = Chain({f"x{i}": list(range(function.steps)) for i in range(function.numbers)})

    def values(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return function.of(rows / (function.steps - 1))

    best = function.best
    if best is None:
        best = float(values(space.all_indices).max())
    opt = METHODS.get(method)(space, {"height": "max"}, seed=seed)
    found: list[float] = []
    seconds = 0.0
    while len(found) < BUDGETS[-1]:
        start = time.perf_counter()
        archs = opt.ask(min(batch or opt.batch_size, BUDGETS[-1] - len(found)))
        seconds += time.perf_counter() - start
        heights = values(space.to_indices(archs)).tolist()
        opt.tell(archs, [{"height": height} for height in heights])
        found += heights
    return (best - np.maximum.accumulate(found)).tolist(), seconds


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--methods", nargs="+", default=["optiproxy", "random", "evolution", "tpe", "gpsampler"]
    )
    parser.add_argument("--batch", type=int, default=0, help="default: the method's own")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results, values = {}, {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name, method in itertools.product(FUNCTIONS, options.methods):
            jobs = [(name, method, seed, options.batch) for seed in seeds]
            answers = list(pool.map(one, jobs))
            regrets = np.array([regret for regret, _ in answers])
            row = {
                str(queries): {
                    "mean_regret": round(float(regrets[:, queries - 1].mean()), 4),
                    "std": _results.std(regrets[:, queries - 1]),
                }
                for queries in BUDGETS
            }
            row["seconds"] = round(float(np.mean([seconds for _, seconds in answers])), 2)
            results[f"{name}, {method}"] = row
            values[f"{name}, {method}"] = {
                str(queries): regrets[:, queries - 1].round(6).tolist() for queries in BUDGETS
            }
            print(name, method, row, flush=True)
    label = "experiment-peaks" + (f"-batches-of-{options.batch}" if options.batch else "")
    print(_results.write(label, options, results, values))


if __name__ == "__main__":
    main()
