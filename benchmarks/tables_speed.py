"""Time to load a table: every registered task whose table is available, each in a new process.

    python benchmarks/tables_speed.py [--rounds 3]

Reported are CPU seconds from the imported package to a task that answers, which other processes
change little; the median of some rounds. The exit status is 1 where a table takes more than 0.5 s.
Large tables that are made from their authors' files are, where they are not available, replaced by
tables of the same size with random values.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import _results
import numpy as np

from optiproxy import tasks
from optiproxy.tables import store

BOUND_S = 0.5
GRAPHS = 423_624
RECIPES = 14_322
# Trees of each of the ensemble's ten members; the published number is in its own file only.
TREES = 2000

_LOAD = """
import json, sys, time
import numpy, pyarrow.compute, pyarrow.parquet
from optiproxy import tasks
task = tasks.get(sys.argv[1])
cpu, wall = time.process_time(), time.perf_counter()
task.prepare()
arch = task.space.sample(1, seed=0)[0]
ready = time.process_time() - cpu, time.perf_counter() - wall
start = time.perf_counter()
for _ in range(20):
    task.query(arch)
print(json.dumps([*ready, (time.perf_counter() - start) / 20]))
"""


def main() -> int:
    parser = _results.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = options.rounds
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        names = [row.name for row in tasks.catalogue() if row.data == "here"]
        for name in _one_of_each_family(names):
            results[name] = _measured(name, rounds, os.environ)
        environment = {**os.environ, store.VARIABLE: folder}
        for name, (table, write) in _MADE.items():
            if store.status(table).status == "missing":
                write(Path(folder) / f"{table}.parquet")
                results[f"{name} (random numbers)"] = _measured(name, rounds, environment)
    for name, row in results.items():
        print(f"{name:<40} {row['cpu_s']:.3f} s, then {row['query_ms']:.2f} ms a query")
    slow = [name for name, row in results.items() if row["cpu_s"] > BOUND_S]
    print(f"over {BOUND_S} s: {', '.join(slow) or 'none'}")
    print(_results.write("tables-speed", options, results))
    return bool(slow)


def _one_of_each_family(names: list[str]) -> list[str]:
    """One task of each family: the others read the same files in the same way."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(tasks.get(name).origin.family or name, name)
    return list(first.values())


def _measured(name: str, rounds: int, environment: object) -> dict[str, float]:
    runs = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, name],
            capture_output=True, text=True, check=True, env=dict(environment),  # type: ignore[call-overload]
        )  # fmt: skip
        runs.append(json.loads(done.stdout))
    cpu, wall, query = (statistics.median(column) for column in zip(*runs, strict=True))
    return {"cpu_s": round(cpu, 4), "wall_s": round(wall, 4), "query_ms": round(1000 * query, 4)}


def _write_graphs(path: Path) -> None:
    """Like the converted `nasbench_only108.tfrecord`, with random values."""
    from optiproxy.tables.originals.base import Sheet
    from optiproxy.tables.originals.nasbench101 import COLUMNS

    rng = np.random.default_rng(0)
    sheet = Sheet(path, COLUMNS)
    for _ in range(GRAPHS):
        high, low = (int(half) for half in rng.integers(0, 2**63, 2))
        row = {
            "hash": f"{high:016x}{low:016x}", "hash_high": high, "hash_low": low, "epochs": 108,
            "vertices": 7, "adjacency": "0" * 49, "operations": "input,output", "params": 10**6,
            "trainings": 3,
        }  # fmt: skip
        accuracy = 90 + 4 * rng.random()
        sheet.add(*(row.get(name, accuracy) for name in COLUMNS))
    sheet.close()


def _write_recipes(path: Path) -> None:
    """Like NAS-Bench-NLP's converted logs."""
    from optiproxy.tables.originals.base import Sheet
    from optiproxy.tables.originals.nasbench_nlp import COLUMNS, SPACE

    rng = np.random.default_rng(0)
    sheet = Sheet(path, COLUMNS)
    for numbers in SPACE.canonical(SPACE.random_indices(RECIPES, rng)).astype(np.uint8):
        row = {"row": numbers.tobytes(), "recipe": "{}", "status": "OK"}
        sheet.add(*(row.get(name, 1) for name in COLUMNS))
    sheet.close()


def _write_trees(path: Path) -> None:
    """Like NAS-Bench-301's converted surrogate: full trees of depth 5."""
    from optiproxy.tables.nasbench301 import edge_feature
    from optiproxy.tables.originals.base import Sheet
    from optiproxy.tables.originals.nasbench301 import COLUMNS

    rng = np.random.default_rng(0)
    features = [edge_feature(c, e) for c in ("normal", "reduce") for e in range(14)]
    sheet = Sheet(path, COLUMNS)
    for member in range(10):
        for tree in range(TREES):
            splits, values = rng.choice(features, 63).tolist(), rng.normal(3, 1, 63).tolist()
            for node in range(63):
                inner = node < 31
                left = 2 * node + 1 if inner else -1
                sheet.add(
                    member, tree, node, splits[node] if inner else -1, values[node], left,
                    left + 1 if inner else -1, 0.5,
                )  # fmt: skip
    sheet.close()


# Task → its table, and what writes one of random values.
_MADE = {
    "nb101-cifar10": ("nasbench101", _write_graphs),
    "nasbench-nlp-ptb": ("nasbench_nlp_ptb", _write_recipes),
    "nb301-cifar10": ("nasbench301_xgb", _write_trees),
}


if __name__ == "__main__":
    sys.exit(main())
