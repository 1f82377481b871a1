"""Other programs that ask a study for queries and tell their answers."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import study_toys as toys

import optiproxy as op
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.study import Study
from optiproxy.study._storage import trials as _trials
from optiproxy.study._storage.lease import Lease
from optiproxy.tasks import evaluation_seed, load

DEFINITION = """{
  "name": "edge", "objectives": {"val": "max"}, "constraints": {"cost": "<= 16"},
  "space": {"kind": "chain", "choices": {"depth": [1, 2, 3, 4], "width": [8, 16, 24, 32]}}
}"""


@pytest.fixture
def place(tmp_path):
    return tmp_path / "s.journal"


def opened(place, budget=12, method="random", task=None):
    study = Study(task or load(DEFINITION), name="edge", method=method, storage=place)
    study.begin(budget)
    return study


def answer(asked):
    return {"id": asked.id, "metrics": {"val": toys.score(asked.architecture), "cost": 8.0}}


def test_the_answers_are_the_queries_of_the_study(place):
    study = opened(place, 5)
    seen = []
    while not study.done:
        asked = study.ask(2)
        assert study.asked == tuple(asked)
        seen += asked
        assert study.tell([answer(a) for a in asked]) == [a.id for a in asked]
    assert [r.architecture for r in study.queries] == [a.architecture for a in seen]
    assert len(seen) == 5
    assert study.best.metrics["val"] == max(toys.score(a.architecture) for a in seen)
    assert seen[0].seed == evaluation_seed(0, seen[0].architecture)
    assert study.ask(3) == []
    assert Study.load("edge", place).best == study.best


def test_a_search_by_asking_is_the_search_of_a_run(place):
    """Whoever evaluates: the history decides what is proposed."""
    by_run = Study(toys.task(), method="climber")
    by_run.run(9)
    study = Study(toys.task(), method="climber", storage=place)
    study.begin(9)
    while not study.done:
        (asked,) = study.ask()
        study.tell({"id": asked.id, "metrics": toys.plain(asked.architecture, asked.seed)})
    assert [q.architecture for q in study.queries] == [q.architecture for q in by_run.queries]
    assert [q.metrics for q in study.queries] == [q.metrics for q in by_run.queries]


def test_what_is_held_is_nobody_elses_until_its_lease_ends(place):
    study = opened(place, 3)
    first = study.ask(2)
    other = Study.load("edge", place)
    (third,) = other.ask(2)
    assert third.architecture not in {a.architecture for a in first}
    assert other.ask() == []
    assert not other.done
    study.renew([a.id for a in first], lease=0.01)
    time.sleep(0.02)
    again = other.ask(5)
    assert {a.architecture for a in again} == {a.architecture for a in first}
    assert {a.id for a in again}.isdisjoint(a.id for a in first)
    with pytest.raises(InvalidValueError, match=rf"id {first[0].id} is not open .* with id \d"):
        study.tell(answer(first[0]))
    study.tell([answer(a) for a in (*again, third)])
    assert len(study.queries) == 3
    assert study.done


def test_a_late_answer_counts_if_nobody_else_has_the_query(place):
    study = opened(place)
    (asked,) = study.ask(lease=0.01)
    time.sleep(0.02)
    study.tell(answer(asked))
    assert len(study.queries) == 1


def test_a_lease_is_renewed_or_given_back(place):
    study = opened(place, 2)
    kept, given = study.ask(2, lease=0.2)
    (renewed,) = study.renew([kept.id], lease="5m")
    assert renewed.until > kept.until + 200
    study.release([given.id])
    time.sleep(0.25)
    (again,) = Study.load("edge", place).ask(2)
    assert again.architecture == given.architecture
    with pytest.raises(InvalidValueError, match="stopped while it ran"):
        study.renew([given.id])
    with pytest.raises(InvalidValueError, match=r"id: got 99; .*open: \["):
        study.release([99])


def test_answers_told_twice_are_refused(place):
    study = opened(place)
    asked = study.ask(3)
    study.tell(answer(asked[0]))
    said = rf"answer 2: id {asked[0].id} was answered already.*none of the answers was stored"
    with pytest.raises(InvalidValueError, match=said):
        study.tell([answer(asked[1]), answer(asked[0])])
    with pytest.raises(InvalidValueError, match=f"id {asked[1].id} is there twice"):
        study.tell([answer(asked[1]), answer(asked[1])])
    assert len(study.queries) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metrics": {"val": 1.0, "cost": 1.0}}, r"answer.0.id: is missing"),
        ({"id": 0}, "give metrics, or failed"),
        ({"id": 0, "metrics": 1.0, "failed": "oom"}, "give metrics, or failed"),
        ({"id": 0, "metrics": {"cost": 1.0}}, "^answer 1: id 0 has no 'val', only cost"),
        ({"id": 0, "metrics": {"val": "0.9", "cost": 1.0}}, "'0.9'"),
        ({"id": 0, "metric": {"val": 1.0}}, "answer.0.metric: there is no such field"),
        ("many", "answer.0: got 'many'"),
    ],
)
def test_an_answer_that_can_not_be_used(place, wrong, said):
    study = opened(place)
    study.ask()
    with pytest.raises(InvalidValueError, match=said):
        study.tell(wrong)
    assert study.queries == ()
    assert len(study.asked) == 1


def test_failures_have_their_kind(place):
    study = opened(place)
    a, b, c = study.ask(3)
    study.tell([
        {"id": a.id, "failed": "CUDA out of memory", "kind": "oom", "traceback": "in line 3"},
        {"id": b.id, "metrics": {"val": math.nan, "cost": 1.0}, "seconds": 2.5},
        {"id": c.id, "failed": "no convergence"},
    ])  # fmt: skip
    first, second, third = study.queries
    assert (first.kind, first.reason, first.traceback) == ("oom", "CUDA out of memory", "in line 3")
    assert (second.kind, second.seconds, second.traceback) == ("nan", 2.5, "")
    assert third.kind == "EvaluationFailed"
    assert study.retry(kind="oom") == (1,)
    (again,) = study.ask()
    assert again.architecture == a.architecture


def test_a_limit_that_is_known_drops_a_query_before_it_is_asked(place):
    def width(arch):
        return float(arch["width"])

    metric = op.Metric("width", width, cheap=True)
    task = toys.task(constraints={"width": "<= 16"}, metrics=[metric])
    study = opened(place, 6, task=task)
    while asked := study.ask(2):
        assert all(a.architecture["width"] <= 16 for a in asked)
        study.tell([{"id": a.id, "metrics": {"val": 1.0, "test": 1.0}} for a in asked])
    assert len(study.queries) == 6
    assert len(study.dropped) > 0
    assert all(r.metrics["width"] == r.architecture["width"] for r in study.queries)


def test_programs_and_a_run_share_a_study(place):
    study = Study(toys.task(), method="random", storage=place, name="edge")
    study.begin(6)
    asked = study.ask(2)
    runner = Study(toys.task(), method="random", storage=place, name="edge")
    thread = threading.Thread(target=runner.run, args=(6,))
    thread.start()
    while len(study.queries) < 4:
        time.sleep(0.01)
    study.tell([{"id": a.id, "metrics": {"val": 1.0, "test": 0.0}} for a in asked])
    thread.join(20)
    assert not thread.is_alive()
    assert len({r.architecture for r in study.queries}) == len(study.queries) == 6


def test_a_query_of_a_run_can_not_be_told(place):
    def evaluate(arch):
        with pytest.raises(InvalidValueError, match=r"id 0 is no query of a program: process \d+"):
            Study.tell(study, {"id": 0, "metrics": {"val": 1.0, "test": 1.0}})
        return {"val": 1.0, "test": 1.0}

    study = Study(toys.task(evaluate), method="random", storage=place)
    study.run(1)
    assert study.queries[0].metrics is not None


@pytest.fixture(params=["journal", "sqlite"])
def shared(request, place):
    return place if request.param == "journal" else f"sqlite:///{place}.db"


@pytest.mark.slow
def test_any_number_of_callers_at_once(shared):
    """Each query is handed out once, and of several answers to it one is stored."""
    opened(shared, 40)

    def program(number):
        study, told = Study.load("edge", shared), 0
        while not study.done:
            for asked in study.ask(2):
                for _ in range(2):
                    try:
                        study.tell(answer(asked))
                        told += 1
                    except (InvalidValueError, StudyError):
                        continue
        return told

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(program, range(6)))
    study = Study.load("edge", shared)
    queries = study.queries
    assert sum(told) == len(queries) == len({r.architecture for r in queries}) == 16  # the space
    assert all(r.metrics["val"] == toys.score(r.architecture) for r in queries)


@pytest.mark.slow
def test_of_answers_told_at_the_same_time_one_is_stored_whole(shared):
    opened(shared, 8)
    studies = [Study.load("edge", shared) for _ in range(4)]
    for _ in range(6):
        (asked,) = studies[0].ask()
        barrier, won = threading.Barrier(4), []

        def tell(number, asked=asked, barrier=barrier, won=won):
            value = float(number)
            barrier.wait()
            try:
                studies[number].tell({"id": asked.id, "metrics": {"val": value, "cost": value}})
                won.append(value)
            except (InvalidValueError, StudyError):
                pass

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(tell, range(4)))
        (value,) = won
        assert studies[0].queries[-1].metrics == {"val": value, "cost": value}


def test_what_waits_beyond_the_budget_does_not_keep_it_open(place):
    """Two programs that ask at once may both propose the last query."""
    study = opened(place, 2)
    study.tell([answer(asked) for asked in study.ask(2)])
    assert study.done
    beyond = [a for a in study.task.space.enumerate() if a not in
              {record.architecture for record in study.queries}]  # fmt: skip
    study._trials.propose([3], beyond[:1], 0.0)
    assert study.done
    study.begin(3)
    assert not study.done
    assert [asked.architecture for asked in study.ask(5)] == beyond[:1]


def test_a_query_that_is_handed_over_just_then_is_not_interrupted(place, monkeypatch):
    study = opened(place)
    giver, looker = study._trials, Study.load("edge", place)._trials
    giver.begin("giver")
    giver.propose([1], study.task.space.sample(1), 0.0)
    (trial,) = giver.read()
    assert giver.take(trial)

    class Active:
        """Read after the leases: by then the giver has handed the query over and ended."""

        def __iter__(self):
            giver.hand_over(trial, Lease.until(time.time() + 60, "program"))
            return iter(())

    monkeypatch.setattr(_trials, "ACTIVE", Active())
    (seen,) = looker.repair()
    assert seen.state.value == "running"
    assert [asked.id for asked in study.asked] == [trial.id]


def test_a_study_in_memory_is_asked_too():
    study = Study(load(DEFINITION), method="optiproxy")
    study.begin(3)
    while not study.done:
        study.tell([answer(asked) for asked in study.ask(2)])
    assert len(study.queries) == 3


def test_a_task_without_an_evaluator_can_not_be_run(place):
    study = opened(place)
    with pytest.raises(InvalidValueError, match=r"no evaluator: other programs answer"):
        study.run(3)
    with pytest.raises(StudyError, match="no budget yet"):
        Study(load(DEFINITION), name="other", storage=place).ask()
