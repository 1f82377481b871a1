"""Many workers on a simulated clock."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import study_toys as toys

import optiproxy as op
from optiproxy.cli import _simulated
from optiproxy.cli import compare as command
from optiproxy.errors import InvalidValueError
from optiproxy.report import parallel_rows
from optiproxy.report.parallel import ParallelRow
from optiproxy.study.comparison.simulated import Simulation, simulate


def evaluate(arch):
    return {"val": toys.score(arch), "test": 0.0, "train_seconds": 3600.0 * arch["depth"]}


def depth(arch):
    return arch["depth"]


def table():
    return toys.Known(
        "timed", toys.SPACE, evaluate, objectives={"val": "max"}, reported=["test"],
        metrics=["val", "test", "train_seconds"],
    )  # fmt: skip


def searched(workers, **options):
    rows = Simulation(table(), "random", 1, workers, 96, "train_seconds", **options).run()
    return rows.to_pylist()


def test_one_worker_takes_the_sum_of_all_trainings():
    rows = searched(1)
    hours = np.cumsum([toys.SPACE.architecture(row["text"])["depth"] for row in rows])
    # The method's own seconds are on the clock, too.
    np.testing.assert_allclose([row["hours"] for row in rows], hours, atol=0.01)
    assert all(row["hours"] > h for row, h in zip(rows, hours, strict=True))
    assert rows[-1]["regret"] <= 1e-3 * table().optimum + 1e-9 < rows[-2]["regret"]
    assert [row["proposed"] for row in rows] == [row["query"] for row in rows]


def test_workers_are_asynchronous():
    rows = searched(4)
    depths = {r["proposed"]: toys.SPACE.architecture(r["text"])["depth"] for r in rows}
    # Each training begins when a worker is free: four clocks, of which the next one is the least.
    clocks, ends = [0.0] * 4, {}
    for number in range(1, max(depths) + 1):
        if number not in depths:
            break
        clocks.sort()
        clocks[0] += depths[number]
        ends[number] = clocks[0]
    for row in rows:
        if row["proposed"] in ends:
            assert row["hours"] == pytest.approx(ends[row["proposed"]], abs=0.01)
    assert [row["hours"] for row in rows] == sorted(row["hours"] for row in rows)
    assert rows[-1]["hours"] < searched(1)[-1]["hours"] / 2


def test_times_may_scatter():
    assert searched(2, scatter="exponential") != searched(2)


def test_synchronous_workers_wait_for_the_slowest():
    rows = searched(4, synchronous=True)
    depths = {r["proposed"]: toys.SPACE.architecture(r["text"])["depth"] for r in rows}
    end = 0.0
    for first in range(1, len(rows) - 2, 4):
        round_ = [row for row in rows if first <= row["proposed"] < first + 4]
        for row in round_:
            assert row["hours"] == pytest.approx(end + depths[row["proposed"]], abs=0.01)
        end += max(depths[row["proposed"]] for row in round_)
    assert rows[0]["method"] == "random, synchronous"


def test_lost_trainings_are_made_again():
    for options in ({}, {"synchronous": True}):
        whole, lost = searched(1, **options), searched(1, worker_failures=0.3, **options)
        # The same proposals in the same order, later.
        assert [row["text"] for row in lost] == [row["text"] for row in whole]
        assert [row["proposed"] for row in lost] == [row["proposed"] for row in whole]
        later = lost[-1]["hours"] / whole[-1]["hours"]
        # Of all attempts 30 % are lost, half-way on average: 0.5 * 0.3 / 0.7 more.
        assert 1.1 < later < 1.35
    rows = searched(16, worker_failures=0.3)
    assert len({row["text"] for row in rows}) == len(rows)


def test_synchronous_searches_stand_beside_the_others(here, tmp_path):
    _, rows = simulate([table()], ["random"], tmp_path, [1, 4], seeds=2, budget=96,
                       synchronous=True, worker_failures=0.1)  # fmt: skip
    assert [(row.method, row.workers) for row in rows] == [
        ("random", 1), ("random", 4), ("random, synchronous", 1), ("random, synchronous", 4),
    ]  # fmt: skip
    written = json.loads((tmp_path / "parallel.json").read_text())
    assert (written["synchronous"], written["worker_failures"]) == (True, 0.1)


def test_the_table_is_that_of_its_rows(here, tmp_path):
    results, rows = simulate([table()], ["random", "climber"], tmp_path, [1, 4], seeds=3, budget=96)
    with (tmp_path / "parallel.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [(r["method"], int(r["workers"])) for r in written] == [
        (method, workers) for method in ("random", "climber") for workers in (1, 4)
    ]
    plain = results.to_pylist()
    for row in rows:
        own = [r for r in plain if (r["method"], r["workers"]) == (row.method, row.workers)]
        ends = sorted(max(r["hours"] for r in own if r["seed"] == seed) for seed in range(3))
        assert (row.reached, row.hours) == (1, ends[1])
    assert rows[0].speed_up == 1 < rows[1].speed_up
    assert json.loads((tmp_path / "parallel.json").read_text())["workers_simulated"] == [1, 4]
    # The same call again computes nothing.
    made = []
    simulate([table()], ["random", "climber"], tmp_path, [1, 4], seeds=3, budget=96,
             callback=lambda done, total: made.append(done))  # fmt: skip
    assert made == []


def test_who_never_comes_near_has_no_time():
    table = {
        "task": ["t"] * 3, "method": ["m"] * 3, "workers": [1] * 3, "seed": [0, 1, 2],
        "query": [1] * 3, "hours": [1.0, 2.0, 3.0], "regret": [0.0, 0.5, 0.5],
        "cpu_seconds": [0.1] * 3,
    }  # fmt: skip
    [row] = parallel_rows(table, {"t": 100.0})
    assert row.reached == pytest.approx(1 / 3)
    assert row.hours == row.queries == np.inf


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"simulated": []}, "workers_simulated"),
        ({"simulated": [0]}, "workers_simulated: got 0"),
        ({"duration": "train_secs"}, "did you mean 'train_seconds'"),
        ({"scatter": "normal"}, "scatter"),
        ({"worker_failures": 1.0}, "worker_failures: got 1.0"),
    ],
)
def test_what_can_not_be_simulated(tmp_path, change, said):
    arguments = {"simulated": [1], **change}
    with pytest.raises(InvalidValueError, match=said):
        simulate([table()], ["random"], tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_limits_are_kept_and_a_file_is_no_folder_as_in_other_comparisons(here, tmp_path):
    class Sized(op.Task):
        optimum = 9.0

    sized = Sized(
        "sized", toys.SPACE, evaluate, objectives={"val": "max"}, reported=["test"],
        metrics=["val", "test", "train_seconds", op.Metric("size", depth, exact=True)],
    )  # fmt: skip
    simulate([sized], ["random"], tmp_path, [1], seeds=1, budget=9, constraints="size<=60%")
    ((key, limits),) = json.loads((tmp_path / "cells" / "limits.json").read_text()).items()
    assert key.endswith("size <= 60.0%")
    assert limits[0].startswith("size <= ")
    assert "%" not in limits[0]
    (tmp_path / "notes").touch()
    with pytest.raises(InvalidValueError, match="it is a file, or in one"):
        simulate([table()], ["random"], tmp_path / "notes", [1])


def test_options_of_the_clock_need_the_clock(tmp_path):
    for options in ({"synchronous": True}, {"worker_failures": 0.1}, {"scatter": "exponential"}):
        with pytest.raises(InvalidValueError, match="--workers-simulated"):
            command.compare(["mnist1d-table"], out=tmp_path, **options)


def test_options_that_the_clock_does_not_use_are_refused(tmp_path):
    for options in (
        {"budgets": "5,10"}, {"batch": "1"}, {"cost_budget": 9.0}, {"format": "latex"},
        {"report": tmp_path / "page.html"}, {"objective": ["val_accuracy=max"]},
    ):  # fmt: skip
        with pytest.raises(InvalidValueError, match=rf"{next(iter(options))}: .* leave it out"):
            command.compare(["mnist1d-table"], methods="random", seeds=1, budget=5, out=tmp_path,
                            workers=1, workers_simulated="1", **options)  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_short_trainings_are_printed_in_parts_of_an_hour(capsys):
    rows = [
        ParallelRow("t", "random", workers, 3, 1.0, hours, 1.0, 4, 0.001)
        for workers, hours in ((1, 12.34), (4, 0.00555))
    ]
    _simulated._print(rows)
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[2] for line in lines] == ["12.3", "0.0056"]


@pytest.mark.slow
def test_the_command_prints_and_draws(tmp_path, capsys):
    code = command.compare(["nb201-costs-cifar100"], methods="random", seeds=1, budget=20,
                           out=tmp_path, workers=1, workers_simulated="1,4")  # fmt: skip
    assert code == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "nb201-costs-cifar100: simulated hours to 0.1 % regret, median of 1 seeds"
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert {f"{n}.{s}" for n in ("parallel", "regret") for s in command.FIGURES} <= names
