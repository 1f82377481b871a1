"""Many processes on one study: ``optiproxy worker``, and ``search --dask``."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from optiproxy.cli.app import run
from optiproxy.study import Study
from optiproxy.tasks import load

BUDGET = 14


def finished(journal: Path) -> int:
    return journal.read_text().count('"optiproxy:seconds"') if journal.exists() else 0


def wait_for(journal, count, process):
    end = time.monotonic() + 60
    while finished(journal) < count:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
def test_workers_share_a_budget_and_take_over_from_a_killed_one(start, folder, monkeypatch):
    monkeypatch.setenv("MINE_SECONDS", "0.15")
    journal = folder / "s.journal"
    where = ["--storage", "s.journal"]
    first = start("search", "mine.py:task", "--method", "random", "--budget", BUDGET,
                  "--name", "shared", *where)  # fmt: skip
    wait_for(journal, 1, first)
    killed, other = (start("worker", "shared", *where) for _ in range(2))
    wait_for(journal, 4, first)
    first.kill()  # In the middle of a query.
    wait_for(journal, 7, other)
    killed.kill()
    out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    study = Study.load("shared", "s.journal")
    records = study.queries
    assert len(records) == BUDGET
    assert len({r.architecture for r in records}) == BUDGET
    assert all(r.metrics is not None for r in records)
    told = re.fullmatch(rf"shared: {BUDGET} queries, (\d+) of them by this worker\n", out)
    assert told is not None, out
    assert 1 <= int(told[1]) < BUDGET
    assert f"{BUDGET}/{BUDGET} queries" in err  # Progress counts what the others did.
    assert run(["worker", "shared", *where]) == 0  # Nothing is left to do.
    assert len(study.queries) == BUDGET


def test_a_worker_without_a_study_is_told(refused, folder):
    where = ["--storage", "s.journal"]
    assert "no file 's.journal'" in refused("worker", "shared", *where, code=1)
    Study("own", __import__("optiproxy").spaces.Chain({"a": [1, 2]}), lambda arch: 0.0,
          objectives={"x": "max"}, storage="s.journal")  # fmt: skip
    assert "did you mean 'own'" in refused("worker", "owm", *where, code=1)
    assert "was made in a program" in refused("worker", "own", *where, code=1)
    assert "workers: got 0" in refused("worker", "own", *where, "--workers", "0")


@pytest.fixture
def scheduler(folder):
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_dask_cluster_evaluates(scheduler, folder, capfd):
    address = scheduler.scheduler_address
    arguments = ["--method", "random", "--budget", "10", "--dask", address]
    assert run(["search", "mine.py:task", *arguments, "--storage", "s.journal"]) == 0
    study = Study.load("mine-random-0", "s.journal")
    assert len({r.architecture for r in study.queries}) == 10
    assert all(r.metrics == study.task.query(r.architecture).metrics for r in study.queries)
    assert run(["resume", "mine-random-0", "--storage", "s.journal", "--budget", "12",
                "--dask", address, "--workers", "1"]) == 0  # fmt: skip
    assert len(study.queries) == 12
    study.optuna.set_user_attr("optiproxy:budget", 14)
    capfd.readouterr()
    assert run(["worker", "mine-random-0", "--storage", "s.journal", "--dask", address]) == 0
    assert "14 queries, 2 of them by this worker" in capfd.readouterr().out


@pytest.mark.slow
def test_a_cluster_that_lives_on_loads_an_edited_file_anew(scheduler, folder):
    arguments = ["--method", "random", "--budget", "2", "--storage", "s.journal",
                 "--dask", scheduler.scheduler_address]  # fmt: skip
    mine = (folder / "mine.py").read_text()
    for name, factor in (("first", 1), ("second", 70), ("third", 500)):
        edited = mine.replace("score(arch, seed)", f"{factor} + score(arch, seed)")
        (folder / "mine.py").write_text(edited)
        assert run(["search", "mine.py:task", "--name", name, *arguments]) == 0
        found = Study.load(name, "s.journal").queries
        assert [r.metrics["val"] // 1 for r in found] == [factor] * 2


@pytest.mark.slow
def test_a_cluster_tells_its_places(scheduler, folder):
    from distributed import Client

    with Client(scheduler) as client:
        study = Study(load("mine.py:task"), method="random")
        study.run(4, executor=client.get_executor(pure=False))
    assert len(study.queries) == 4


def test_an_address_where_nobody_answers(refused, folder, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra dask")
    monkeypatch.setattr("optiproxy.cli._executors._CONNECT", 0.5)
    said = refused("search", "mine.py:task", "--dask", "tcp://127.0.0.1:1", code=1)
    assert "no scheduler answers at 'tcp://127.0.0.1:1'" in said
    assert "give the scheduler's address" in refused("search", "mine.py:task", "--dask", "me")
    assert not list(folder.glob("*.journal"))
