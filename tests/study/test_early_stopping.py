"""Trainings that report their curves: the ones that are behind are stopped, and cost their part."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest

import optiproxy as op
from optiproxy.cli._progress import SearchProgress
from optiproxy.search import Optimizer
from optiproxy.study import Study
from optiproxy.study._curve_prediction import FINISHED
from optiproxy.tasks._early_stopping import Curve, Stopped

SPACE = op.spaces.Chain({"width": list(range(12)), "depth": list(range(8))})
EPOCHS = 8


def evaluate(arch: op.Architecture, report) -> float:
    """The wider, the better, from the first epoch on."""
    for epoch in range(1, EPOCHS + 1):
        report(epoch, arch["width"] * epoch / EPOCHS)
    return float(arch["width"])


def task(**options: object) -> op.Task:
    return op.Task("curves", SPACE, evaluate, objectives={"val": "max"}, **options)


def course(study: Study) -> list[tuple[object, ...]]:
    return [(r.architecture, r.metrics, r.reason, r.cost) for r in study.queries]


def test_a_training_behind_the_median_is_stopped_and_costs_its_part() -> None:
    study = Study(task(), method="random")
    study.run(12)
    finished: list[int] = []
    for record in study.queries:
        width = record.architecture["width"]
        if len(finished) >= FINISHED and width < statistics.median(finished):
            assert record.metrics is None
            assert record.reason.startswith("stopped after epoch 1: ")
            assert record.cost == 1 / EPOCHS
        else:
            assert record.metrics == {"val": width}
            assert record.cost == 1.0
            finished.append(width)
    assert len(study.queries) > 12  # What was saved is spent on others.
    assert 11 < sum(r.cost for r in study.queries) <= 12
    assert study.best is not None


def test_a_finished_search_of_stopped_trainings_keeps_its_budget() -> None:
    study = Study(task(), method="random")
    for _ in range(3):
        study.run(12)
        assert study.budget == 12
        assert 11 < study.spent <= 12
        assert study.done
    study.run(3)  # What was spent can't be taken back.
    assert study.budget == 12


def test_what_breaks_a_limit_sets_no_pace_for_what_keeps_it() -> None:
    def narrow(arch: op.Architecture, report) -> dict[str, float]:
        return {"val": evaluate(arch, report), "cost": float(arch["width"])}

    for seed in range(4):
        limited = op.Task("narrow", SPACE, narrow, objectives="val=max", constraints="cost<=2")
        study = Study(limited, method="random", seed=seed)
        study.run(25)
        assert study.best is not None
        assert study.best.metrics["val"] == 2
        # A training is stopped behind those alone that keep the limit.
        assert all(r.architecture["width"] < 2 for r in study.queries if r.metrics is None)


def test_with_several_objectives_none_is_behind() -> None:
    def both(arch: op.Architecture, report) -> dict[str, float]:
        return {"val": evaluate(arch, report), "cost": float(arch["width"])}

    objectives = {"val": "max", "cost": "min"}
    study = Study(op.Task("both", SPACE, both, objectives=objectives), method="random")
    study.run(20)
    assert all(r.metrics is not None for r in study.queries)


def test_a_stopped_training_is_no_failure() -> None:
    study = Study(task(), method="random")
    for budget in range(8, 20):  # In some of these sessions all are stopped.
        study.run(budget)
        assert study.notes == []


def test_less_is_better_where_the_objective_says_so() -> None:
    medians = {1: 2.0, 2: 1.0, 4: 0.5}
    loss = Curve(medians, sign=-1.0)
    loss(1, 1.9)
    loss(2, 1.0)
    slow = Curve(medians, sign=-1.0)
    slow(1, 1.5)
    with pytest.raises(Stopped, match=r"after epoch 2: 1\.5 is behind 1,"):
        slow(2, 3.0)


def test_a_training_is_compared_at_three_epochs_alone() -> None:
    curve = Curve(dict.fromkeys(range(1, 101), 1.0), sign=1.0)
    for epoch in range(1, 101):
        if epoch in (10, 25, 50):
            with pytest.raises(Stopped):
                curve(epoch, 0.0)
        else:
            curve(epoch, 0.0)
    few = Curve({3: 1.0, 9: 1.0, 20: 1.0}, sign=1.0)  # At the next that are reported.
    few(2, 0.0)
    for epoch in (3, 9):
        with pytest.raises(Stopped):
            few(epoch, 0.0)
    few(20, 0.0)  # Nothing is spared at the end, where the answer is known.


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[op.Architecture, object]:
    """What the method was told last, by architecture."""
    last: dict[op.Architecture, object] = {}
    restore = Optimizer.restore

    def recording(self, told, pending=(), **options) -> None:
        told = list(told)
        last.clear()
        last.update(told)
        restore(self, told, pending, **options)

    monkeypatch.setattr(Optimizer, "restore", recording)
    return last


def test_a_method_learns_where_a_stopped_training_would_have_ended(
    told: dict[op.Architecture, dict[str, float] | None],
) -> None:
    """At the place among the finished ones that it had when it was stopped."""

    def accelerating(arch: op.Architecture, report) -> dict[str, float]:
        width = arch["width"]
        for epoch in range(1, EPOCHS + 1):
            report(epoch, width * epoch / EPOCHS)
        return {"val": width**2, "test": -1.0}

    for limits in ({}, {"narrowness": ">= 3"}):
        limited = op.Task(
            "limited",
            SPACE,
            accelerating,
            objectives={"val": "max"},
            constraints=limits,
            reported=["test"],
            metrics=[op.Metric("narrowness", lambda arch: 12.0 - arch["width"], exact=True)],
        )
        study = Study(limited, method="random")
        study.run(15)
        stopped = [r for r in study.queries if r.stopped and r.architecture in told]
        assert stopped
        ends = [r.metrics["val"] for r in study.queries if r.metrics is not None]
        for record in stopped:
            metrics, width = told[record.architecture], record.architecture["width"]
            assert metrics is not None
            assert set(metrics) == {"val", "narrowness"}
            low, high = min(ends), max(ends)
            assert metrics["val"] == pytest.approx(np.clip(width**2, low, high), abs=9.0)


def test_what_a_stopped_training_lacks_makes_it_a_failure_to_the_method(
    told: dict[op.Architecture, dict[str, float] | None],
) -> None:
    def size_after_training(arch: op.Architecture, report) -> dict[str, float]:
        return {"val": evaluate(arch, report), "size": 1.0}

    study = Study(
        op.Task("size", SPACE, size_after_training, objectives="val=max", constraints="size<=2"),
        method="random",
    )
    study.run(15)
    stopped = [r for r in study.queries if r.stopped and r.architecture in told]
    assert stopped
    assert all(told[r.architecture] is None for r in stopped)


def test_epochs_of_numpy_are_kept(tmp_path: Path) -> None:
    def train(arch: op.Architecture, report) -> float:
        for epoch in np.arange(1, 3):
            report(epoch, np.float32(0.5))
        return 1.0

    given = op.Task("numpy", SPACE, train, objectives={"val": "max"})
    study = Study(given, method="random", storage=tmp_path / "runs.journal")
    study.run(1)
    assert study.queries[0].metrics == {"val": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "optiproxy"])
def test_a_resumed_search_stops_the_same_ones(tmp_path: Path, method: str) -> None:
    whole = Study(task(), method=method)
    whole.run(15)
    path = tmp_path / "runs.journal"
    for budget in (3, 7, 11, 15):
        Study(task(), method=method, storage=path).run(budget)
    assert course(Study(task(), method=method, storage=path)) == course(whole)
    assert any(record.stopped for record in whole.queries)


@pytest.mark.slow
def test_worker_processes_get_the_medians() -> None:
    study = Study(task(), method="random")
    study.run(10, workers=2)
    stopped = [r for r in study.queries if r.reason.startswith("stopped after epoch")]
    assert stopped
    assert len(study.queries) > 10


def test_stopped_trainings_are_counted_apart_from_failures(tmp_path: Path) -> None:
    def sometimes(arch: op.Architecture, report) -> float:
        if arch["depth"] == 7:
            raise op.EvaluationFailed("too deep")
        return evaluate(arch, report)

    study = Study(
        op.Task("curves", SPACE, sometimes, objectives={"val": "max"}), method="random", seed=2
    )
    study.run(15)
    stopped = [r.query for r in study.queries if r.stopped]
    failed = [r.query for r in study.queries if r.reason == "too deep"]
    assert stopped
    assert failed
    entries = [record.plain() for record in study.queries]
    assert [e["query"] for e in entries if e.get("stopped")] == stopped
    assert [e["query"] for e in entries if "failed" in e] == sorted(stopped + failed)
    assert f"best val 11, {len(stopped)} stopped early, {len(failed)} failed" in (
        SearchProgress(study, 15)._text()
    )
    page = study.report(tmp_path / "report.html").read_text()
    assert f"<b>{len(stopped)}</b> <span>stopped early</span>" in page
    assert f"<b>{len(failed)}</b> <span>failed</span>" in page
    assert "failed: stopped" not in page
