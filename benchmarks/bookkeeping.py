"""Bookkeeping: what a query costs in a study of many, beside its evaluation and its proposal.

    python benchmarks/bookkeeping.py

For each storage and number of finished queries: CPU time and wall time of a query, over the next
ones of a random search whose evaluations take no time, in this process. The finished queries are
copies of a real one with other architectures.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import _results
import optuna

import optiproxy as op

SPACE = op.spaces.Chain({f"choice {i}": list(range(10)) for i in range(6)})


def evaluate(arch: op.spaces.Architecture) -> float:
    return float(sum(arch.values()))


def task() -> op.Task:
    return op.Task("bookkeeping", SPACE, evaluate, objectives={"score": "max"})


def filled(storage: str | None, queries: int) -> op.Study:
    """A study with so many finished queries."""
    study = op.Study(task(), storage=storage, method="random", name=f"of-{queries}")
    study.run(1)
    (first,) = study.optuna.get_trials()
    rest = itertools.islice(itertools.product(range(10), repeat=6), queries - 1)
    study.optuna.add_trials(
        optuna.trial.create_trial(
            state=first.state,
            values=first.values,
            params=dict(zip(SPACE.choices, options, strict=True)),
            distributions=first.distributions,
            user_attrs={
                **first.user_attrs,
                "optiproxy:query": number,
                "optiproxy:number": number,
            },
        )
        for number, options in enumerate(rest, start=2)
    )
    return study


def measured(storage: str | None, queries: int, more: int) -> dict[str, Any]:
    study = filled(storage, queries)
    study.run(queries + 1)  # Reads what is there.
    cpu, wall = time.process_time(), time.perf_counter()
    study.run(queries + 1 + more)
    spent = {"cpu_ms": time.process_time() - cpu, "wall_ms": time.perf_counter() - wall}
    assert len(study.queries) == queries + 1 + more
    return {name: round(1000 * value / more, 2) for name, value in spent.items()}


def main(options: argparse.Namespace) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    results: dict[str, Any] = {}
    for kind in options.storages:
        for queries in options.queries:
            with tempfile.TemporaryDirectory() as folder:
                storage = {
                    "memory": None,
                    "journal": str(Path(folder, "runs.journal")),
                    "sqlite": f"sqlite:///{folder}/runs.db",
                }[kind]
                found = measured(storage, queries, options.more)
            results.setdefault(kind, {})[str(queries)] = found
            print(kind, queries, found, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results["peak_memory_mb"] = round(peak)
    print(_results.write("bookkeeping", options, results))


if __name__ == "__main__":
    parser = _results.parser(__doc__)
    parser.add_argument("--queries", type=int, nargs="+", default=[1_000, 3_000, 10_000])
    parser.add_argument("--more", type=int, default=100, help="queries that are measured")
    parser.add_argument("--storages", nargs="+", default=["memory", "journal"])
    main(parser.parse_args())
