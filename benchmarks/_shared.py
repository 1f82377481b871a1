"""Several processes on one storage, of which one is killed: for `storages.py` and a test.

PostgreSQL's server is started from Debian's packages (``apt-get install postgresql``), as a user
other than root, which it refuses.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optiproxy as op

SPACE = op.spaces.Chain({"a": list(range(40)), "b": list(range(40))})

# What each process runs: `Study.run` until the study has its queries. It logs its evaluations.
PROGRAM = """
import logging, os, sys, time
logging.basicConfig(level=logging.WARNING)
import optiproxy as op
url, queries, seconds, log = sys.argv[1:]
space = op.spaces.Chain({"a": list(range(40)), "b": list(range(40))})
file = os.open(log, os.O_WRONLY | os.O_APPEND)
def evaluate(arch):
    os.write(file, b"begun\\n")
    time.sleep(float(seconds))
    return float(arch["a"])
task = op.Task("toy", space, evaluate, objectives={"m": "max"})
print("ready", flush=True)
op.Study(task, name="toy", method="random", storage=url).run(int(queries))
"""


def study(url: str) -> op.Study:
    """The study that the processes share."""
    task = op.Task("toy", SPACE, lambda arch: float(arch["a"]), objectives={"m": "max"})
    return op.Study(task, name="toy", method="random", storage=url)


class Server:
    """PostgreSQL on this machine, with all it has in a folder that goes with it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # The server refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "me", "--no-sync")
        self.options = f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "me", "searches")

    @property
    def url(self) -> str:
        return f"postgresql://me@127.0.0.1:{self.port}/searches"

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self._data / "log", "-o", self.options,
                  "start")  # fmt: skip

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        user = {"user": self._user} if os.getuid() == 0 else {}
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=60, **user)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A running server.

    Raises:
        FileNotFoundError: It is not installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        raise FileNotFoundError("PostgreSQL's server is missing: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        running = Server(found[-1].parent, Path(folder))
        try:
            yield running
        finally:
            running.stop()


@dataclass(frozen=True)
class Outcome:
    """What several processes have made of one study.

    Attributes:
        queries: How many it has.
        missing: Numbers from 1 on that no query has.
        doubled: Queries whose number or architecture another one has.
        wrong: Queries without the result of their architecture.
        evaluations: How many were begun.
        seconds: How long it took.
        exits: The exit codes of the processes that were not killed.
        said: What the processes wrote to standard error.
    """

    queries: int
    missing: int
    doubled: int
    wrong: int
    evaluations: int
    seconds: float
    exits: list[int]
    said: list[str]


def searched(
    url: str,
    queries: int,
    *,
    processes: int = 4,
    seconds: float = 0.05,
    kill: bool = True,
    server: Server | None = None,
) -> Outcome:
    """Searches by several processes at once.

    Args:
        url: Of the storage.
        queries: How many the study has in the end.
        processes: How many search.
        seconds: Of each evaluation.
        kill: Whether one of them is killed when a fifth of the queries have been evaluated.
        server: Is restarted at the same time; it is away for two seconds.
    """
    with tempfile.NamedTemporaryFile() as log:
        arguments = [url, str(queries), str(seconds), log.name]
        pipe = subprocess.PIPE
        started = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *arguments], stdout=pipe, stderr=pipe, text=True
            )
            for _ in range(processes)
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        began = time.perf_counter()
        _wait(Path(log.name), queries // 5, started)
        if kill:
            started[0].kill()
        if server is not None:
            server.stop()
            threading.Timer(2.0, server.start).start()
        said = [process.communicate()[1] for process in started]
        took = time.perf_counter() - began
        evaluations = len(Path(log.name).read_bytes().splitlines())
    records = study(url).queries
    numbers = [record.query for record in records]
    different = {record.architecture for record in records}
    return Outcome(
        queries=len(records),
        missing=len(set(range(1, queries + 1)) - set(numbers)),
        doubled=2 * len(records) - len(set(numbers)) - len(different),
        wrong=sum(record.metrics != {"m": float(record.architecture["a"])} for record in records),
        evaluations=evaluations,
        seconds=round(took, 1),
        exits=[process.returncode for process in started[int(kill) :]],
        said=said,
    )


def _wait(log: Path, lines: int, started: list[subprocess.Popen[str]]) -> None:
    while len(log.read_bytes().splitlines()) < lines:
        if all(process.poll() is not None for process in started):
            return
        time.sleep(0.1)
