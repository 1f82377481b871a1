"""Kills: searches ended at random points and continued. Is anything lost, or evaluated twice?

    python benchmarks/kills.py
    python benchmarks/kills.py --parts torn disk --points 100

Each point ends a search on a journal file once, and another one continues it:

- ``torn``: the file ends in the middle of a line, or of a batch, as a crash leaves it;
- ``disk``: no more than so many bytes fit on the disk; the same process goes on when there is room;
- ``write``: SIGKILL inside a write: the lock just taken, a part of a line written, the line written
  and the lock not given back, the lock just given back;
- ``runner``: SIGKILL at a random time;
- ``shared``: the same of one of three processes that search together, of which the others go on;
- ``worker``: SIGKILL of a worker process in the middle of an evaluation.

Counted are results that a search had told of and that are missing in the end, numbers and
architectures that two queries have, results that are not their architecture's, and evaluations
beyond one for each query and one for each kill.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _results
import torch  # noqa: F401  # Once, before the processes are forked.

import optiproxy as op
from optiproxy.errors import StudyError

SPACE = op.spaces.Chain({"a": list(range(10)), "b": list(range(10)), "c": [1, 2, 3]})
# How many queries a study has; of one that several processes share.
QUERIES, SHARED = 12, 40
# Of a study that several share, or that has workers: how often one of them is killed.
KILLS = 5

Found = Counter[str]


def evaluate(arch: op.Architecture) -> float:
    """Logs that it begins, as a line of the file in the environment."""
    _line(os.environ["KILLS_LOG"], f"{os.getpid()} {arch.to_json()}")
    time.sleep(float(os.environ["KILLS_SECONDS"]))
    return _value(arch)


def _value(arch: op.Architecture) -> float:
    return 100.0 * arch["a"] + 10 * arch["b"] + arch["c"]


def _line(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{text}\n".encode())
    os.close(file)


class Case:
    """One study on a journal file, with a log of its evaluations and one of its results."""

    def __init__(self, folder: Path, queries: int = QUERIES, seconds: float = 0.0) -> None:
        self.journal = folder / "s.journal"
        self.queries = queries
        self._begun, self._told = folder / "begun", folder / "told"
        for path in folder.iterdir():
            path.unlink()
        os.environ.update(KILLS_LOG=str(self._begun), KILLS_SECONDS=str(seconds))

    def study(self) -> op.Study:
        task = op.Task("toy", SPACE, evaluate, objectives={"m": "max"})
        return op.Study(task, name="toy", method="random", storage=self.journal)

    def run(self, **options: Any) -> None:
        def told(record: op.study.Record) -> None:
            _line(str(self._told), record.architecture.to_json())

        self.study().run(self.queries, batch=4, callback=told, **options)

    def forked(self, before: Callable[[], None] = lambda: None) -> int:
        """A process that searches; its number."""
        if child := os.fork():
            return child
        code = 1
        try:
            before()
            self.run()
            code = 0
        finally:
            os._exit(code)

    def begun(self) -> list[list[str]]:
        """Process and architecture of each evaluation."""
        text = self._begun.read_text() if self._begun.exists() else ""
        return [line.split(" ", 1) for line in text.splitlines()]

    def outcome(self, kills: int = 1, *, course: list[str] | None = None) -> Found:
        """What is wrong with the study in the end.

        Args:
            kills: How often a process was killed.
            course: The architectures of an uninterrupted search, if it should equal that.
        """
        records = self.study().queries
        archs = [record.architecture.to_json() for record in records]
        told = self._told.read_text().splitlines() if self._told.exists() else []
        found = Counter(
            lost=len(set(told) - set(archs)),
            missing=self.queries - len(records),
            doubled=2 * len(records) - len(set(archs)) - len({r.query for r in records}),
            wrong=sum(r.metrics != {"m": _value(r.architecture)} for r in records),
            repeated_too_often=max(0, len(self.begun()) - self.queries - kills),
        )
        if course is not None:
            found["another_course"] = int(archs != course)
        return found


def _uninterrupted(folder: Path) -> tuple[list[str], bytes]:
    """The architectures of a search, and its journal."""
    case = Case(folder)
    case.run()
    course = [record.architecture.to_json() for record in case.study().queries]
    return course, case.journal.read_bytes()


def torn(points: int, rng: random.Random, folder: Path) -> Found:
    found: Found = Counter()
    course, whole = _uninterrupted(folder)
    for _ in range(points):
        case = Case(folder)
        kept = whole[: rng.randrange(len(whole))]
        case.journal.write_bytes(kept)
        # Those whose last line is whole have their results.
        done = kept[: kept.rfind(b"\n") + 1].count(b'"state":1')
        case.run()
        found.update(case.outcome(course=course))
        found["repeated_too_often"] += max(0, len(case.begun()) - QUERIES + done)
    return found


def disk(points: int, rng: random.Random, folder: Path) -> Found:
    found: Found = Counter()
    course, whole = _uninterrupted(folder)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # Then a write of too much is an error.
    for _ in range(points):
        case = Case(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (rng.randrange(len(whole)), hard))
        try:
            case.run()
        except StudyError:
            pass
        else:
            found["not_noticed"] += 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        case.run()
        found.update(case.outcome(course=course))
    return found


def write(points: int, rng: random.Random, folder: Path) -> Found:
    found: Found = Counter()
    original, synced = os.fsync, itertools.count()
    os.fsync = lambda file: (next(synced), original(file))[1]
    course, _ = _uninterrupted(folder)
    os.fsync, writes = original, next(synced)
    for _ in range(points):
        case = Case(folder)
        name = rng.choice(["symlink", "fsync", "fsync", "unlink"])
        at, missing = rng.randrange(writes), rng.choice([0, rng.randrange(100)])
        _wait_killed(case.forked(lambda: _die_in(name, at, missing)), found)  # noqa: B023
        case.run()
        found.update(case.outcome(course=course))
    return found


def _die_in(name: str, at: int, missing: int) -> None:
    """From now on this process is killed in its call number `at` of a function of `os`.

    Args:
        name: Of the function: a write takes the lock by ``symlink``, calls ``fsync`` when the line
            is written, and gives the lock back by ``unlink``.
        at: From 0.
        missing: Of the line as ``fsync`` finds it: how many bytes, at most, were not written.
    """
    original, calls = getattr(os, name), itertools.count()

    def dying(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) < at:
            return original(*arguments, **keywords)
        if name == "fsync":
            size = os.fstat(arguments[0]).st_size
            os.ftruncate(arguments[0], max(0, size - missing))
        else:
            original(*arguments, **keywords)
        _die()

    setattr(os, name, dying)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _wait_killed(child: int, found: Found) -> None:
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):  # It had come to its end before.
        found["finished_before"] += 1


def runner(points: int, rng: random.Random, folder: Path) -> Found:
    found: Found = Counter()
    course, _ = _uninterrupted(folder)
    began = time.perf_counter()
    os.waitpid(Case(folder, seconds=0.002).forked(), 0)
    took = time.perf_counter() - began
    for _ in range(points):
        case = Case(folder, seconds=0.002)
        child = case.forked()
        time.sleep(rng.uniform(0, took))
        os.kill(child, signal.SIGKILL)
        _wait_killed(child, found)
        case.run()
        found.update(case.outcome(course=course))
    return found


def shared(points: int, rng: random.Random, folder: Path) -> Found:
    found: Found = Counter()
    for _ in range(points // KILLS):
        case = Case(folder, SHARED, seconds=0.01)
        children = [case.forked() for _ in range(3)]
        for _ in range(KILLS):
            time.sleep(rng.uniform(0, 0.3))
            child = children.pop(rng.randrange(3))
            os.kill(child, signal.SIGKILL)
            _wait_killed(child, found)
            children.append(case.forked())
        for child in children:
            _, status = os.waitpid(child, 0)
            found["ended_with_an_error"] += status != 0
        found.update(case.outcome(KILLS))
    return found


def worker(points: int, rng: random.Random, folder: Path) -> Found:
    found: Found = Counter()
    case = Case(folder, 2 * points, seconds=0.5)
    over, killed = threading.Event(), list[int]()

    def kill() -> None:
        while len(killed) < points and not over.wait(rng.uniform(0.05, 1)):
            alive = sorted({int(pid) for pid, _ in case.begun()[-2:]}.difference(killed))
            if alive:
                killed.append(rng.choice(alive))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    case.run(workers=2, deaths=points)
    over.set()
    thread.join()
    found.update(case.outcome(len(killed)), killed=len(killed))
    return found


PARTS = {"torn": torn, "disk": disk, "write": write, "runner": runner, "shared": shared,
         "worker": worker}  # fmt: skip


def main() -> None:
    parser = _results.parser(__doc__)
    default = {"torn": 600, "disk": 400, "write": 500, "runner": 300, "shared": 150, "worker": 50}
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--points", type=int, help=f"of each part; by default {default}")
    parser.add_argument("--seed", type=int, default=0)
    memory = Path("/dev/shm")
    parser.add_argument(
        "--folder", type=Path, help="of the journals; by default in memory, which saves time"
    )
    options = parser.parse_args()
    inside = options.folder or (memory if memory.is_dir() else None)
    results: dict[str, Any] = {}
    for part in options.parts:
        points = options.points or default[part]
        rng = random.Random(options.seed)
        began, cpu = time.perf_counter(), _cpu()
        with tempfile.TemporaryDirectory(dir=inside) as folder:
            found = PARTS[part](points, rng, Path(folder))
        row = {"points": points, **found, "cpu_seconds": round(_cpu() - cpu, 1)}
        results[part] = {**row, "seconds": round(time.perf_counter() - began, 1)}
        print(part, results[part], flush=True)
    options.folder = None if options.folder is None else str(options.folder)
    label = "kills" if options.parts == list(PARTS) else "-".join(["kills", *options.parts])
    print(_results.write(label, options, results))


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
