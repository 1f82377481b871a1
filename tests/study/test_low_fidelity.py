"""Short trainings before full ones: the budget, what is told, and going on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from study_toys import SPACE, score

import optiproxy as op
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.study import Study
from optiproxy.study._budget import LOW_QUERIES, LOW_SHARE

METHODS = ("optiproxy", "climber", "random")


def evaluate(arch: op.Architecture, epochs: int, seed: int) -> dict[str, float]:
    """Short trainings are like full ones, on another scale and with noise."""
    value = arch["depth"] * 10 + arch["width"] / 4 + 5 * (arch["norm"] == "batch")
    noise = score(arch, epochs)
    return {"val": value + noise if epochs == 20 else value / 2 + 3 * noise, "test": value}


def task(low: int | None = 2, **options: object) -> op.Task:
    made = op.Task(
        "toy", SPACE, evaluate, objectives={"val": "max"}, reported=["test"],
        fidelities=(2, 5, 20), **options,
    )  # fmt: skip
    return made.replaced(low_fidelity=low)


def course(study: Study) -> list[tuple[object, ...]]:
    return [(r.query, r.architecture, r.epochs, r.metrics) for r in study.queries]


@pytest.mark.parametrize("method", ["random", "evolution", "optiproxy"])
def test_full_trainings_may_be_more_than_the_short_ones_before(method: str) -> None:
    """Half as long: of a budget of 8 few are short, and all of them are trained in full."""
    close = op.Task("toy", SPACE, lambda arch, epochs: evaluate(arch, epochs, 0),
                    objectives={"val": "max"}, fidelities=(16, 20))  # fmt: skip
    study = Study(close.replaced(low_fidelity=16), method=method)
    study.run(8)
    assert 7 < sum(r.cost for r in study.queries) <= 8
    assert not any("used up" in note for note in study.notes)
    full = [r.architecture for r in study.queries if r.epochs is None]
    assert len(full) == len(set(full))


@pytest.mark.slow
def test_how_many_are_drawn_before_the_method_has_learnt() -> None:
    study = Study(op.tasks.get("mnist1d-table").replaced(low_fidelity=2))
    study.run(34)  # Of so many short trainings the design is wider than the method's own.
    assert study.random_queries > 10
    guided = [record.query for record in study.queries if record.predicted is not None]
    assert study.random_queries == guided[0] - 1


def test_a_budget_of_one_is_a_full_training() -> None:
    study = Study(task(), method="random")
    study.run(1)
    assert [r.epochs for r in study.queries] == [None]
    assert study.best is not None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("low", [2, 5])
def test_the_budget_is_that_of_full_trainings(method: str, low: int) -> None:
    study = Study(task(low), method=method)
    study.run(8)
    short = [r for r in study.queries if r.epochs is not None]
    full = [r for r in study.queries if r.epochs is None]
    assert {r.epochs for r in short} == {low}
    assert {r.cost for r in short} == {low / 20}
    assert len(short) == int(LOW_SHARE * 8 / (low / 20) + 1e-9)
    assert len(full) == int(8 - sum(r.cost for r in short) + 1e-9)
    assert study.queries == (*short, *full)
    study.run(study.budget)
    assert study.budget == 8
    assert study.queries == (*short, *full)
    # What was trained for a short time may be trained in full, and the best is one of those.
    known = {r.architecture for r in short}
    assert all(r.architecture in known for r in full[:5])
    assert study.best is not None
    assert study.best.query in {r.query for r in full}
    best = max(r.metrics["val"] for r in full if r.metrics)
    assert study.best.metrics["val"] == best


def test_the_most_promising_are_trained_first_and_nothing_twice() -> None:
    study = Study(task(), method="random")
    study.run(8)
    short = [r for r in study.queries if r.epochs is not None]
    full = [r for r in study.queries if r.epochs is None]
    ranked = sorted(short, key=lambda r: -r.metrics["val"])
    assert [r.architecture for r in full] == [r.architecture for r in ranked[: len(full)]]
    asked = [(r.architecture, r.epochs) for r in study.queries]
    assert len(set(asked)) == len(asked)


def test_short_trainings_of_a_large_budget_are_bounded() -> None:
    space = op.spaces.Chain({f"c{i}": [0, 1, 2] for i in range(8)})
    many = op.Task(
        "many", space, lambda arch, epochs: float(sum(arch.values())), objectives={"val": "max"},
        fidelities=(1, 100),
    ).replaced(low_fidelity=1)  # fmt: skip
    study = Study(many, method="random")
    study.run(12)
    assert sum(r.epochs is not None for r in study.queries) == LOW_QUERIES


def test_where_all_had_a_short_training_the_rest_is_full_ones() -> None:
    space = op.spaces.Chain({"width": [1, 2, 3, 4]})
    small = op.Task(
        "small", space, lambda arch, epochs: float(arch["width"]), objectives={"val": "max"},
        fidelities=(1, 100),
    ).replaced(low_fidelity=1)  # fmt: skip
    study = Study(small, method="random")
    study.run(3)
    assert [r.epochs for r in study.queries] == [1, 1, 1, 1, None, None]
    assert study.best is not None
    assert study.best.architecture["width"] == 4
    study.run(20)
    assert len(study.queries) == 8
    assert "used up" in study.notes[0]


def test_the_reported_metric_of_a_short_training_is_not_told() -> None:
    study = Study(task(), method="climber")
    seen = []
    restore = study._optimizer.restore

    def watched(told, pending=(), *, low=()):
        seen.extend([*told, *low])
        restore(told, pending, low=low)

    study._optimizer.restore = watched  # type: ignore[method-assign]
    study.run(6)
    assert seen
    assert all(set(metrics) == {"val"} for _, metrics in seen)


@pytest.mark.parametrize(
    "method", ["random", "climber", pytest.param("optiproxy", marks=pytest.mark.slow)]
)
def test_stopped_anywhere_it_goes_on_as_if_it_had_not(tmp_path: Path, method: str) -> None:
    whole = Study(task(), method=method)
    whole.run(8)
    path = tmp_path / "runs.journal"

    class Stop(Exception):
        pass

    def stop_after(n: int):
        def callback(record: op.study.Record) -> None:
            if record.query == n:
                raise Stop

        return callback

    for n in (3, 20, 24, 26):
        with pytest.raises(Stop):
            Study(task(), method=method, storage=path).run(8, callback=stop_after(n))
    again = Study(task(), method=method, storage=path)
    again.run(8)
    assert course(again) == course(whole)


SCRIPT = """
import os, signal, sys
sys.path[:0] = {folders!r}
from test_low_fidelity import task
from optiproxy.study import Study

def callback(record):
    if record.query == {n}:
        os.kill(os.getpid(), signal.SIGKILL)

Study(task(), method="climber", storage={path!r}).run(8, callback=callback)
"""


@pytest.mark.slow
def test_killed_among_the_full_trainings_it_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.journal")
    here = str(Path(__file__).parent)
    script = SCRIPT.format(folders=[here], n=25, path=path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    again = Study(task(), method="climber", storage=path)
    assert len(again.queries) == 25
    again.run(8)
    whole = Study(task(), method="climber")
    whole.run(8)
    assert course(again) == course(whole)


def test_several_workers_keep_to_the_budget() -> None:
    study = Study(task(), method="climber")
    with ThreadPoolExecutor(3) as executor:
        study.run(8, executor=executor)
    assert sum(r.cost for r in study.queries) <= 8 + 1e-9
    assert len(study.queries) == 28
    asked = [(r.architecture, r.epochs) for r in study.queries]
    assert len(set(asked)) == len(asked)


def test_another_fidelity_is_another_search(tmp_path: Path) -> None:
    path = tmp_path / "runs.journal"
    Study(task(2), storage=path, method="random").run(1)
    with pytest.raises(StudyError, match="low_fidelity: 2 there, 5 here"):
        Study(task(5), storage=path, method="random")


@pytest.mark.parametrize("low", [20, 3, "2", True])
def test_a_fidelity_that_is_not_there_is_told(low: object) -> None:
    with pytest.raises(InvalidValueError, match="give one of 2, 5"):
        task(low)  # type: ignore[arg-type]


def test_a_task_of_one_fidelity_says_so() -> None:
    one = op.Task("one", SPACE, lambda arch: 1.0, objectives={"val": "max"})
    with pytest.raises(InvalidValueError, match="has one fidelity alone"):
        one.replaced(low_fidelity=2)


@pytest.mark.parametrize("fidelities", [(20, 2), (2, 2), (0, 2), (1.5, 2), ("a",)])
def test_bad_fidelities_are_told(fidelities: tuple[object, ...]) -> None:
    with pytest.raises(InvalidValueError, match="Task: fidelities: got"):
        op.Task("bad", SPACE, evaluate, objectives={"val": "max"}, fidelities=fidelities)  # type: ignore[arg-type]


def test_an_evaluator_without_epochs_is_told() -> None:
    with pytest.raises(InvalidValueError, match="must declare a keyword epochs"):
        op.Task("bad", SPACE, lambda arch: 1.0, objectives={"val": "max"}, fidelities=(2, 20))


def test_a_full_search_of_such_a_task_trains_in_full() -> None:
    study = Study(task(None), method="random")
    study.run(3)
    assert [r.epochs for r in study.queries] == [None] * 3
    assert study.queries[0].metrics == evaluate(study.queries[0].architecture, 20, 0)
