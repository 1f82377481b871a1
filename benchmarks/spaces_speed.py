"""Speed of the search spaces: sampling, canonical form, neighbours and encodings of 10,000 rows.

    python benchmarks/spaces_speed.py            # prints a table
    python benchmarks/spaces_speed.py --write    # and writes a dated result

CPU seconds of one thread, best of five runs; encodings are discrete, as a proxy is fitted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import _results
import numpy as np
import torch

from optiproxy import encodings, spaces

ROWS = 10_000
RUNS = 5


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


def seconds(function: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return round(min(taken), 4)


def measure(space: spaces.Space) -> dict[str, float]:
    rows = space.random_indices(ROWS, np.random.default_rng(0))
    tensor = torch.from_numpy(rows)
    space.canonical(rows[:1])  # what is listed once is not part of it
    found = {
        "sample": seconds(lambda: space.random_indices(ROWS, np.random.default_rng(0))),
        "valid": seconds(lambda: space.valid(rows)),
        "canonical": seconds(lambda: space.canonical(rows)),
        "neighbours of 5": seconds(lambda: space.neighbour_indices(rows[:5])),
    }
    for name in encodings.ENCODINGS.names():
        encoder = encodings.make(name, space)
        found[name] = seconds(lambda encoder=encoder: encoder.discrete(tensor))  # type: ignore[misc]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-…")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, space in kinds().items():
        results[name] = measure(space)
        if len(results) == 1:
            print(f"{f'seconds for {ROWS:,} rows':<26}", *(f"{c:>15}" for c in results[name]))
        print(f"{name:<26}", *(f"{s:15.4f}" for s in results[name].values()), flush=True)
    if options.write:
        print(_results.write("spaces-speed", {"rows": ROWS, "runs": RUNS, "threads": 1}, results))


if __name__ == "__main__":
    main()
