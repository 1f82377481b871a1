"""Cheap and exact metrics, relative limits and the note on broken ones, in a study."""

from __future__ import annotations

import optuna
import pytest
import study_toys as toys
import torch

import optiproxy as op
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.methods import METHODS
from optiproxy.study import Study


def cost(arch: op.Architecture) -> float:
    return float(arch["depth"] * arch["width"])


def study(evaluate=toys.score, *, limit="ms<=30", measured=cost, kind="cheap", **options):
    metric = op.Metric("ms", measured, **{kind: True})
    return Study(
        "s", toys.SPACE, evaluate, objectives="val=max", constraints=limit, metrics=[metric],
        **{"method": "climber", **options},
    )  # fmt: skip


def course(found: Study) -> list[object]:
    return [(r.query, r.architecture, r.metrics) for r in (*found.queries, *found.dropped)]


def test_what_breaks_a_limit_is_measured_and_not_trained(tmp_path):
    trained = []
    place = tmp_path / "s.journal"
    heard = []
    found = study(lambda arch: trained.append(arch) or toys.score(arch), storage=place)
    found.run(12, callback=heard.append)
    assert len(found.queries) == len(trained) == 12
    assert [r.query for r in found.queries] == [r.query for r in heard] == list(range(1, 13))
    assert all(r.feasible and r.metrics["ms"] <= 30 for r in found.queries)
    assert found.dropped
    for record in found.dropped:
        assert record.metrics == {"ms": cost(record.architecture)}
        assert record.metrics["ms"] > 30
        assert not record.feasible
        assert record.reason == f"ms is {record.metrics['ms']:g}, not ms <= 30"
    pruned = [t for t in found.optuna.trials if t.state is optuna.trial.TrialState.PRUNED]
    assert len(pruned) == len(found.dropped)
    assert course(study(storage=place)) == course(found)


def test_a_dropped_one_stays_dropped_after_an_interruption(tmp_path):
    whole = study(lambda arch: toys.score(arch))
    whole.run(12)

    left = [7]

    def stopped(arch):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return toys.score(arch)

    place = tmp_path / "s.journal"
    with pytest.raises(KeyboardInterrupt):
        study(stopped, storage=place).run(12)
    again = study(lambda arch: toys.score(arch), storage=place)
    again.run(12)
    assert course(again) == course(whole)


def test_the_cheap_budget_ends_a_search_that_finds_nothing():
    found = study(limit="ms<=1")
    found.run(5, cheap_budget=20)
    assert not found.queries
    assert len(found.dropped) == 20  # also where the method asks for three at once
    (note,) = [note for note in found.notes if "cheap budget" in note]
    assert "20 architectures were measured, and 20 of them broke a limit" in note
    assert found.random_queries == 0
    with pytest.raises(InvalidValueError, match="cheap_budget: got 4"):
        found.run(5, cheap_budget=4)


def test_the_cheap_budget_is_ten_times_the_budget_or_what_the_study_was_given():
    found = study(limit="ms<=1")
    found.run(1)
    assert len(found.dropped) == 10
    assert found.cheap_budget is None
    found.run(1, cheap_budget=12)
    assert len(found.dropped) == 12
    found.run(2)
    assert len(found.dropped) == found.cheap_budget == 12
    with pytest.raises(InvalidValueError, match="cheap_budget: got 12"):
        found.run(13)


def test_a_search_that_stops_at_the_cheap_budget_is_resumed_as_it_was(tmp_path):
    whole = study(lambda arch: toys.score(arch), limit="ms<=20")
    whole.run(9, cheap_budget=11)
    assert 0 < len(whole.queries) < 9
    assert len(whole.queries) + len(whole.dropped) == 11
    place = tmp_path / "s.journal"
    left = [3]

    def stopped(arch):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return toys.score(arch)

    with pytest.raises(KeyboardInterrupt):
        study(stopped, limit="ms<=20", storage=place).run(9, cheap_budget=11)
    again = study(lambda arch: toys.score(arch), limit="ms<=20", storage=place)
    again.run(9)
    assert course(again) == course(whole)
    assert again.notes == whole.notes


@pytest.mark.parametrize("limit", [None, "val>=0.5"])
def test_a_cheap_budget_without_a_limit_to_measure_is_refused(limit):
    with pytest.raises(InvalidValueError, match="leave it out"):
        study(limit=limit).run(5, cheap_budget=20)


def test_short_trainings_leave_measurements_for_the_full_ones():
    def evaluate(arch, epochs):
        return {"val": toys.score(arch) * epochs / 10}

    metric = op.Metric("ms", cost, cheap=True)
    task = op.Task("t", toys.SPACE, evaluate, objectives="val=max", constraints="ms<=64",
                   metrics=[metric], fidelities=(1, 10))  # fmt: skip
    found = Study(task.replaced(low_fidelity=1), method="climber")
    found.run(5, cheap_budget=12)
    assert found.dropped
    full = [r for r in found.queries if r.epochs is None]
    assert found.best is not None
    assert full
    known = {r.architecture for r in (*found.queries, *found.dropped)}
    assert len(known) <= 12


def test_a_failed_measurement_is_a_failed_query():
    def broken(arch):
        if arch["norm"] == "batch":
            raise op.EvaluationFailed("no such device")
        return float("nan") if arch["norm"] is None else cost(arch)

    found = study(measured=broken, limit=None)
    found.run(15)
    reasons = {r.reason for r in found.queries}
    assert reasons == {"", "no such device", "ms is nan"}


class Told(float):
    """A number that says how it was measured, as `hardware.Measurement` does."""

    def to_json(self) -> dict[str, object]:
        return {"device": "abacus", "repeats": int(self)}


def test_how_a_cheap_metric_was_measured_is_kept(tmp_path):
    found = study(measured=lambda arch: Told(cost(arch)), storage=tmp_path / "s.journal")
    found.run(4)
    assert found.dropped
    for record in (*found.queries, *found.dropped):
        repeats = int(cost(record.architecture))
        assert record.measured == {"ms": {"device": "abacus", "repeats": repeats}}


def test_an_exact_metric_is_not_returned_and_filters():
    found = study(kind="exact")
    found.run(12)
    assert not found.dropped
    assert all(r.metrics["ms"] == cost(r.architecture) <= 30 for r in found.queries)


def test_a_bare_number_is_the_one_objective_that_is_left():
    study = Study(
        "s", toys.SPACE, lambda arch: toys.score(arch), method="random",
        objectives={"val": "max", "cost": "min"}, metrics=[op.Metric("cost", cost, exact=True)],
    )  # fmt: skip
    study.run(3)
    for record in study.queries:
        arch = record.architecture
        assert record.metrics == {"val": toys.score(arch), "cost": cost(arch)}


def test_a_latency_needs_no_function_of_its_own():
    def build(arch):
        return torch.nn.Linear(4, arch["width"])

    options = {"objectives": {"val": "max"}, "constraints": {"latency_ms": "<= 0"}}
    named = op.Metric("latency_ms", cheap=True)
    task = op.Task("t", toys.SPACE, toys.score, build=build, metrics=[named],
                   example_input=lambda: torch.zeros(1, 4), **options)  # fmt: skip
    answer = task.query(toys.SPACE.sample(1)[0])
    assert answer.dropped.startswith("latency_ms is ")
    assert answer.metrics["latency_ms"] > 0
    with pytest.raises(InvalidValueError, match=r"builds no network|what its networks read"):
        op.Task("t", toys.SPACE, toys.score, metrics=[named], **options)
    with pytest.raises(InvalidValueError, match="'energy': function: got None; give one"):
        op.Task("t", toys.SPACE, toys.score, build=build, objectives="val=max",
                metrics=[op.Metric("energy", cheap=True)])  # fmt: skip


def test_a_share_is_resolved_once_and_kept(tmp_path):
    place = tmp_path / "s.journal"
    drift = [1.0]

    def measured(arch):
        return drift[0] * cost(arch)

    first = study(measured=measured, limit="ms<=50%", storage=place)
    assert [c.bound for c in first.task.constraints] == [64.0]  # half of 4 x 32
    first.run(3)
    drift[0] = 1.01  # a measurement never gives the same number twice
    again = study(measured=measured, limit="ms<=50%", storage=place)
    assert again.task.constraints == first.task.constraints
    with pytest.raises(StudyError, match="another search"):
        study(measured=measured, limit="ms<=40%", storage=place)


def test_a_share_of_what_only_training_tells_is_no_limit():
    with pytest.raises(InvalidValueError, match="val in percent"):
        study(limit="val<=50%")


def test_broken_limits_are_told():
    def evaluate(arch):
        return {"val": toys.score(arch), "mb": cost(arch)}

    found = Study("s", toys.SPACE, evaluate, objectives="val=max", constraints="mb<=5",
                  method="random")  # fmt: skip
    found.run(25)
    (note,) = found.notes
    assert "20 of the last 20 results break mb <= 5" in note
    assert "the nearest to it in the whole search is 16" in note
    assert "loosen the limit" in note


def test_a_method_that_knows_nothing_of_exact_metrics_trains_none_that_breaks_a_limit():
    class Plain(toys.Climber):
        uses_exact = False
        uses_distinct = False

        def __init__(self, space, objectives, *, constraints=None, seed=0):
            super().__init__(space, objectives, constraints=constraints, seed=seed)

    toys.PlainClimber = Plain
    METHODS.register("plain-climber", "study_toys:PlainClimber")
    heard = []
    found = study(kind="exact", method="plain-climber")
    found.run(8, callback=heard.append)
    assert found.dropped
    assert [r.query for r in heard] == [r.query for r in found.queries] == list(range(1, 9))
    assert all(r.feasible for r in found.queries)


def test_the_time_of_dropped_ones_counts():
    found = study(limit="ms<=0")
    found.run(3, cheap_budget=6)
    assert not found.queries
    assert found.seconds.optimizer == sum(r.optimizer_seconds for r in found.dropped) > 0
    assert found.seconds.oracle == sum(r.seconds for r in found.dropped) > 0


def test_an_exact_limit_that_nothing_meets_is_named():
    found = study(limit="ms<=0", kind="exact", method="random")
    found.run(3)
    assert found.queries == ()
    assert "no architecture within ms <= 0 was found (the nearest ms is 8)" in found.notes[0]
