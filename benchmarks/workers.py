"""Worker processes: how much faster many are, and what one that dies costs the others.

    python benchmarks/workers.py
    python benchmarks/workers.py --evaluations 8 --minutes 1

Scaling: evaluations that sleep for a second, by one worker and by eight. Deaths: eight workers, of
which one is killed every 20 seconds; evaluations sleep for 30 seconds, so that each healthy one
sees several deaths. Counted are the evaluations that were begun and neither finished nor killed,
and in the end the queries that are missing, doubled or have another one's result.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results

import optiproxy as op

SPACE = op.spaces.Chain({f"choice{i}": [1, 2, 3, 4] for i in range(8)})


def evaluate(arch: op.Architecture) -> float:
    """Sleeps; says in a file when it begins and when it ends."""
    log = Path(os.environ["WORKERS_LOG"])
    _write(log, "begin")
    time.sleep(float(os.environ["WORKERS_SECONDS"]))
    _write(log, "end")
    return float(sum(arch.values()))


def _write(log: Path, what: str) -> None:
    with log.open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def search(
    seconds: float, workers: int, budget: int, folder: Path, **options: Any
) -> tuple[float, op.Study]:
    """Runs a random search; how long it took, without the time that its workers take to start."""
    log = folder / "log"
    log.unlink(missing_ok=True)
    os.environ.update(WORKERS_LOG=str(log), WORKERS_SECONDS=str(seconds))
    task = op.Task("sleep", SPACE, evaluate, objectives={"sum": "max"})
    study = op.Study(task, method="random", storage=folder / f"{workers}-{seconds}.journal")
    first: list[float] = []

    def started(record: op.study.Record) -> None:
        first.append(time.perf_counter() - record.seconds)

    study.run(budget, workers=workers, callback=started, **options)
    return time.perf_counter() - min(first), study


def scaling(evaluations: int, workers: int, folder: Path) -> dict[str, Any]:
    """Evaluations of one second: `evaluations` by one worker, as many by each of several."""
    search(0.0, 1, 1, folder)  # What it imports is not to be measured.
    one, _ = search(1.0, 1, evaluations, folder)
    many, _ = search(1.0, workers, evaluations * workers, folder)
    return {
        "seconds_of_one": round(one, 2),
        "seconds_of_many": round(many, 2),
        "times_as_fast": round(workers * one / many, 2),
    }


def deaths(workers: int, minutes: float, every: float, folder: Path) -> dict[str, Any]:
    """One worker is killed every `every` seconds; how much was lost to that."""
    killed: list[int] = []
    log = folder / "log"
    over = threading.Event()

    def kill() -> None:
        generator = random.Random(0)
        while not over.wait(every):
            began, ended = _pids(log)
            running = [pid for pid in began if began.count(pid) > ended.count(pid)]
            alive = sorted({pid for pid in running if pid not in killed})
            if len(alive) > workers // 2:  # The last ones would never come to their ends.
                killed.append(generator.choice(alive))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    length = 1.5 * every
    budget = int(workers * minutes * 60 / length)
    seconds, study = search(length, workers, budget, folder, deaths=100)
    over.set()
    thread.join()
    began, ended = _pids(log)
    records = study.queries
    numbers, different = {r.query for r in records}, {r.architecture for r in records}
    return {
        "killed": len(killed),
        "begun": len(began),
        "finished": len(ended),
        "healthy_ones_lost": len(began) - len(ended) - len(killed),
        "processes": len(set(began)),
        "queries": len(records),
        "missing": len(set(range(1, budget + 1)) - numbers),
        "doubled": 2 * len(records) - len(numbers) - len(different),
        "wrong": sum(r.metrics != {"sum": float(sum(r.architecture.values()))} for r in records),
        "seconds": round(seconds, 1),
    }


def _pids(log: Path) -> tuple[list[int], list[int]]:
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    began, ended = ([int(p) for what, p in lines if what == w] for w in ("begin", "end"))
    return began, ended


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--evaluations", type=int, default=20, help="of each worker, in scaling")
    parser.add_argument("--minutes", type=float, default=10, help="of the search with deaths")
    parser.add_argument("--every", type=float, default=20, help="seconds between two deaths")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        results["scaling"] = scaling(options.evaluations, options.workers, Path(folder))
        print(results, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = options.workers, options.minutes, options.every
        results["deaths"] = deaths(*arguments, Path(folder))
        print(results["deaths"], flush=True)
    _results.write("workers", options, results)


if __name__ == "__main__":
    main()
