"""Long searches: many threads, the end of `hours`, what the method itself takes, large studies.

    python benchmarks/long_searches.py
    python benchmarks/long_searches.py --parts stored --queries 10000

- ``threads``: evaluations of one second by the 64 threads of an executor, against one thread;
- ``hours``: how long searches with an end run beyond it, with evaluations of some length;
- ``asks``: how long the method thinks for a batch when so many queries have their results;
- ``searches``: how long it thinks in whole searches of published tables, some with a latency limit;
- ``stored``: how long it takes to open a study of so many queries, and the memory of the process.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results
import bookkeeping
import numpy as np

import optiproxy as op

#: Task, limit of the latency in ms, queries.
SEARCHES = (
    ("nb201-cifar10", None, 100),
    ("hwnas-imagenet16-120-raspi4", 4, 200),
    ("hwnas-imagenet16-120-edgetpu", 1, 200),
)
SPACE = op.spaces.Chain({f"choice{i}": [1, 2, 3, 4] for i in range(8)})


def _slow(seconds: float) -> op.Task:
    def evaluate(arch: op.Architecture) -> float:
        time.sleep(seconds)
        return sum(float(value) for value in arch.values() if value is not None)

    return op.Task("slow", SPACE, evaluate, objectives={"sum": "max"})


def threads(count: int, each: int, storage: str | None) -> dict[str, Any]:
    """`each` evaluations of one second for each thread."""
    study = op.Study(_slow(1.0), method="random", storage=storage)
    study.run(1)  # Loads what a first query needs.
    with ThreadPoolExecutor(count) as executor:
        began, cpu = time.perf_counter(), time.process_time()
        study.run(1 + count * each, executor=executor)
        took, used = time.perf_counter() - began, time.process_time() - cpu
    # One thread that did nothing else would need a second for each.
    return {
        "seconds": round(took, 2),
        "times_as_fast": round(count * each / took, 1),
        "cpu_ms_per_query": round(1000 * used / (count * each), 2),
    }


def hours(seconds: float, evaluation: float) -> dict[str, Any]:
    """A search that has so many seconds, with evaluations of another number of seconds."""
    study = op.Study(_slow(evaluation), method="random")
    study.run(1)  # Loads what a first query needs.
    began = time.perf_counter()
    study.run(1_000, workers=2, hours=seconds / 3600)
    took = time.perf_counter() - began
    return {"allowed": seconds, "took": round(took, 2), "queries": len(study.queries) - 1}


def asks(queries: int) -> dict[str, Any]:
    """A batch of the default method, with a history of random architectures."""
    cells = op.spaces.Darts()
    rng = np.random.default_rng(0)
    archs = cells.sample(queries, seed=1)
    rows = cells.to_indices(archs)
    weights = rng.normal(size=(rows.shape[1], int(cells.sizes.max())))
    values = weights[np.arange(rows.shape[1]), rows].sum(1) + rng.normal(size=queries)
    optimizer = op.OptiProxy(cells, objectives={"score": "max"}, seed=0)
    optimizer.tell(archs, values.tolist())
    seconds, cpu = [], []
    for _ in range(3):
        began, used = time.perf_counter(), time.process_time()
        batch = optimizer.ask(optimizer.batch_size)
        seconds.append(round(time.perf_counter() - began, 2))
        cpu.append(round(time.process_time() - used, 2))
        optimizer.tell(batch, [0.0] * len(batch))
    return {"batch": len(batch), "seconds": seconds, "cpu_seconds": cpu}


def search(name: str, limit: float | None, queries: int, seed: int) -> dict[str, Any]:
    """A whole search of a published table."""
    task = op.tasks.get(name)
    if limit is not None:
        task = task.replaced(constraints={"latency_ms": f"<= {limit}"})
    optimizer, cpu = op.OptiProxy(task, seed=seed, features={}), 0.0
    while len(optimizer.queries) < queries:
        used = time.process_time()
        archs = optimizer.ask(min(optimizer.batch_size, queries - len(optimizer.queries)))
        cpu += time.process_time() - used
        found = [task.query(arch).metrics for arch in archs]
        used = time.process_time()
        optimizer.tell(archs, [None if m is None else task.visible(m) for m in found])
        cpu += time.process_time() - used
    best = optimizer.best
    metrics = None if best is None else best.metrics
    regret = None if metrics is None else round(task.regret(metrics), 3)
    return {"cpu_seconds": round(cpu, 1), "regret": regret}


OPENED = """
import json, resource, sys, time
import optiproxy as op, optuna, torch
sys.path.insert(0, "benchmarks")
import bookkeeping
began, cpu = time.perf_counter(), time.process_time()
study = op.Study(bookkeeping.task(), storage=sys.argv[1], method="random", name=sys.argv[2])
found = len(study.queries), study.best.metrics
print(json.dumps({
    "queries": found[0],
    "seconds": round(time.perf_counter() - began, 2),
    "cpu_seconds": round(time.process_time() - cpu, 2),
    "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
}))
"""


def stored(kind: str, queries: int) -> dict[str, Any]:
    """Opened by another process, which reads all queries and the best one."""
    with tempfile.TemporaryDirectory() as folder:
        place = {"journal": f"{folder}/s.journal", "sqlite": f"sqlite:///{folder}/s.db"}[kind]
        name = bookkeeping.filled(place, queries).name
        command = [sys.executable, "-c", OPENED, place, name]
        done = subprocess.run(command, cwd=_results.ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = _results.parser(__doc__)
    parts = ["threads", "hours", "asks", "searches", "stored"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--each", type=int, default=10, help="evaluations of a thread")
    parser.add_argument("--hours", type=float, nargs="+", default=[10, 30], help="in seconds")
    parser.add_argument("--answers", type=int, nargs="+", default=[1_000, 3_000], help="for asks")
    parser.add_argument("--seed", type=int, default=100, help="for searches")
    parser.add_argument("--queries", type=int, default=10_000, help="of a stored study")
    parser.add_argument("--storages", nargs="+", default=["journal"], help="journal, sqlite")
    options = parser.parse_args()
    results: dict[str, Any] = {}

    def add(part: str, what: object, found: Any) -> None:
        results.setdefault(part, {})[str(what)] = found
        print(part, what, found, flush=True)

    for part in options.parts:
        if part == "threads":
            with tempfile.TemporaryDirectory() as folder:
                for kind, place in (("memory", None), ("journal", str(Path(folder, "s.journal")))):
                    add(part, kind, threads(options.threads, options.each, place))
        elif part == "hours":
            for seconds, evaluation in itertools.product(options.hours, (0.3, 4.0)):
                add(
                    part,
                    f"evaluations of {evaluation:g} s, {seconds:g} s",
                    hours(seconds, evaluation),
                )
        elif part == "asks":
            for answers in options.answers:
                add(part, answers, asks(answers))
        elif part == "searches":
            for name, limit, queries in SEARCHES:
                within = "" if limit is None else f", latency within {limit} ms"
                what = f"{queries} queries of {name}{within}"
                add(part, what, search(name, limit, queries, options.seed))
        else:
            for kind in options.storages:
                add(part, kind, stored(kind, options.queries))
    label = (
        "long-searches" if options.parts == parts else "-".join(["long-searches", *options.parts])
    )
    print(_results.write(label, options, results))


if __name__ == "__main__":
    main()
