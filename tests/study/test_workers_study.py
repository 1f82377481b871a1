"""Searches whose evaluations die, hang, fail and run out of time."""

from __future__ import annotations

import errno
import subprocess
import sys
import time

import pytest
import worker_toys as toys

import optiproxy as op
from optiproxy.errors import EvaluatorMistake, InvalidValueError, StudyError
from optiproxy.study import Study
from optiproxy.study._storage.stored_trial import State
from optiproxy.study._workers import options


def task(evaluate=toys.evaluate, acts=("fine", "pid"), **arguments):
    space = op.spaces.Chain({"act": list(acts), "width": [1, 2, 3, 4]})
    return op.Task("acts", space, evaluate, objectives={"val": "max"}, **arguments)


def raising(error):
    def evaluate(arch):
        if arch["act"] == "raise":
            raise error
        return float(arch["width"])

    return evaluate


def kinds(study):
    return [record.kind for record in study.queries]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["memory", "journal"])
def test_healthy_evaluations_run_once_while_others_die(tmp_path, monkeypatch, storage):
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))

    def evaluate(arch):
        toys.log(f"{arch['act']} {arch['width']}")
        return toys.evaluate(arch)

    where = None if storage == "memory" else tmp_path / "s.journal"
    study = Study(task(evaluate, ("fine", "kill", "pid")), method="random", storage=where)
    study.run(12, workers=2)
    assert len(study.queries) == 12
    begun = log.read_text().splitlines()
    for record in study.queries:
        arch = record.architecture
        died = arch["act"] == "kill"
        assert record.kind == ("died" if died else "")
        assert begun.count(f"{arch['act']} {arch['width']}") == (2 if died else 1)


def test_a_search_stops_where_an_evaluator_s_disk_is_full_and_the_next_run_repeats_the_query():
    full, evaluated = [True], []

    def evaluate(arch):
        evaluated.append(arch)
        if len(evaluated) > 2 and full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return float(arch["width"])

    study = Study(task(evaluate), method="random")
    study.run(8)
    assert len(study.queries) == 2
    assert len(evaluated) == 3
    assert "stopped: the disk is full where query 3 was evaluated" in study.notes[-1]
    study.run(8)  # Its second death.
    assert kinds(study) == ["", "", "disk"]
    full.clear()
    study.run(8)
    assert kinds(study).count("disk") == 1
    assert len(study.queries) == 8


@pytest.mark.slow
def test_deaths_are_counted_in_the_storage(tmp_path):
    """One process saw the first death, another one fails the query at its second."""
    where = tmp_path / "s.journal"
    study = Study(task(acts=["kill"]), method="random", storage=where)
    study.run(1, workers=1, deaths=1)
    assert study.retry() == (1,)
    trials = study._trials
    (waiting,) = (t for t in trials.read() if t.state is State.WAITING)
    assert trials.take(waiting)
    trials.died(waiting, "seen elsewhere")
    trials.repair()
    again = Study(task(acts=["kill"]), method="random", storage=where)
    (waiting,) = (t for t in again._trials.read() if t.state is State.WAITING)
    assert again._trials.deaths(waiting) == 1  # Not those before it was retried.
    before = len(again.optuna.trials)
    again.run(1, workers=1)
    assert kinds(again) == ["died"]
    assert len(again.optuna.trials) == before


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["task", "run", "stored"])
def test_what_hangs_is_ended(tmp_path, limit):
    where = tmp_path / "s.journal"
    made = task(acts=["hang"], **({"time_limit": "1s"} if limit == "task" else {}))
    study = Study(made, method="random", storage=where)
    if limit == "stored":
        study.run(1, time_limit="1s")
        study.run(2)
    else:
        study.run(2, **({"time_limit": 1} if limit == "run" else {}))
    assert kinds(study) == ["time-limit", "time-limit"]
    assert all(record.reason == "time limit: it was ended after 1s" for record in study.queries)
    assert study.time_limit == (None if limit == "task" else 1.0)


@pytest.mark.slow
def test_the_worker_and_the_device_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(options, "chosen", lambda gpus: ["3", "5"])
    study = Study(task(acts=["fine"]), method="random", storage=tmp_path / "s.journal")
    study.run(4, gpus="auto")
    for record in study.queries:
        assert record.device == {0: "3", 1: "5"}[record.worker]
        assert record.metrics["gpu"] == float(record.device)
        assert record.metrics["worker"] == record.worker
        assert (record.plain()["worker"], record.plain()["device"]) == (
            record.worker,
            record.device,
        )


def test_a_search_whose_evaluator_is_broken_stops():
    def evaluate(arch):
        raise KeyError("lr")

    study = Study(task(evaluate), method="random")
    study.run(8)
    assert kinds(study) == ["KeyError"] * 5
    assert "KeyError: 'lr'" in study.queries[0].traceback


@pytest.mark.parametrize(
    ("error", "stops"),
    [(ValueError("no file"), True), (MemoryError(), True), (op.EvaluationFailed("bad"), False)],
)
def test_only_the_same_exception_of_all_first_queries_stops(error, stops):
    study = Study(task(raising(error), ["raise"]), method="random")
    study.run(4, max_failures=3)
    assert len(study.queries) == (3 if stops else 4)
    assert any("the first 3 queries all failed" in note for note in study.notes) == stops
    study.run(4, max_failures=0)
    assert len(study.queries) == 4


def test_failed_queries_are_evaluated_again():
    broken = [True]

    def evaluate(arch):
        if broken[0] and arch["width"] > 2:
            raise MemoryError
        if broken[0] and arch["width"] == 1:
            raise KeyError("lr")
        return float(arch["width"])

    study = Study(task(evaluate, ["fine"]), method="random")
    study.run(4)
    numbers = {record.architecture["width"]: record.query for record in study.queries}
    assert sorted(kinds(study)) == ["", "KeyError", "oom", "oom"]
    with pytest.raises(InvalidValueError, match="kind: got 'om'; did you mean 'oom'"):
        study.retry(kind="om")
    with pytest.raises(InvalidValueError, match="query: got 9; give one that failed"):
        study.retry(9)
    with pytest.raises(InvalidValueError, match="give one that failed"):
        study.retry(numbers[2])
    broken[0] = False
    assert study.retry(kind="oom") == tuple(sorted((numbers[3], numbers[4])))
    assert len(study.queries) == 2
    study.run(4)
    assert [r.architecture["width"] for r in study.queries if r.kind] == [1]
    assert study.retry(numbers[1]) == (numbers[1],)
    study.run(4)
    assert kinds(study) == [""] * 4
    assert {r.architecture["width"]: r.query for r in study.queries} == numbers
    assert study.retry() == ()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("device", RuntimeError("CUDA error: device-side assert")),
        ("mistake", EvaluatorMistake("report: value: got None; give the objective's value")),
    ],
)
def test_what_is_no_fault_of_an_architecture_is_not_learnt(kind, error):
    told = []

    class Watching(op.search.Optimizer):
        def restore(self, queries, pending=()):
            told.append((list(queries), list(pending)))
            super().restore(queries, pending)

        def _propose(self, n, rng):
            return self.random_new(n, rng)

    made = task(raising(error), ["raise"])
    study = Study(made, method="random")
    study._optimizer = Watching(made.space, {"val": "max"})
    study.run(4)
    assert kinds(study) == [kind] * 4
    assert kind == "device" or study.notes[0] == f"a mistake of the evaluator: {error}"
    queries, pending = told[-1]
    assert queries == []
    assert len(pending) >= 3


@pytest.mark.slow
def test_a_device_error_costs_the_process_and_the_query_is_tried_again(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))

    def evaluate(arch):
        import os

        toys.log(os.getpid())
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    study = Study(task(evaluate, ["fine"]), method="random")
    study.run(2, workers=1)
    assert kinds(study) == ["device", "device"]
    pids = log.read_text().splitlines()
    assert len(pids) == len(set(pids)) == 4


def test_a_search_of_some_hours_stops_when_nothing_more_fits():
    def evaluate(arch):
        time.sleep(0.3)
        return float(arch["width"])

    study = Study(task(evaluate), method="random")
    began = time.monotonic()
    study.run(8, hours=1.0 / 3600)
    assert 0.6 < time.monotonic() - began < 1.2
    assert 2 <= len(study.queries) <= 3
    assert study.notes[-1].startswith("stopped at the end of its time (0.000277778 hours)")
    study.run(8)
    assert len(study.queries) == 8


@pytest.mark.slow
def test_what_runs_at_the_end_of_the_time_is_repeated_by_the_next_run(tmp_path):
    study = Study(task(acts=["hang"]), method="random", storage=tmp_path / "s.journal")
    began = time.monotonic()
    study.run(2, workers=2, hours=4.0 / 3600)
    assert 3.5 < time.monotonic() - began < 9
    assert len(study.queries) == 0
    assert "2 evaluations were stopped, which the next run repeats" in study.notes[-1]
    again = Study(task(acts=["hang"]), method="random", storage=tmp_path / "s.journal")
    again.run(2, workers=2, time_limit=1)
    assert kinds(again) == ["time-limit", "time-limit"]
    assert len(again.optuna.trials) == 4


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf")])
def test_hours_that_are_none(hours):
    with pytest.raises(InvalidValueError, match="hours: got"):
        Study(task(), method="random").run(2, hours=hours)


@pytest.mark.slow
def test_a_task_that_can_t_be_sent_says_what_to_do():
    lock = __import__("threading").Lock()

    def evaluate(arch):
        with lock:
            return 1.0

    with pytest.raises(InvalidValueError, match="in_process=True, --in-process"):
        Study(task(evaluate), method="random").run(2, workers=1)


@pytest.mark.slow
def test_a_worker_that_can_t_make_the_task_ends_the_search(tmp_path):
    made = task()
    made.reference = op.tasks.Reference("nowhere:task", str(tmp_path))
    with pytest.raises(StudyError, match="a worker process can't make the task"):
        Study(made, method="random").run(2, workers=1)


@pytest.mark.slow
def test_a_worker_imports_neither_torch_nor_optuna():
    code = (
        "import sys, optiproxy.study._workers.worker; "
        "print(sorted({'torch', 'optuna', 'loky', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
