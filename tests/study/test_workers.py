"""Worker processes: each dies, hangs and is ended alone."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
import worker_toys as toys

from optiproxy.study._storage.lease import _process
from optiproxy.study._workers import process_tree
from optiproxy.study._workers.job import Job
from optiproxy.study._workers.pool import result
from optiproxy.study._workers.processes import Processes, WorkerDied

pytestmark = pytest.mark.slow


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv("TOY_LOG", str(path))
    return path


@pytest.fixture
def pool():
    made = []

    def make(workers=1, **options):
        made.append(Processes(toys.task, workers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close(kill=True)


def submit(pool, act, width=1):
    return pool.submit(Job(toys.arch(act, width)))


def gone(pid):
    """Whether a process is over, or is so in a moment."""
    for _ in range(100):
        if not _process(pid)[0]:
            return True
        time.sleep(0.02)
    return False


def test_a_death_is_one_evaluation_s_and_says_how(pool):
    workers = pool(2)
    before = result(submit(workers, "pid"))
    other = submit(workers, "hang")
    for act, code in (("kill", "SIGKILL"), ("segv", "SIGSEGV"), ("code", r"EXIT\(7\)")):
        with pytest.raises(WorkerDied, match=code) as died:
            submit(workers, act).result(60)
        evaluation = died.value.evaluation
        assert evaluation.kind == "died"
        assert evaluation.metrics is None
        assert evaluation.seconds < 30
    # A new process is in the place of the dead one; the healthy one was not disturbed.
    assert not other.done()
    after = result(submit(workers, "pid"))
    assert before.metrics["pid"] != after.metrics["pid"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no cat")
def test_what_an_evaluation_starts_does_not_wait_for_the_input_of_the_search(pool):
    kept, (end, _) = os.dup(0), os.pipe()
    os.dup2(end, 0)
    try:
        assert result(submit(pool(), "read")).reason == ""
    finally:
        os.dup2(kept, 0)


def test_peak_memory_is_in_the_reason(pool):
    with pytest.raises(WorkerDied, match=r"peak memory 0\.\d+ GiB"):
        submit(pool(), "kill").result(60)


def test_what_raises_or_leaves_is_no_death(pool):
    workers = pool()
    before = result(submit(workers, "pid"))
    left = result(submit(workers, "exit"))
    assert (left.kind, left.reason) == ("SystemExit", "SystemExit: 3")
    failed = result(submit(workers, "raise"))
    assert (failed.kind, failed.reason) == ("ValueError", "ValueError: a bug of the user's")
    assert 'raise ValueError("a bug of the user\'s")' in failed.traceback
    assert result(submit(workers, "hog")).kind == "oom"
    assert result(submit(workers, "oom")).kind == "oom"
    assert result(submit(workers, "pid")).metrics["pid"] == before.metrics["pid"]


def test_a_time_limit_ends_one_evaluation_and_the_next_one_has_its_whole_time(pool):
    workers = pool(2, time_limit=1.0)
    first, second = submit(workers, "pid"), submit(workers, "pid")
    pids = {int(result(first).metrics["pid"]), int(result(second).metrics["pid"])}
    began = time.monotonic()
    late = result(submit(workers, "hang"))
    assert (late.kind, late.reason) == ("time-limit", "time limit: it was ended after 1s")
    assert 1.0 <= late.seconds < 2.5
    assert time.monotonic() - began < 10
    assert {result(submit(workers, "pid")).kind for _ in range(3)} == {""}
    assert sorted(map(gone, pids)) == [False, True]


@pytest.mark.skipif(sys.platform != "linux", reason="finds them in /proc")
@pytest.mark.parametrize("act", ["leave", "leave-hang", "hide-hang"])
def test_what_an_evaluation_started_ends_with_it(pool, log, act):
    workers = pool(time_limit=1.0)
    future = submit(workers, act)
    future.exception(60)
    assert gone(int(log.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="finds them in /proc")
def test_closing_ends_what_runs_at_once(pool, log):
    workers = pool(2)
    future, other = submit(workers, "leave-hang"), submit(workers, "hang")
    while not log.read_text():
        time.sleep(0.02)
    began = time.monotonic()
    workers.close(kill=True)
    assert time.monotonic() - began < 5
    assert future.done()
    assert other.done()
    assert gone(int(log.read_text()))


def test_closing_lets_idle_workers_leave(pool):
    workers = pool(2)
    pids = [int(result(f).metrics["pid"]) for f in [submit(workers, "pid") for _ in range(2)]]
    began = time.monotonic()
    workers.close(kill=False)
    assert time.monotonic() - began < 4
    assert all(gone(pid) for pid in pids)


def test_an_idle_worker_that_dies_loses_nothing(pool):
    workers = pool()
    pid = int(result(submit(workers, "pid")).metrics["pid"])
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    assert result(submit(workers, "fine", 3)).metrics["val"] == 3.0


def test_each_worker_knows_its_number_and_its_device(pool):
    workers = pool(3, devices=("4", "7"))
    found = [result(future) for future in [submit(workers, "fine") for _ in range(3)]]
    assert [e.metrics["gpu"] for e in found] == [4, 7, 4]
    assert [e.metrics["worker"] for e in found] == [0, 1, 2]
    assert [(e.worker, e.device) for e in found] == [(0, "4"), (1, "7"), (2, "4")]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_mark_is_found_in_children_alone(monkeypatch):
    assert process_tree.members("a mark that none has") == []
    assert process_tree.peak_memory(os.getpid()) > 2**20
    assert process_tree.peak_memory(2**22 + 1) == 0
    assert process_tree.oom_kills() >= 0
