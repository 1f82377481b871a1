"""Speed of the search spaces: sampling, canonical form, neighbours and encodings of 10,000 rows.

    python benchmarks/spaces_speed.py

CPU seconds of one thread, best of five runs. Encodings are discrete, as for fitting a proxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import _results
import numpy as np
import torch

from optiproxy import encodings, spaces


def kinds() -> dict[str, spaces.Space]:
    darts = spaces.Darts()
    blocks = [f"block{number}" for number in range(9)]
    return {
        "Cell, NAS-Bench-201": spaces.Cell(4, spaces.NB201_OPERATIONS),
        "Graph, NAS-Bench-101": spaces.Graph(7, spaces.NB101_OPERATIONS, max_edges=9),
        "Darts": darts,
        "Recurrent, NAS-Bench-NLP": spaces.Recurrent(),
        "GnnDag, NAS-Bench-Graph": spaces.GnnDag(),
        "Macro, NAS-Bench-Macro": spaces.Macro(),
        "Chain, FBNet": spaces.Chain({f"layer{layer}": blocks for layer in range(22)}),
        "Conditional, 20 pairs": spaces.Conditional(
            {f"{name}{i}": [1, 2, 3] for i in range(20) for name in ("op", "size")},
            {f"size{i}": {f"op{i}": [2, 3]} for i in range(20)},
        ),
        "Pool, 5,000 of Darts": spaces.Pool(darts, darts.sample(5000)),
    }


def seconds(function: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return round(min(taken), 4)


def measure(space: spaces.Space, count: int, runs: int) -> dict[str, float]:
    rows = space.random_indices(count, np.random.default_rng(0))
    tensor = torch.from_numpy(rows)
    space.canonical(rows[:1])  # lists are made once, and not timed
    found = {
        "sample": seconds(lambda: space.random_indices(count, np.random.default_rng(0)), runs),
        "valid": seconds(lambda: space.valid(rows), runs),
        "canonical": seconds(lambda: space.canonical(rows), runs),
        "neighbours of 5": seconds(lambda: space.neighbour_indices(rows[:5]), runs),
    }
    for name in encodings.ENCODINGS.names():
        encoder = encodings.make(name, space)
        found[name] = seconds(partial(encoder.discrete, tensor), runs)
    return found


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, space in kinds().items():
        results[name] = measure(space, options.rows, options.runs)
        if len(results) == 1:
            print(
                f"{f'seconds for {options.rows:,} rows':<26}", *(f"{c:>15}" for c in results[name])
            )
        print(f"{name:<26}", *(f"{s:15.4f}" for s in results[name].values()), flush=True)
    print(_results.write("spaces-speed", options, results))


if __name__ == "__main__":
    main()
