"""Comparisons under limits and with several objectives: what they are judged by."""

from __future__ import annotations

import itertools
import json
import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import study_toys as toys

from optiproxy.errors import InvalidValueError
from optiproxy.metrics import Metric
from optiproxy.report import hypervolume_so_far
from optiproxy.spaces import Chain
from optiproxy.study import compare
from optiproxy.tables.table import Table
from optiproxy.tasks import Task, get

SPACE = Chain({"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5]})
BOTH = ["gain=max", "cost=min"]
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def table(tmp_path):
    """More of `a` gains and costs; more of `b` spoils both."""
    every = list(itertools.product(range(1, 6), repeat=2))
    rows = {
        "a": [a for a, _ in every],
        "b": [b for _, b in every],
        "gain": [5.0 * a - b for a, b in every],
        "cost": [a + 2.0 * b for a, b in every],
    }
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    return Table(SPACE, tmp_path / "t.parquet", key=["a", "b"], columns=["gain", "cost"])


def test_searches_of_a_table_are_judged_by_the_share_of_its_front(tmp_path, table):
    found = compare(
        [table], ["random", "nsga2"], tmp_path / "out", seeds=3, budget=25, objectives=BOTH
    )
    # The front: b = 1, gains 4 to 24 at costs 3 to 7; a tenth of its range behind.
    assert found.references == {"t": pytest.approx({"gain": 2.0, "cost": 7.4})}
    front = [(5.0 * a - 1, a + 2.0) for a in range(1, 6)]
    whole = hypervolume_so_far(front, [True] * 5, [1, -1], [2.0, 7.4])[-1]
    for row in found.results.to_pandas().groupby(["method", "seed"]):
        one = row[1]
        values = one[["gain", "cost"]].to_numpy()
        course = hypervolume_so_far(values, one["feasible"], [1, -1], [2.0, 7.4]) / whole
        assert one["best"].to_numpy() == pytest.approx(course)
        assert one["regret"].to_numpy() == pytest.approx(1 - course)
    # All 25 architectures have the whole front.
    assert all(row.hit_rate == 1 for row in found.summary if row.budget == 25)
    assert all(row.mean == pytest.approx(1) for row in found.summary if row.budget == 25)
    [task] = json.loads((tmp_path / "out" / "run.json").read_text())["tasks"]
    assert task["objectives"] == BOTH
    assert task["reference"] == pytest.approx({"gain": 2.0, "cost": 7.4})


def test_under_a_limit_the_front_is_of_what_keeps_it(tmp_path, table):
    found = compare(
        [table],
        ["random"],
        tmp_path / "out",
        seeds=2,
        budget=25,
        objectives=BOTH,
        constraints="cost<=5",
    )
    assert found.references["t"] == pytest.approx({"gain": 3.0, "cost": 5.2})
    rows = found.results.to_pandas()
    assert (rows["feasible"] == (rows["cost"] <= 5)).all()
    assert found.summary[-1].hit_rate == 1


def test_a_limit_of_all_tasks_changes_what_is_the_best(tmp_path, table):
    out, options = tmp_path / "out", {"seeds": 1, "budget": 25}
    found = compare([table], ["random"], out, constraints="cost<=5", **options)
    assert found.references == {}
    assert found.summary[-1].mean == 14.0  # a = 3, b = 1
    assert found.summary[-1].regret == 0.0
    free = compare([table], ["random"], out, **options)
    assert free.summary[-1].mean == 24.0
    assert len(list((out / "cells").iterdir())) == 2


def test_without_a_table_the_whole_is_what_all_searches_found(tmp_path):
    task = toys.task(objectives={"val": "max", "cost": "min"})
    found = compare([task], ["random", "evolution"], tmp_path, seeds=2, budget=20)
    rows = found.results.to_pandas()
    assert rows["regret"].isna().all()
    assert np.isnan(found.summary[0].hit_rate)
    reference = list(found.references["toy"].values())

    def covered(part):
        values = part[["val", "cost"]].to_numpy()
        return hypervolume_so_far(values, [True] * len(part), [1, -1], reference)

    whole = covered(rows)[-1]
    for _, search in rows.groupby(["method", "seed"]):
        assert search["best"].to_numpy() == pytest.approx(covered(search) / whole)


def test_searches_without_anything_feasible_have_covered_nothing(tmp_path):
    objectives = {"val": "max", "cost": "min"}
    task = toys.task(lambda arch: 1 / 0, objectives=objectives)
    found = compare([task], ["random"], tmp_path, seeds=2, budget=3)
    assert found.references == {"toy": {}}
    assert found.results["best"].to_pylist() == [0.0] * 6


def test_a_search_that_could_ask_nothing_counts_as_the_worst(tmp_path):
    """Ten measurements, of which one in 16 keeps the limit: some searches train nothing."""
    task = toys.task(
        lambda arch: 1.0,
        objectives={"val": "max"},
        constraints="ms<=0",
        metrics=[Metric("ms", lambda a: float(a["depth"] + a["width"] - 9), cheap=True)],
    )
    found = compare([task], ["random", "evolution"], tmp_path, seeds=6, budget=1)
    rows = found.results.to_pandas()
    nothing = rows[~rows["feasible"]]
    assert 0 < len(nothing) < len(rows) == 12
    assert nothing["best"].isna().all()
    assert [row.seeds for row in found.summary] == [6, 6]
    assert math.isnan(found.summary[0].mean)
    assert {row.blocks for row in found.ranks} == {6}
    assert [row.n for row in found.differences] == [6]


def test_a_task_of_which_nothing_can_be_asked_spoils_no_other(tmp_path, table):
    strict = toys.task(
        lambda arch: 1.0,
        constraints="size<=0",
        metrics=[Metric("size", lambda a: float(a["width"]), exact=True)],
    )
    found = compare([strict, table], ["random", "local"], tmp_path / "out", seeds=2, budget=4)
    assert [row.task for row in found.summary if row.budget == 4] == ["toy"] * 2 + ["t"] * 2
    assert math.isnan(found.summary[0].mean)
    assert found.differences[0].method_a == "random"


def test_a_limit_in_percent_is_found_once_for_all_searches(tmp_path):
    calls = tmp_path / "calls"

    def noisy(arch):
        with calls.open("a") as file:
            file.write("x")
        return arch["width"] + random.random()

    task = toys.task(constraints="ms<=80%", metrics=[Metric("ms", noisy, cheap=True)])
    compare([task], ["random", "local"], tmp_path / "out", seeds=2, budget=3)
    measured = len(calls.read_text())
    assert 200 <= measured < 300
    [limits] = json.loads((tmp_path / "out" / "cells" / "limits.json").read_text()).values()
    [told] = json.loads((tmp_path / "out" / "run.json").read_text())["tasks"]
    assert told["constraints"] == limits
    # The same call again measures nothing, and finds all searches.
    compare([task], ["random", "local"], tmp_path / "out", seeds=2, budget=3)
    assert len(calls.read_text()) == measured


def test_a_limit_that_is_known_by_training_alone_is_told_before_any_search(tmp_path, table):
    tasks = [table, toys.task()]
    with pytest.raises(InvalidValueError, match="cost in percent"):
        compare(tasks, ["random"], tmp_path / "out", seeds=1, budget=2, constraints="cost<=60%")
    assert not (tmp_path / "out").exists()


def test_a_table_of_a_program_that_is_another_is_told(tmp_path, table, caplog):
    compare([table], ["random"], tmp_path / "out", seeds=1, budget=2)
    other = Table(SPACE, tmp_path / "t.parquet", key=["a", "b"], columns={"gain": "cost"})
    compare([other], ["random"], tmp_path / "out", seeds=1, budget=2)
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning == "t: changed since 1 searches were made, which are made again"


def test_what_a_task_lacks_is_told_before_any_search(tmp_path, table):
    for wrong in ({"objectives": ["gian=max"]}, {"constraints": ["coast<=5"]}):
        with pytest.raises(InvalidValueError, match="did you mean"):
            compare([table], ["random"], tmp_path / "out", seeds=1, budget=2, **wrong)
    assert not (tmp_path / "out").exists()


def test_the_command_is_told_with_its_limits(tmp_path):
    compare(
        ["mnist1d-table"],
        ["random"],
        tmp_path / "out",
        seeds=1,
        budget=2,
        objectives=["val_accuracy=max", "params=min"],
        constraints=["latency_ms<=60%"],
    )
    command = json.loads((tmp_path / "out" / "run.json").read_text())["command"]
    assert (
        "--objective val_accuracy=max --objective params=min --constraint 'latency_ms <= 60.0%'"
        in command
    )


def test_listed_are_the_feasible_rows_of_a_table(table):
    task = table.replaced(objectives=BOTH, constraints="cost<=60%")  # of 15
    rows = task.objective_values()
    assert rows.shape == (sum(a + 2 * b <= 9 for a in range(1, 6) for b in range(1, 6)), 2)
    assert task.optimum == rows[:, 0].max()
    assert table.replaced(constraints="cost<=1").optimum is None
    assert Task("toy", SPACE, lambda arch: 1.0, objectives="x=max").objective_values() is None
    assert get("mnist1d-table").objective_values().shape == (400, 1)
