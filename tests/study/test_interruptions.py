"""What ends a search in the middle: kill -9, Ctrl-C, a worker that dies, another process."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import pytest
import study_toys as toys

from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.hardware import cores
from optiproxy.study import RayExecutor, Study, _runner, _session
from optiproxy.study._storage import patience
from optiproxy.study._storage.clashes import duplicates
from optiproxy.study._storage.lease import Lease, _process
from optiproxy.study._storage.lock import OwnedLock
from optiproxy.study._storage.open import open_storage
from optiproxy.study._storage.trials import Trials
from optiproxy.study._workers.pool import InProcess
from optiproxy.tasks import Evaluation, Reference

SEARCH = """
import sys
import study_toys as toys
from optiproxy.study import Study
place, budget, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
study = Study(toys.slow_task, method="climber", storage=place)
try:
    study.run(budget, workers=workers, in_process=workers == 1)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "evaluations.log"
    path.touch()
    monkeypatch.setenv("TOY_LOG", str(path))
    return path


def start(place, budget, workers=1):
    command = [sys.executable, "-c", SEARCH, str(place), str(budget), str(workers)]
    return subprocess.Popen(command, start_new_session=True)


def wait_for_lines(path, count, process):
    end = time.monotonic() + 60
    while len(path.read_text().splitlines()) < count:
        assert process.poll() is None, "the search ended before it was stopped"
        assert time.monotonic() < end
        time.sleep(0.002)


def course(study):
    return [(r.architecture, r.metrics) for r in study.queries]


def uninterrupted(budget):
    study = Study(toys.task(), method="climber")
    study.run(budget)
    return course(study)


def trials(place, state):
    backend = optuna.storages.journal.JournalFileBackend(str(place))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="toy-climber-0", storage=storage)
    return study.get_trials(states=(state,))


@pytest.mark.slow
def test_after_kill_9_the_search_is_the_uninterrupted_one(tmp_path, log):
    place, budget, kept = tmp_path / "s.journal", 16, {}
    for lines in (2, 6, 10, 15):
        process = start(place, budget)
        wait_for_lines(log, lines, process)
        process.kill()
        process.wait()
        done = {t.number: t for t in trials(place, optuna.trial.TrialState.COMPLETE)}
        for number, trial in kept.items():
            assert done[number] == trial
        kept = done
    study = Study(toys.slow_task, method="climber", storage=place)
    study.run(budget)
    assert course(study) == uninterrupted(budget)
    # Each kill costs one evaluation at most, and only what was running is repeated.
    counts = Counter(log.read_text().splitlines())
    assert len(counts) == budget
    assert budget < counts.total() <= budget + 4
    assert study.notes == []


def test_a_batch_half_written_is_completed_as_it_was(tmp_path, monkeypatch):
    place = tmp_path / "s.journal"
    add, calls = Trials._add, []

    def dying(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 5:  # The second of the second batch.
            raise SystemExit
        return add(self, *args, **kwargs)

    monkeypatch.setattr(Trials, "_add", dying)
    with pytest.raises(SystemExit):
        Study(toys.task(), method="climber", storage=place).run(12)
    monkeypatch.undo()
    study = Study(toys.task(), method="climber", storage=place)
    assert len(study.queries) == 3
    study.run(12)
    assert course(study) == uninterrupted(12)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_repeats_the_rest(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.3")
    place = tmp_path / "s.journal"
    process = start(place, 8)
    wait_for_lines(log, 4, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert len(trials(place, optuna.trial.TrialState.COMPLETE)) == 3
    assert trials(place, optuna.trial.TrialState.RUNNING) == []
    (stopped,) = trials(place, optuna.trial.TrialState.PRUNED)
    assert stopped.user_attrs["optiproxy:interrupted"] == "stopped while it ran"
    monkeypatch.setenv("TOY_SECONDS", "0")
    study = Study(toys.slow_task, method="climber", storage=place)
    study.run(8)
    assert course(study) == uninterrupted(8)


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_workers(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.5")
    place = tmp_path / "s.journal"
    process = start(place, 9, workers=2)
    wait_for_lines(log, 4, process)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does it: to the workers too.
    assert process.wait(20) == 130
    assert trials(place, optuna.trial.TrialState.RUNNING) == []
    assert len(trials(place, optuna.trial.TrialState.PRUNED)) == 2
    study = Study(toys.task(), method="climber", storage=place)
    study.run(9)
    assert len({r.architecture for r in study.queries}) == 9


def test_an_interrupted_study_in_memory_goes_on_in_its_own_process():
    def evaluate(arch):
        if len(calls) == 4 and not stopped:
            stopped.append(arch)
            raise KeyboardInterrupt
        calls.append(arch)
        return toys.plain(arch, 0)

    calls, stopped = [], []
    study = Study(toys.task(evaluate), method="climber")
    with pytest.raises(KeyboardInterrupt):
        study.run(9)
    assert len(study.queries) == 4
    study.run(9)
    assert [r.architecture for r in study.queries] == calls
    assert calls[4] == stopped[0]
    again = Study(toys.task(lambda arch: toys.plain(arch, 0)), method="climber")
    again.run(9)
    assert course(again) == course(study)


def test_nor_does_it_wait_for_what_it_had_no_time_to_mark(monkeypatch):
    def evaluate(arch):
        if not stopped:
            stopped.append(arch)
            raise KeyboardInterrupt
        return toys.plain(arch, 0)

    stopped = []
    study = Study(toys.task(evaluate), method="climber")
    with monkeypatch.context() as patch:
        patch.setattr(Trials, "interrupt", lambda self, entry: None)
        with pytest.raises(KeyboardInterrupt):
            study.run(3)
    study.run(3)
    assert study.queries[0].architecture == stopped[0]
    assert study.notes == []


@pytest.mark.slow
def test_workers_evaluate_all_without_repetition_and_bounded_threads(tmp_path):
    def evaluate(arch):
        time.sleep(0.1)  # Long enough for the second one to get something too.
        return {
            "val": toys.score(arch),
            "pid": os.getpid(),
            "threads": os.environ["OMP_NUM_THREADS"],
        }

    study = Study(toys.task(evaluate), method="climber", storage=tmp_path / "s.journal")
    study.run(12, workers=2)
    assert len({r.architecture for r in study.queries}) == 12
    pids = {r.metrics["pid"] for r in study.queries}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert {r.metrics["threads"] for r in study.queries} == {max(1, cores() // 2)}


@pytest.mark.slow
def test_a_worker_that_dies_is_a_failure_and_no_more(tmp_path):
    place = tmp_path / "s.journal"
    study = Study(toys.task(toys.deadly), method="random", storage=place)
    study.run(6, workers=2)
    assert len(study.queries) == 6
    dead = {r.architecture["width"] for r in study.queries if r.metrics is None}
    alive = {r.architecture["width"] for r in study.queries if r.metrics is not None}
    assert dead == {32}
    assert 32 not in alive
    assert all("worker process died" in r.reason for r in study.queries if r.metrics is None)


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [1, 2])
def test_a_query_that_ends_its_worker_is_tried_as_often_as_allowed(log, deaths):
    def evaluate(arch):
        with log.open("a") as file:
            file.write("begun\n")
        os.abort()

    study = Study(toys.task(evaluate), method="random")
    study.run(1, workers=1, deaths=deaths)
    assert "SIGABRT" in study.queries[0].reason
    assert study.queries[0].kind == "died"
    assert log.read_text() == deaths * "begun\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the children")
def test_workers_do_not_outlive_a_killed_search(tmp_path, log):
    process = start(tmp_path / "s.journal", 90, workers=2)
    wait_for_lines(log, 6, process)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(workers) >= 2
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while any(_process(int(pid))[0] for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_any_executor_will_do(tmp_path):
    study = Study(toys.task(), method="climber", storage=tmp_path / "s.journal")
    with ThreadPoolExecutor(3) as executor:
        study.run(12, executor=executor)
        assert executor.submit(lambda: 7).result() == 7  # It is ours no more than before.
    assert len({r.architecture for r in study.queries}) == 12
    with pytest.raises(InvalidValueError, match="workers"):
        study.run(13, executor=object())


def test_jobs_that_are_no_futures_are_waited_for():
    class Job:
        """As submitit's: `result` waits, and raises an error of its own where the job died."""

        def __init__(self, evaluate):
            self.result = evaluate

    class Cluster:
        def submit(self, function, arch, **kwargs):
            jobs.append(arch)
            dies = len(jobs) == 3
            return Job(partial(int, "died") if dies else partial(function, arch, **kwargs))

    jobs = []
    study = Study(toys.task(), method="climber")
    study.run(9, workers=3, executor=Cluster())
    assert len({r.architecture for r in study.queries}) == len(jobs) == 9
    (failed,) = (r for r in study.queries if r.metrics is None)
    assert failed.architecture == jobs[2]
    assert "died" in failed.reason


@pytest.mark.slow
def test_submitit_evaluates(tmp_path):
    submitit = pytest.importorskip("submitit", reason="needs the extra submitit")
    executor = submitit.AutoExecutor(tmp_path / "logs", cluster="local")
    study = Study(toys.task(), method="random")
    study.run(3, workers=2, executor=executor)
    assert all(r.metrics == study.task.query(r.architecture).metrics for r in study.queries)


@pytest.mark.slow
def test_ray_evaluates_and_a_death_costs_its_query_alone(tmp_path):
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        study = Study(toys.task(toys.deadly), method="random", storage=tmp_path / "s.journal")
        study.run(8, executor=RayExecutor())
    finally:
        ray.shutdown()
    dead = {r.architecture["width"] for r in study.queries if r.kind == "died"}
    assert dead == {32} == {r.architecture["width"] for r in study.queries if r.metrics is None}
    assert len(study.queries) == 8


def test_an_executor_that_gives_up_ends_the_search_and_spends_nothing():
    class Leaving(Executor):
        """As Dask's when its scheduler has gone: what is out is cancelled."""

        def submit(self, function, *args, **kwargs):
            future = Future()
            if len(calls) < 4:
                future.set_result(function(*args, **kwargs))
            else:
                future.cancel()
                future.set_running_or_notify_cancel()
            calls.append(args)
            return future

    calls = []
    study = Study(toys.task(), method="climber")
    with pytest.raises(StudyError, match="executor: it broke"):
        study.run(9, workers=2, executor=Leaving())
    assert len(study.queries) == 4
    study.run(9)
    assert len({r.architecture for r in study.queries}) == 9
    assert all(r.metrics is not None for r in study.queries)


def test_what_a_model_predicted_is_kept_also_of_a_batch_half_written(tmp_path, monkeypatch):
    place = tmp_path / "s.journal"
    add, calls = Trials._add, []

    def dying(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 8:  # The second of the third batch.
            raise SystemExit
        return add(self, *args, **kwargs)

    monkeypatch.setattr(Trials, "_add", dying)
    with pytest.raises(SystemExit):
        Study(toys.task(), method="modelled", storage=place).run(12)
    monkeypatch.undo()
    study = Study(toys.task(), method="modelled", storage=place)
    told = []
    study.run(12, callback=told.append)
    assert [r.predicted for r in study.queries] == [
        None if r.query <= 3 else toys.score(r.architecture) / 2 for r in study.queries
    ]
    assert [r.predicted for r in told] == [r.predicted for r in study.queries[6:]]


def test_a_task_that_cant_be_sent_to_workers_spends_nothing():
    lock = __import__("threading").Lock()
    study = Study(toys.task(lambda arch: {"val": 1.0 if lock else 0.0}), method="random")
    with pytest.raises(InvalidValueError, match="can't be sent"):
        study.run(4, workers=2)
    assert study.queries == ()


@pytest.mark.slow
def test_a_task_that_workers_cant_load_ends_the_search():
    task = toys.task()
    task.reference = Reference("no_such_module:task", os.getcwd())
    study = Study(task, method="random")
    with pytest.raises(StudyError, match="can't make the task"):
        study.run(4, workers=2)
    assert study.queries == ()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "budget"), [("journal", 24), ("sqlite", 9)])
def test_two_processes_share_a_study(tmp_path, log, monkeypatch, kind, budget):
    monkeypatch.setenv("TOY_SECONDS", "0.2")  # Long enough that both get to the storage.
    place = {"journal": tmp_path / "s.journal", "sqlite": f"sqlite:///{tmp_path}/s.db"}[kind]
    both = [start(place, budget), start(place, budget)]
    assert [process.wait(60) for process in both] == [0, 0]
    study = Study(toys.slow_task, method="climber", storage=place)
    assert len(study.queries) == budget
    assert len({r.architecture for r in study.queries}) == budget
    counts = Counter(log.read_text().splitlines())
    assert counts.total() == budget
    runs = {
        name
        for trial in study.optuna.trials
        for name, value in trial.user_attrs.items()
        if name.startswith("optiproxy:owner:") and value is not None
    }
    assert len(runs) == 2


@pytest.mark.slow
def test_one_of_two_is_killed_and_the_other_takes_over(tmp_path, log, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.2")
    place = tmp_path / "s.journal"
    killed, other = start(place, 12), start(place, 12)
    wait_for_lines(log, 4, killed)
    killed.kill()
    assert other.wait(60) == 0
    study = Study(toys.slow_task, method="climber", storage=place)
    assert len(study.queries) == 12
    assert trials(place, optuna.trial.TrialState.RUNNING) == []


def test_a_running_query_goes_before_a_waiting_duplicate(tmp_path, monkeypatch):
    """Whichever was proposed first: what runs elsewhere must not be evaluated here as well."""
    place = tmp_path / "s.journal"
    evaluated = []
    task = toys.task(lambda arch: evaluated.append(arch) or {"val": 1.0})
    arch = next(toys.SPACE.enumerate())
    study = Study(task, method="climber", storage=place)
    for number in (1, 2):
        study._trials.propose([number], [arch], 0.0)
    elsewhere = Study(task, method="climber", storage=place)._trials
    elsewhere._lease = replace(elsewhere._lease, host="elsewhere")
    waiting, running = elsewhere.read()
    assert elsewhere.take(running)
    assert duplicates(elsewhere.read())[0][0].id == waiting.id

    def finish(seconds):
        elsewhere.finish(running, Evaluation({"val": 2.0}, 0.1), 0.1)

    monkeypatch.setattr(_runner.time, "sleep", finish)  # While this run waits for the other one.
    study.run(1)
    assert evaluated == []
    assert [(r.architecture, r.metrics) for r in study.queries] == [(arch, {"val": 2.0})]
    assert elsewhere.read()[0].id == running.id


def test_a_duplicate_that_comes_while_numbers_are_mended_is_not_evaluated(tmp_path, monkeypatch):
    """Another process proposes it just when this one gives clashing queries other numbers."""
    place = tmp_path / "s.journal"
    evaluated = []
    task = toys.task(lambda arch: evaluated.append(arch) or {"val": 1.0})
    first, second = itertools.islice(toys.SPACE.enumerate(), 2)
    study = Study(task, method="climber", storage=place)
    elsewhere = Study(task, method="climber", storage=place)._trials
    study._trials.propose([1], [first], 0.0)
    study.run(1)
    renumber = Trials.renumber

    def late(self, trials):
        if not proposed:
            proposed.append(second)
            elsewhere.propose([1], [first], 0.0)
        return renumber(self, trials)

    proposed = []
    study._trials.propose([1], [second], 0.0)
    monkeypatch.setattr(Trials, "renumber", late)
    study.run(3)
    assert evaluated[:2] == [first, second]
    assert len(set(evaluated)) == len(evaluated) == 3


def test_a_query_that_is_taken_keeps_its_place_whatever_another_process_read_before(tmp_path):
    """Its folder, for one, is named by that."""
    task = toys.task(toys.plain)
    here, elsewhere = (
        Study(task, method="climber", storage=tmp_path / "s.journal")._trials for _ in range(2)
    )
    first, second, third = itertools.islice(toys.SPACE.enumerate(), 3)
    here.propose([1], [first], 0.0)
    here.propose([1], [second], 0.0)
    early = here.read()
    elsewhere.propose([2], [third], 0.0)
    late = elsewhere.read()
    assert here.renumber(early)
    (taken,) = (trial for trial in here.read() if trial.architecture == second)
    assert here.take(taken)
    elsewhere.renumber(late)
    places = {trial.architecture: trial.number for trial in elsewhere.read()}
    assert places == {first: 1, second: taken.number, third: 2}
    assert elsewhere.renumber(elsewhere.read()) == (taken.number == 2)
    assert len({trial.number for trial in here.read()}) == 3


def test_ctrl_c_again_and_again_does_not_keep_workers_from_being_ended(tmp_path, monkeypatch):
    ended = []

    class Workers(InProcess):
        def close(self, *, kill):
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
            ended.append(kill)

    def stopped(arch):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(
        _session, "pool_of", lambda task, workers, interrupts: Workers(task, interrupts)
    )
    study = Study(toys.task(stopped), method="climber", storage=tmp_path / "s.journal")
    with pytest.raises(KeyboardInterrupt):
        study.run(3)
    assert ended == [True]


def test_of_two_searches_that_begin_at_once_under_one_name_one_is_refused(tmp_path):
    """The other one has made the study just now, and has yet to write which search it is."""
    place = tmp_path / "s.journal"
    other = Study(toys.task(), name="n", method="climber", seed=1, storage=tmp_path / "o.journal")
    made = optuna.create_study(storage=open_storage(place), study_name="n", direction="maximize")
    identity = other.optuna.user_attrs["optiproxy:study"]
    threading.Timer(0.3, lambda: made.set_user_attr("optiproxy:study", identity)).start()
    with pytest.raises(StudyError, match=r"is another search \(seed: 1 there, 0 here\)"):
        Study(toys.task(), name="n", method="climber", storage=place)


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A journal with three queries, for which there is so much room, until it gets more."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def more():
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def limited(room):
        place = tmp_path / "s.journal"
        Study(toys.task(), method="climber", storage=place).run(3)
        resource.setrlimit(resource.RLIMIT_FSIZE, (place.stat().st_size + room, hard))
        return place, more

    monkeypatch.setattr(patience, "_FULL", (errno.EFBIG,))  # As a file's limit says it.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield limited
    more()
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [1, 150, 400])
def test_a_full_disk_is_waited_for_and_what_was_measured_is_written(
    small_disk, monkeypatch, caplog, room
):
    place, more = small_disk(room)
    before = place.read_bytes()
    monkeypatch.setattr(patience.time, "sleep", lambda _: more())
    study = Study(toys.task(), method="climber", storage=place)
    study.run(9)
    assert "the disk is full" in caplog.text
    assert "it can be used again" in caplog.text
    assert course(study) == uninterrupted(9)
    lines = place.read_bytes().removeprefix(before).splitlines()
    assert sum(b'"op_code":4' in line for line in lines) == 6  # Each query is there once.


def test_ctrl_c_ends_a_wait_for_a_full_disk(small_disk, monkeypatch):
    place, more = small_disk(150)
    pressed = []

    def press(_):
        pressed.append(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(patience.time, "sleep", press)
    study = Study(toys.task(), method="climber", storage=place)
    with pytest.raises((StudyError, KeyboardInterrupt)):
        study.run(9)
    assert len(pressed) == 1
    more()
    study.run(9)
    assert course(study) == uninterrupted(9)


@pytest.mark.slow
def test_a_query_that_keeps_ending_its_process_is_told(tmp_path):
    place = tmp_path / "s.journal"
    script = SEARCH.replace("toys.slow_task", "toys.task(toys.deadly)")
    command = [sys.executable, "-c", script, str(place), "12", "1"]
    for earlier in range(4):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL
        assert ("was interrupted 3 times" in done.stderr) == (earlier == 3)
    study = Study(toys.task(toys.deadly), method="climber", storage=place)
    study.run(12, workers=2)
    assert len(study.queries) == 12
    assert study.notes == []


def test_who_is_gone_and_who_is_not(monkeypatch):
    mine = Lease.of_this_process("run")
    assert mine.here
    assert not mine.gone
    ended = subprocess.Popen(["true"])
    zombie = replace(mine, pid=ended.pid, started=_process(ended.pid)[1])
    time.sleep(0.2)
    assert zombie.gone
    ended.wait()
    assert zombie.gone
    cloned = replace(mine, boot="another")  # A machine that is called alike, or this one earlier.
    assert not cloned.gone
    assert replace(cloned, lease=time.time() - 601).gone
    assert replace(mine, started="1").gone  # The number was used again.
    elsewhere = replace(mine, host="elsewhere", pid=ended.pid)
    assert not elsewhere.gone
    assert replace(elsewhere, lease=time.time() - 601).gone
    untold = replace(mine, started="")  # Where no system tells when a process began.
    assert not untold.gone
    assert replace(untold, lease=time.time() - 601).gone
    assert Lease.read({"pid": 1}) is None
    assert Lease.read(mine.to_json()) == mine


@pytest.mark.parametrize("minutes", [-5, 0, 60 * 24], ids=["behind", "right", "a day ahead"])
def test_a_process_on_a_machine_with_another_clock_is_gone_when_it_renews_no_more(
    monkeypatch, minutes
):
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now)
    mine = Lease.of_this_process("run")
    elsewhere = replace(mine, host="elsewhere", lease=mine.lease + 60 * minutes)
    assert not elsewhere.gone
    now += 119
    assert not elsewhere.gone
    renewed = replace(elsewhere, lease=elsewhere.lease + 30)
    assert not renewed.gone
    now += 2
    assert elsewhere.gone
    assert not renewed.gone


@pytest.mark.slow
def test_a_killed_holder_of_the_lock_is_not_waited_for(tmp_path):
    place = str(tmp_path / "s.journal")
    script = (
        "import os, sys; from optiproxy.study._storage.lock import OwnedLock; "
        "OwnedLock(sys.argv[1]).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, place])
    assert os.path.lexists(place + ".lock")
    began = time.monotonic()
    OwnedLock(place).acquire()
    assert time.monotonic() - began < 1
    # A live holder is: it stays, however often somebody else looks.
    held = os.readlink(place + ".lock")
    second = OwnedLock(place)
    second._take_away()
    assert os.readlink(place + ".lock") == held
    waiting = ThreadPoolExecutor().submit(second.acquire)
    time.sleep(0.2)
    assert not waiting.done()
    OwnedLock(place).release()
    assert waiting.result(5)
    second.release()
    assert os.listdir(tmp_path) == []


def test_a_lock_taken_over_by_another_is_given_back(tmp_path, monkeypatch):
    """Between looking at a dead holder's lock and removing it, somebody else got it."""
    place = str(tmp_path / "s.journal")
    os.symlink("a live one's", place + ".lock")
    lock = OwnedLock(place)
    monkeypatch.setattr(lock, "_read", lambda: "a dead one's")
    monkeypatch.setattr(lock, "_abandoned", lambda text: True)
    lock._take_away()
    assert os.readlink(place + ".lock") == "a live one's"
    assert os.listdir(tmp_path) == ["s.journal.lock"]


def test_a_lock_of_optuna_s_own_is_taken_over_after_its_time(tmp_path):
    place = str(tmp_path / "s.journal")
    os.symlink(place, place + ".lock")
    lock = OwnedLock(place)
    lock._take_away()
    assert os.path.lexists(place + ".lock")
    os.utime(place + ".lock", (time.time() - 31,) * 2, follow_symlinks=False)
    lock._take_away()
    assert not os.path.lexists(place + ".lock")


def test_ctrl_c_while_the_lock_is_given_back_is_no_other_error(tmp_path, monkeypatch):
    lock = OwnedLock(str(tmp_path / "s.journal"))
    lock.acquire()
    unlink = os.unlink

    def interrupted(path):
        unlink(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lock.release()
    assert os.listdir(tmp_path) == []
    with pytest.raises(RuntimeError, match="is gone"):
        lock.release()


def test_half_a_line_does_not_spoil_what_another_process_writes(tmp_path):
    """Left by one that was killed in the middle of a write, while this one has the file open."""
    place = tmp_path / "s.journal"
    study = Study(toys.task(), method="climber", storage=place)
    study.run(3)
    with place.open("ab") as file:
        file.write(b'{"op_code":4,"study')
    study.run(6)
    assert course(Study(toys.task(), method="climber", storage=place)) == uninterrupted(6)


def test_a_first_line_of_a_few_bytes_is_no_other_file(tmp_path):
    place = tmp_path / "s.journal"
    place.write_bytes(b'{"op')
    study = Study(toys.task(), method="climber", storage=place)
    study.run(3)
    assert course(study) == uninterrupted(3)


def test_a_query_waits_for_the_disk_three_times(tmp_path, monkeypatch):
    """When it is proposed, when it is taken, and when its result is written."""
    study = Study(toys.task(), method="climber", storage=tmp_path / "s.journal")
    study.run(3)
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    study.run(12)
    assert len(synced) <= 9 * 3 + 1  # And the budget.


def test_a_result_that_comes_too_late_leaves_the_journal_as_it_is(tmp_path):
    """Its entries are written at once; none of them counts, and what follows does."""
    place = tmp_path / "s.journal"
    mine = Study(toys.task(), method="climber", storage=place)._trials
    other = Study(toys.task(), method="climber", storage=place)._trials
    mine.propose([1, 2], list(itertools.islice(toys.SPACE.enumerate(), 2)), 0.0)
    first, second = mine.read()
    assert mine.take(first)
    other.interrupt(first, "taken for dead")
    assert mine.finish(first, Evaluation({"val": 2.0, "test": 1.0}, 0.1), 0.1) is None
    assert mine.take(second)
    assert mine.finish(second, Evaluation({"val": 3.0}, 0.1), 0.1).metrics == {"val": 3.0}
    assert [r.metrics for r in Study(toys.task(), method="climber", storage=place).queries] == [
        {"val": 3.0}
    ]


def test_a_write_that_fails_leaves_whole_lines(tmp_path, monkeypatch):
    place = tmp_path / "s.journal"
    study = Study(toys.task(), method="climber", storage=place)
    study.run(3)
    whole = place.read_bytes()

    def full(descriptor):
        os.ftruncate(descriptor, len(whole) + 10)  # What fitted on the disk.
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        patched.setattr(patience, "PATIENCE", 0.0)
        with pytest.raises(StudyError, match="No space left"):
            study.run(6)
    assert place.read_bytes() == whole
    study.run(6)
    assert course(study) == uninterrupted(6)


def test_ctrl_c_ends_the_waits_of_its_own_study_alone(tmp_path, monkeypatch):
    """As in a notebook, where another study runs in a thread."""
    one, other = (
        Study(toys.task(), method="climber", storage=tmp_path / f"{name}.journal")
        for name in ("one", "other")
    )
    synced = []

    def full_at_first(descriptor):
        synced.append(descriptor)
        if len(synced) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_at_first)
    monkeypatch.setattr(patience, "_PAUSE", 0.0)
    one._trials.hurry(True)
    with pytest.raises(StudyError, match="No space left"):
        one.run(1)
    one._trials.hurry(True)
    synced.clear()
    other.run(2)
    assert len(other.queries) == 2


def test_a_stored_study_is_read_without_writing(tmp_path):
    """A colleague's study, on a disk that is not ours to write to."""
    place = tmp_path / "s.journal"
    Study(toys.task(), method="climber", storage=place).run(3)
    whole = place.read_bytes()
    study = Study(toys.task(), method="climber", storage=place)
    assert len(study.queries) == 3
    assert study.best is not None
    assert place.read_bytes() == whole


def test_a_lock_that_cant_be_made_names_its_file(tmp_path):
    place = tmp_path / "nowhere" / "s.journal"
    with pytest.raises(FileNotFoundError, match=f"directory: '{re.escape(str(place))}.lock'$"):
        OwnedLock(str(place)).acquire()
