"""The numbers of queries: without gaps, and the same for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import optiproxy as op
from optiproxy.study import Study
from optiproxy.study._storage.stored_trial import NUMBER, PREFIX

SPACE = op.spaces.Chain({"width": list(range(8))})


def numbers(study):
    return {record.query: record.architecture["width"] for record in study.queries}


def test_a_number_stays_when_an_earlier_proposal_is_dropped_later(tmp_path):
    finished = threading.Event()
    seen, first = [], []

    def slow(arch):
        first.append(arch)
        if arch == first[0]:
            finished.wait(10)
            return 9.0
        return 1.0

    def hear(record):
        seen.append((record.query, record.architecture["width"]))
        finished.set()

    task = op.Task(
        "limited", SPACE, lambda arch: {"val": 1.0}, objectives="val=max", constraints="ms<=5",
        metrics=[op.Metric("ms", slow, cheap=True)],
    )  # fmt: skip
    study = Study(task, method="random", storage=tmp_path / "s.journal")
    with ThreadPoolExecutor(2) as executor:
        study.run(5, executor=executor, workers=2, callback=hear)
    assert len(study.dropped) == 1
    assert seen == list(numbers(study).items())
    assert list(numbers(study)) == [1, 2, 3, 4, 5]
    assert numbers(Study(task, method="random", storage=tmp_path / "s.journal")) == dict(seen)


def test_one_that_is_tried_again_keeps_its_number(tmp_path):
    broken = [True]

    def evaluate(arch):
        if broken[0] and arch["width"] % 2:
            raise ValueError("broken")
        return 1.0

    task = op.Task("retried", SPACE, evaluate, objectives="val=max")
    study = Study(task, method="random", storage=tmp_path / "s.journal")
    study.run(6, max_failures=0)
    before = numbers(study)
    broken[0] = False
    assert study.retry()
    assert set(numbers(study)) < set(before)  # Those that wait have theirs still.
    study.run(8)
    assert {n: w for n, w in numbers(study).items() if n <= 6} == before
    assert list(numbers(study)) == list(range(1, 9))


def test_two_processes_that_give_one_number_at_once(tmp_path, monkeypatch):
    task = op.Task("twice", SPACE, lambda arch: 1.0, objectives="val=max")
    monkeypatch.setattr("optiproxy.study._storage.trials.next_number", lambda trials: 1)
    study = Study(task, method="random", storage=tmp_path / "s.journal")
    study.run(2)
    monkeypatch.undo()
    stored = [trial.user_attrs[PREFIX + NUMBER] for trial in study.optuna.trials]
    assert stored == [1, 1]
    twice = numbers(study)
    assert list(twice) == [1, 2]
    study.run(4)
    assert list(numbers(study)) == [1, 2, 3, 4]
    assert dict(list(numbers(study).items())[:2]) == twice
