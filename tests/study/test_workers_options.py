"""How the arguments of a run go together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.study._workers import options
from optiproxy.study._workers.options import Workers

SPACE = op.spaces.Chain({"width": [1, 2]})


def task(**arguments):
    return op.Task("t", SPACE, lambda arch: 1.0, objectives={"val": "max"}, **arguments)


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    """Three GPUs."""
    monkeypatch.setattr(options, "chosen", lambda gpus: ["0", "1", "2"])


@pytest.mark.parametrize(
    ("made", "given", "count", "in_process"),
    [
        ({}, {}, 1, True),  # a program's evaluator may be a closure over its own variables
        ({}, {"workers": 1}, 1, False),
        ({}, {"workers": 3}, 3, False),
        ({}, {"in_process": False}, 1, False),
        ({}, {"workers": 1, "in_process": True}, 1, True),
        ({}, {"time_limit": "5m"}, 1, False),
        ({"time_limit": "5m"}, {}, 1, False),
        ({"time_limit": "5m"}, {"in_process": True}, 1, True),
        ({"in_memory": True}, {"workers": 1}, 1, True),
        ({"in_memory": True}, {"workers": 2}, 2, False),
        ({"in_memory": True}, {"time_limit": 1}, 1, False),
        ({}, {"gpus": "auto"}, 3, False),
        ({}, {"gpus": "auto", "workers_per_gpu": 2}, 6, False),
        ({}, {"gpus": "auto", "workers": 2}, 2, False),
        ({"in_memory": True}, {"gpus": "auto", "workers": 1}, 1, False),
    ],
)
def test_where_evaluations_run(made, given, count, in_process):
    found = Workers.of(task(**made), **given)
    assert (found.count, found.in_process) == (count, in_process)


def test_the_nearest_time_limit_holds():
    assert Workers.of(task(time_limit="5m")).time_limit == 300
    assert Workers.of(task(time_limit="5m"), time_limit="2h").time_limit == 7200
    assert Workers.of(task()).time_limit is None


def test_an_executor_has_its_own_number_of_places():
    with ThreadPoolExecutor(5) as executor:
        found = Workers.of(task(time_limit="5m"), executor=executor)
    assert (found.count, found.in_process, found.time_limit) == (5, False, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 2, "in_process": True}, "workers: got 2; give 1"),
        ({"time_limit": 3, "in_process": True}, "time limit: leave it out"),
        ({"gpus": 2, "in_process": True}, "gpus: got|gpus: leave|workers: got 3"),
        ({"gpus": 2, "workers": 1, "in_process": True}, "gpus: leave it out"),
        ({"in_process": "no"}, "in_process: got 'no'"),
        ({"workers_per_gpu": 2}, "say which GPUs"),
        ({"gpus": 2, "workers": 2, "workers_per_gpu": 2}, "leave it or workers out"),
        ({"gpus": 2, "workers_per_gpu": -1}, "whole number of 1"),
        ({"deaths": 0}, "deaths: got 0"),
        ({"time_limit": "soon"}, "time limit: got 'soon'"),
        ({"executor": ThreadPoolExecutor(1), "time_limit": 3}, "time limit: an executor's"),
        ({"executor": ThreadPoolExecutor(1), "gpus": 2, "workers": 1}, "gpus: an executor's"),
        ({"executor": ThreadPoolExecutor(1), "in_process": True}, "in_process: an executor's"),
    ],
)
def test_what_excludes_each_other_is_refused(given, said):
    with pytest.raises(InvalidValueError, match=said):
        Workers.of(task(), **given)
