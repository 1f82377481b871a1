"""Real databases: nothing lost or doubled by several processes, also while the server restarts.

PostgreSQL's server is started from Debian's packages (``apt-get install postgresql``), as a user
other than root, which it refuses.
"""

from __future__ import annotations

import logging
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
from pathlib import Path

import pytest

import optiproxy as op
from optiproxy.study import Study
from optiproxy.study._storage import database

SPACE = op.spaces.Chain({"a": list(range(20)), "b": list(range(20))})
PROCESSES, QUERIES = 4, 32

# What each process runs: `study.run` until the study has its queries.
PROGRAM = """
import logging, sys, time
logging.basicConfig(level=logging.WARNING)
import optiproxy as op
space = op.spaces.Chain({"a": list(range(20)), "b": list(range(20))})
def evaluate(arch):
    time.sleep(0.05)
    return float(arch["a"])
task = op.Task("toy", space, evaluate, objectives={"m": "max"})
print("ready", flush=True)
op.Study(task, name="toy", method="random", storage=sys.argv[1]).run(int(sys.argv[2]))
"""


def study(url: str) -> Study:
    task = op.Task("toy", SPACE, lambda arch: float(arch["a"]), objectives={"m": "max"})
    return Study(task, name="toy", method="random", storage=url)


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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="pip install 'optiproxy[postgresql]'")
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        running = Server(found[-1].parent, Path(folder))
        yield running
        running.stop()


def _started(url: str, queries: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, url, str(queries)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(PROCESSES)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return started


def _wait_for(made: Study, queries: int) -> None:
    end = time.monotonic() + 120
    while len(made.queries) < queries and time.monotonic() < end:
        time.sleep(0.2)


def _whole(made: Study, queries: int) -> None:
    """Every number once, no architecture twice, every result its own."""
    records = made.queries
    assert [record.query for record in records] == list(range(1, queries + 1))
    assert len({record.architecture for record in records}) == queries
    assert all(r.metrics == {"m": float(r.architecture["a"])} for r in records)


@pytest.mark.slow
def test_processes_on_postgresql_with_one_killed_and_the_server_restarted(server: Server) -> None:
    made = study(server.url)
    processes = _started(server.url, QUERIES)
    _wait_for(made, 6)
    processes[0].kill()
    server.stop()
    threading.Timer(2.0, server.start).start()
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes[1:]] == [0, 0, 0], said
    assert any("the connection is there again" in text for text in said)
    _whole(study(server.url), QUERIES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_processes_on_a_file_with_one_killed(tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else str(tmp_path / "s.journal")
    processes = _started(url, QUERIES)
    _wait_for(study(url), 6)
    processes[0].kill()
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes[1:]] == [0, 0, 0], said
    _whole(study(url), QUERIES)


def test_a_connection_that_is_lost_is_waited_for_and_the_result_is_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import InMemoryStorage
    from sqlalchemy.exc import OperationalError

    class Flaky(InMemoryStorage):
        calls = 0

        def set_trial_user_attr(self, *arguments: object) -> None:
            self.calls += 1
            if self.calls % 3:
                error = Exception("server closed the connection unexpectedly")
                raise StorageInternalError("?") from OperationalError("INSERT", {}, error)
            super().set_trial_user_attr(*arguments)

    monkeypatch.setattr(database, "_PAUSE", 0.0)
    place = "postgresql://me:***@host/db"
    monkeypatch.setattr(
        "optiproxy.study.study.open_storage", lambda storage: database.patient(Flaky(), place)
    )
    caplog.set_level(logging.WARNING, "optiproxy.study")
    made = study("postgresql://me:secret@host/db")
    made.run(3)
    _whole(made, 3)
    assert f"{place}: the connection is lost (server closed the connection" in caplog.text
    assert "waiting for it, up to 10 minutes" in caplog.text
    assert "secret" not in caplog.text
    monkeypatch.setattr(database, "PATIENCE", 0.0)
    with pytest.raises(op.errors.StudyError, match="the connection is lost"):
        made.run(4)


def test_the_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        op.errors.StudyError, match=r"needs a driver .*pip install 'optiproxy\[post"
    ):
        study("postgresql://me@host/db")
