"""Scale: a search over DARTS cells (about 10^18 architectures) with a synthetic objective.

    python benchmarks/scale.py

Measures the search overhead and the peak memory; fails if a proposal is invalid or repeated. The
objective is the sum of a random value for each option of each choice and one for each pair of
neighbouring choices, drawn with a fixed seed.
"""

from __future__ import annotations

import os
import resource
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")

import _results
import numpy as np

from optiproxy.search.optiproxy import OptiProxy
from optiproxy.spaces import Darts


def objective(space: Darts) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(2_026)
    options = int(space.sizes.max())
    return draws.normal(size=(len(space), options)), draws.normal(
        size=(len(space) - 1, options, options)
    )


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--proxy", default="auto")
    options = parser.parse_args()
    space = Darts()
    single, pairs = objective(space)
    choice = np.arange(len(space))
    opt = OptiProxy(space, {"score": "max"}, seed=options.seed, proxy=options.proxy)
    seconds, marks = 0.0, {}
    while len(opt.queries) < options.queries:
        start = time.perf_counter()
        archs = opt.ask(5)
        seconds += time.perf_counter() - start
        rows = space.to_indices(archs)
        score = single[choice, rows].sum(1)
        score += 0.5 * pairs[choice[:-1], rows[:, :-1], rows[:, 1:]].sum(1)
        start = time.perf_counter()
        opt.tell(archs, score.tolist())
        seconds += time.perf_counter() - start
        if len(opt.queries) % 50 == 0:
            marks[str(len(opt.queries))] = round(seconds, 1)
            print(f"{len(opt.queries)} queries: {seconds:.1f} s", flush=True)
    assert space.valid(opt.rows).all()
    assert len(np.unique(opt.rows, axis=0)) == options.queries
    results = {
        "optimizer_seconds": marks,
        "best": round(float(opt.values("score").max()), 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(results)
    print(_results.write("scale", options, results))


if __name__ == "__main__":
    main()
