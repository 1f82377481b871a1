"""The winner is confirmed: what may be the best is trained again with other seeds."""

from __future__ import annotations

import json
import statistics

import pytest
import study_toys as toys

import optiproxy as op
from optiproxy.cli._json_output import json_output
from optiproxy.cli._summary import summary
from optiproxy.errors import InvalidValueError
from optiproxy.study import Record, Study, _results


def noisy(arch, seed):
    """A large part of the value changes with the seed."""
    quality = arch["depth"] + arch["width"] / 8
    return {"val": quality + 2 * toys.score(arch, seed), "test": toys.score(arch, seed + 1)}


def evaluations(study):
    return [result["val"] for q in study.queries for result in q.results or (q.metrics,)]


def test_the_last_evaluations_of_the_budget_repeat_what_may_be_the_best():
    seen = []
    study = Study(toys.task(noisy), method="random", seed=2)
    study.run(16, confirm=4, callback=seen.append)
    assert [record.query for record in study.queries] == list(range(1, 13))
    repeated = [record for record in study.queries if record.repeats]
    assert sum(len(record.repeats) for record in repeated) == 4
    # Each evaluation has its own seed, so none is like another.
    assert len(set(evaluations(study))) == 16
    # A callback gets them as they come, under the number of the query.
    assert [record.again > 0 for record in seen] == [False] * 12 + [True] * 4
    assert {record.query for record in seen[12:]} == {record.query for record in repeated}


def test_the_best_is_by_its_mean_and_told_with_its_deviation():
    study = Study(toys.task(noisy), method="random", seed=2)
    study.run(16, confirm=4)
    best = study.best
    assert best.record.repeats
    values = [result["val"] for result in best.record.results]
    assert best.evaluations == len(values) > 1
    assert best.metrics["val"] == pytest.approx(statistics.mean(values))
    assert best.deviations["val"] == pytest.approx(statistics.stdev(values))
    assert best.record.metrics["val"] == values[0]
    plain = best.record.plain()
    assert [m["val"] for m in plain["repeats"]] == values[1:]
    assert type(best.record).read(plain).repeats == best.record.repeats


@pytest.mark.parametrize("stop", [5, 13, 14])
def test_a_confirmation_goes_on_after_an_interruption(tmp_path, stop):
    def interrupt(record):
        if interrupt.left == 0:
            raise KeyboardInterrupt
        interrupt.left -= 1

    interrupt.left = stop
    whole = Study(toys.task(noisy), method="climber", seed=2)
    whole.run(16, confirm=4)
    place = tmp_path / "runs.journal"
    study = Study(toys.task(noisy), method="climber", seed=2, storage=place)
    with pytest.raises(KeyboardInterrupt):
        study.run(16, confirm=4, callback=interrupt)
    again = Study(toys.task(noisy), method="climber", seed=2, storage=place)
    again.run(16)  # How much is confirmed is stored.
    assert [(q.architecture, q.results) for q in again.queries] == [
        (q.architecture, q.results) for q in whole.queries
    ]
    assert again.best.architecture == whole.best.architecture


def test_a_larger_budget_is_confirmed_anew():
    study = Study(toys.task(noisy), method="climber", seed=2)
    study.run(10, confirm=2)
    assert len(study.queries) == 8
    study.run(20)
    assert len(study.queries) == 8 + 8
    assert sum(len(q.repeats) for q in study.queries) == 2 + 2


@pytest.mark.parametrize("more", [1, 2])
def test_a_budget_raised_by_no_more_than_is_confirmed_has_another_query(more):
    study = Study(toys.task(noisy), method="climber", seed=2)
    study.run(10, confirm=2)
    study.run(10 + more)
    assert len(study.queries) == 8 + 1
    assert sum(len(q.repeats) for q in study.queries) == 2 + more - 1


def test_a_space_that_is_used_up_is_confirmed():
    space = op.spaces.Chain({"a": [1, 2, 3]})
    task = op.Task("few", space, lambda arch, seed: arch["a"] + toys.score(arch, seed),
                   objectives="x=max")  # fmt: skip
    for budget, confirm in (50, 2), (5, 1):  # Of five, four were to be queries.
        study = Study(task, method="random")
        study.run(budget, confirm=confirm)
        assert len(study.queries) == 3
        assert sum(len(q.repeats) for q in study.queries) == confirm
        (note,) = study.notes
        assert "the space is used up" in note
        assert f"after 3 queries of a budget of {budget}" in note


def test_a_task_that_may_be_repeated_is_confirmed_by_default():
    def deaf(arch):
        return noisy(arch, 0)

    for evaluate, noise, budget, repeats in (
        (noisy, None, 41, 2), (noisy, None, 20, 1), (noisy, None, 19, 0), (noisy, "single", 20, 0),
        (deaf, None, 20, 0), (deaf, "repeat", 20, 1),
    ):  # fmt: skip
        study = Study(toys.task(evaluate, noise=noise), method="random")
        study.run(budget)
        assert sum(len(q.repeats) for q in study.queries) == repeats
        assert len(study.queries) == budget - repeats


def test_a_latency_is_measured_again_and_its_mean_decides():
    """The first measurements meet the limit by chance; the second ones do not."""

    def evaluate(arch, seed):
        first = seed == op.tasks.evaluation_seed(0, arch)
        return {"val": float(arch["depth"]), "test": 0.0, "ms": 4.9 if first else 6.0}

    task = toys.task(evaluate, constraints={"ms": "<= 5"})
    study = Study(task, method="random", seed=0)
    study.run(12, confirm=3)
    for record in study.queries:
        assert record.feasible == (not record.repeats)
    assert study.best is not None
    assert not study.best.record.repeats


def test_a_latency_that_is_the_limit_stays_within_it():
    def evaluate(arch, seed):  # The mean of three times 3.2 is 3.2000000000000006 by plain sums.
        return {**noisy(arch, seed), "ms": 3.2}

    task = toys.task(evaluate, constraints={"ms": "<= 3.2"})
    study = Study(task, method="random", seed=0)
    study.run(16, confirm=6)
    assert all(record.feasible for record in study.queries)
    assert study.best.record.repeats


def test_repeats_that_fail_are_kept_as_failures():
    def evaluate(arch, seed):
        if seed != op.tasks.evaluation_seed(0, arch):
            raise op.EvaluationFailed("out of luck")
        return {"val": toys.score(arch), "test": 0.0}

    study = Study(toys.task(evaluate), method="random", seed=0)
    study.run(10, confirm=3)
    assert [m for q in study.queries for m in q.repeats] == [None] * 3
    assert study.best.evaluations == 1


@pytest.mark.slow
def test_workers_confirm_after_all_queries_have_their_results(tmp_path):
    study = Study(toys.task(noisy), method="random", seed=2, storage=tmp_path / "runs.journal")
    study.run(16, confirm=4, workers=3)
    assert len(study.queries) == 12
    assert sum(len(q.repeats) for q in study.queries) == 4
    assert len(set(evaluations(study))) == 16


@pytest.mark.parametrize(
    ("options", "confirm", "said"),
    [
        ({}, -1, "confirm: got -1"),
        ({}, 20, "give less than the budget of 20"),
        ({"noise": "none"}, 3, "the task has noise='none'"),
        ({"objectives": ["val=max", "test=min"], "reported": []}, 3, "no single best"),
    ],
)
def test_what_can_not_be_confirmed_is_said_before_any_query(options, confirm, said):
    options = {"objectives": "val=max", **options}
    task = op.Task("toy", toys.SPACE, noisy, **options)
    study = Study(task, method="random")
    with pytest.raises(InvalidValueError, match=said):
        study.run(20, confirm=confirm)
    assert not study.queries


def test_the_report_and_the_command_tell_how_sure_the_best_is(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def counted(arch, seed):
        return {**noisy(arch, seed), "size": arch["width"], "cells": 5}

    limits = ["size<=99", "cells<=5"]
    study = Study(toys.task(counted, constraints=limits), method="random", seed=2)
    study.run(16, confirm=4)
    best = study.best
    text = study.report(tmp_path / "r.html").read_text()
    assert f"Evaluated {best.evaluations} times" in text
    lines = summary(study)
    assert f"confirmed: these are the means of {best.evaluations} evaluations" in lines
    assert "different seeds, ± their standard deviation" in lines
    assert f"± {best.deviations['val']:.2g}; the first value was" in lines
    assert " ± 0;" not in lines  # Of what no repeat changes, such as a count.
    assert "size keeps its limit" in lines
    assert "cells keeps its limit (cells <= 5) by 0\n" in lines
    found = json.loads(json_output(study, 16))
    assert (found["queries"], found["repeats"]) == (12, 4)
    assert found["best"]["evaluations"] == best.evaluations
    assert found["best"]["first"]["val"] == best.record.metrics["val"]


def test_the_report_s_regret_is_the_task_s(tmp_path):
    class Noisy:
        def __call__(self, arch, seed):
            return {"val": arch["depth"] + 10 + toys.score(arch, seed), "mean": arch["depth"]}

        def optimum(self):
            return 4.0

    options = {"objectives": "val=max", "reported": ["mean"], "noiseless": "mean"}
    task = op.Task("toy", toys.SPACE, Noisy(), **options)
    study = Study(task, method="random")
    study.run(8)
    regret = task.regret(study.best.metrics)
    assert regret >= 0
    assert f"; {regret:g} from the optimum" in study.report(tmp_path / "r.html").read_text()
    assert task.replaced(constraints="val<=12").optimum is None  # Of all architectures alone.


@pytest.mark.parametrize("seed", range(4))
def test_a_greater_single_value_is_named(seed):
    study = Study(toys.task(noisy), method="random", seed=seed)
    study.run(16, confirm=4)
    others = [record for record in study.queries if record.query != study.best.query]
    luckiest = max(others, key=lambda record: record.metrics["val"])
    value = luckiest.metrics["val"]
    luckier = value > study.best.metrics["val"]
    said = f"query {luckiest.query} had val {value:.6g} in one evaluation"
    lines = summary(study)
    assert (said in lines) == luckier
    if luckier and luckiest.repeats:
        values = [result["val"] for result in luckiest.results]
        mean = sum(values) / len(values)
        assert f"; the mean of its {len(values)} evaluations is {mean:.6g}" in lines


def test_what_repeats_do_not_tell_apart_is_tied():
    """The values of two architectures overlap; a third one's do not."""

    def record(query, values):
        return Record(query, arch(query), {"val": values[0]}, True,
                      repeats=tuple({"val": v} for v in values[1:]))  # fmt: skip

    def arch(n):
        return toys.SPACE.from_indices(toys.SPACE.all_indices[[n]])[0]

    records = [record(1, [5.0, 5.4]), record(2, [5.1, 5.5]), record(3, [1.0, 1.1])]
    found = _results.tied(records, toys.task(noisy), 0)
    assert len(found) == 1
    assert found[0].query in (1, 2)


def test_a_tie_is_broken_by_the_first_limit():
    """Of those that repeats do not tell apart, the best has the most room to it."""

    def record(query, values, size):
        arch = toys.SPACE.from_indices(toys.SPACE.all_indices[[query]])[0]
        return Record(query, arch, {"val": values[0], "size": size}, True,
                      repeats=tuple({"val": v, "size": size} for v in values[1:]))  # fmt: skip

    records = [
        record(1, [5.0, 5.4], 7.0), record(2, [5.1, 5.5], 8.0), record(3, [1.0, 1.1], 2.0)
    ]  # fmt: skip
    free, limited = toys.task(noisy), toys.task(noisy).replaced(constraints={"size": "<= 9"})
    assert _results.best(records, limited, 0).query == 1
    assert [found.query for found in _results.tied(records, limited, 0)] == [2]
    other = limited.replaced(constraints={"size": ">= 1"})
    assert _results.best(records, other, 0).query == 2
    assert _results.best(records, free, 0).metrics["val"] == pytest.approx(5.3)
