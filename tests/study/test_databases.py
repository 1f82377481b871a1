"""Real databases: nothing lost or doubled by several processes, also while the server restarts."""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import _shared
from benchmarks._shared import Outcome, Server, study
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

import optiproxy as op
from optiproxy.errors import StudyError
from optiproxy.study import Study
from optiproxy.study._storage import database, patience

QUERIES = 32


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="pip install 'optiproxy[postgresql]'")
    try:
        with _shared.postgresql() as running:
            yield running
    except FileNotFoundError as error:
        pytest.skip(str(error))


def _whole(made: Study, queries: int) -> None:
    """Every number once, no architecture twice, every result its own."""
    records = made.queries
    assert [record.query for record in records] == list(range(1, queries + 1))
    assert len({record.architecture for record in records}) == queries
    assert all(r.metrics == {"m": float(r.architecture["a"])} for r in records)


def _nothing_lost(found: Outcome) -> None:
    assert found.exits == [0, 0, 0], found.said
    assert (found.queries, found.missing, found.doubled, found.wrong) == (QUERIES, 0, 0, 0)
    assert found.evaluations <= QUERIES + 1  # That of the killed one is repeated.


@pytest.mark.slow
def test_processes_on_postgresql_with_one_killed_and_the_server_restarted(server: Server) -> None:
    found = _shared.searched(server.url, QUERIES, server=server)
    _nothing_lost(found)
    assert any("it can be used again" in text for text in found.said)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_processes_on_a_file_with_one_killed(tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else str(tmp_path / "s.journal")
    _nothing_lost(_shared.searched(url, QUERIES))


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

    monkeypatch.setattr(patience, "_PAUSE", 0.0)
    place = "postgresql://me:***@host/db"
    monkeypatch.setattr(
        "optiproxy.study.study.open_storage", lambda storage: database.patient(Flaky(), place)
    )
    caplog.set_level(logging.WARNING, "optiproxy.study")
    made = study("postgresql://me:secret@host/db")
    made.run(3)
    _whole(made, 3)
    assert f"{place}: the connection is lost (server closed the connection" in caplog.text
    assert "waiting, up to 10 minutes" in caplog.text
    assert "secret" not in caplog.text
    monkeypatch.setattr(patience, "PATIENCE", 0.0)
    with pytest.raises(op.errors.StudyError, match="the connection is lost"):
        made.run(4)


def test_a_reader_of_a_sqlite_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a process that opens the study; on a busy machine it may take its time."""
    monkeypatch.setattr(database, "_QUIET", 0.1)
    made = study(f"sqlite:///{tmp_path}/s.db")
    made.run(1)
    reader = sqlite3.connect(tmp_path / "s.db", isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM trials").fetchall()
    threading.Timer(0.5, lambda: reader.execute("COMMIT")).start()
    made.run(2)
    _whole(made, 2)
    reader.close()


def test_the_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        op.errors.StudyError, match=r"needs a driver .*pip install 'optiproxy\[post"
    ):
        study("postgresql://me@host/db")


def test_a_server_that_starts_again_is_waited_for_by_who_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, attempts = database.RDBStorage, []

    def starting(url: str, **options: object) -> object:
        attempts.append(url)
        if len(attempts) < 4:
            closed = OperationalError("", {}, Exception("server closed the connection"))
            raise StorageInternalError("exceeding max length?") from closed
        return real(f"sqlite:///{tmp_path}/s.db")

    monkeypatch.setattr(database, "RDBStorage", starting)
    monkeypatch.setattr(database.time, "sleep", lambda seconds: None)
    assert database.open_database("postgresql://me@host/x", "there").get_all_studies() == []
    assert len(attempts) == 4
    monkeypatch.setattr(database, "_ATTEMPTS_TO_REACH", 2)
    attempts.clear()
    with pytest.raises(StudyError, match="can't be opened: the connection is lost"):
        database.open_database("postgresql://me@host/x", "there")
