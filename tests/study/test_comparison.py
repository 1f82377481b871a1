"""Comparisons: the same numbers whatever the processes, resumable, right statistics."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import json
import math
import os
import platform

import numpy as np
import pyarrow.parquet as pq
import pytest
import study_toys as toys

import optiproxy
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.report.significance import holm, signed_rank
from optiproxy.spaces import Chain
from optiproxy.study import Study, compare, environment
from optiproxy.study.comparison.compare import budgets
from optiproxy.study.comparison.run import Cell
from optiproxy.tasks import Task

NUMBERS = ["task", "method", "seed", "query", "feasible", "best", "regret", "val", "test"]


def numbers(folder):
    return pq.read_table(folder / "results.parquet").select(NUMBERS)


@pytest.mark.slow
def test_the_numbers_do_not_depend_on_the_processes(tmp_path):
    arguments = {"seeds": 3, "first_seed": 4, "budget": 10}
    methods = ["climber", "random"]
    one = compare([toys.known()], methods, tmp_path / "1", workers=1, **arguments)
    two = compare([toys.known()], methods, tmp_path / "2", workers=2, **arguments)
    assert numbers(tmp_path / "1").equals(numbers(tmp_path / "2"))
    for name in ("tests.csv", "ranks.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    # The seconds are measured, so they alone may differ.
    same = [[dataclasses.replace(row, seconds=0) for row in c.summary] for c in (one, two)]
    assert same[0] == same[1]
    assert one.results.num_rows == 2 * 3 * 10
    assert one.results.column_names[:8] == [
        "task", "method", "seed", "query", "feasible", "best", "regret", "optimizer_seconds",
    ]  # fmt: skip
    study = Study(toys.known(), method="climber", seed=5)
    study.run(10)
    rows = [r for r in one.results.to_pylist() if r["method"] == "climber" and r["seed"] == 5]
    assert [r["val"] for r in rows] == [q.metrics["val"] for q in study.queries]
    assert [r["best"] for r in rows] == list(np.maximum.accumulate([r["val"] for r in rows]))
    optimum = toys.known().optimum
    assert [r["regret"] for r in rows] == [optimum - r["best"] for r in rows]
    assert all(r["optimizer_seconds"] > 0 for r in rows)


def test_metrics_that_are_called_as_a_column_are_kept(here, tmp_path):
    space = Chain({"a": [1, 2, 3]})
    task = Task("named", space, lambda a: {"best": a["a"], "seed": -a["a"]}, objectives="best=max")
    found = compare([task], ["random"], tmp_path, seeds=1, first_seed=7, budget=3).results
    rows = found.to_pylist()
    assert {row["seed"] for row in rows} == {7}
    assert sorted(row["metric:best"] for row in rows) == [1.0, 2.0, 3.0]
    assert all(row["metric:seed"] == -row["metric:best"] for row in rows)


@pytest.fixture(scope="module")
def compared(in_this_process, tmp_path_factory):
    """Random searches of two tasks: what was found, and its folder."""
    folder = tmp_path_factory.mktemp("compared")
    with in_this_process():
        tasks = [toys.known("a"), toys.known("b")]
        return compare(tasks, ["random"], folder, seeds=5, budget=90), folder


def test_the_summary_is_that_of_its_rows(compared):
    found, folder = compared
    with (folder / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["task"], r["budget"]) for r in rows] == [
        (task, budget) for task in "ab" for budget in ("23", "45", "90")
    ]
    table = found.results.to_pandas()
    for row, kept in zip(rows, found.summary, strict=True):
        ends = table[(table["task"] == row["task"]) & (table["query"] == int(row["budget"]))]
        assert len(ends) == int(row["seeds"]) == 5
        assert float(row["mean"]) == pytest.approx(ends["best"].mean())
        assert float(row["std"]) == pytest.approx(ends["best"].std())
        assert float(row["regret"]) == pytest.approx(ends["regret"].mean())
        assert float(row["hit_rate"]) == (ends["regret"] <= 1e-9).mean() == kept.hit_rate
        assert float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"])
    # 90 of 96: nearly all seeds find the optimum, and none of them all at a quarter.
    assert float(rows[0]["hit_rate"]) < float(rows[2]["hit_rate"])
    assert float(rows[0]["seconds"]) < float(rows[2]["seconds"])


def test_columns_of_the_summary_keep_their_order(here, tmp_path):
    compare([toys.known()], ["random"], tmp_path, seeds=1, budget=1)
    header = (tmp_path / "summary.csv").read_text().splitlines()[0]
    assert header == (
        "task,method,budget,seeds,mean,std,ci_low,ci_high,regret,hit_rate,seconds,"
        "queries_to_optimum,queries_to_near_optimum,test,test_std"
    )
    # A file without rows has its columns too: there is nothing to compare one method with.
    assert (tmp_path / "tests.csv").read_text().splitlines() == [
        "task,budget,method_a,method_b,n,mean_difference,p,p_holm,verdict"
    ]
    assert (tmp_path / "ranks.csv").read_text().splitlines() == [
        "budget,method,blocks,mean_rank,friedman_p,critical_difference,"
        "tasks,mean_rank_by_task,friedman_p_by_task,critical_difference_by_task"
    ]


def test_median_queries_are_those_of_the_rows(compared):
    found, _ = compared
    rows = found.results.to_pylist()
    optimum = toys.known().optimum
    for row in found.summary:
        for column, bound in (("optimum", 1e-9), ("near_optimum", 1e-3 * optimum + 1e-9)):
            first = sorted(
                min(
                    (
                        r["query"]
                        for r in rows
                        if (r["task"], r["seed"]) == (row.task, seed)
                        and r["regret"] <= bound
                        and r["query"] <= row.budget
                    ),
                    default=math.inf,
                )
                for seed in range(5)
            )
            assert getattr(row, f"queries_to_{column}") == first[2]


def test_methods_are_tested_seed_by_seed(here, tmp_path):
    """Two tasks, one of them to be minimised; what is written is what the rows say."""
    tasks = [
        toys.known("up"),
        toys.Known("down", toys.SPACE, toys.plain, objectives={"val": "min"}),
    ]
    compare(tasks, ["climber", "random"], tmp_path, seeds=6, budget=12)
    results = pq.read_table(tmp_path / "results.parquet").to_pandas()
    with (tmp_path / "tests.csv").open() as file:
        rows = {(r["task"], int(r["budget"])): r for r in csv.DictReader(file)}
    assert list(rows) == [(task, budget) for budget in (3, 6, 12) for task in ("up", "down", "all")]
    down = results[results["task"] == "down"]
    assert (down["regret"] == down["best"] - tasks[1].optimum).all()
    for budget in (3, 6, 12):
        ends = results[results["query"] == budget]
        ends = ends.set_index(["task", "method", "seed"])["best"].sort_index()
        gains = {
            "up": (ends["up", "climber"] - ends["up", "random"]).to_numpy(),
            "down": (ends["down", "random"] - ends["down", "climber"]).to_numpy(),
        }
        for task, gain in gains.items():
            row = rows[task, budget]
            assert int(row["n"]) == 6
            assert float(row["mean_difference"]) == pytest.approx(gain.mean())
            assert float(row["p"]) == pytest.approx(signed_rank([gain])[1])
        both = rows["all", budget]
        assert int(both["n"]) == 12
        assert float(both["p"]) == pytest.approx(signed_rank(list(gains.values()))[1])
        family = [float(rows[task, budget]["p"]) for task in ("up", "down", "all")]
        corrected = [float(rows[task, budget]["p_holm"]) for task in ("up", "down", "all")]
        assert corrected == pytest.approx(holm(family))
    with (tmp_path / "ranks.csv").open() as file:
        ranks = list(csv.DictReader(file))
    assert [int(r["blocks"]) for r in ranks] == [12] * 6
    for budget in ("3", "6", "12"):
        assert sum(float(r["mean_rank"]) for r in ranks if r["budget"] == budget) == 3


@pytest.mark.slow
def test_what_is_finished_is_not_run_again(tmp_path):
    log = tmp_path / "log"
    log.touch()

    def evaluate(arch):
        with log.open("a") as file:
            file.write(".")
        return {"val": toys.score(arch), "test": 0.0}

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    task = toys.task(evaluate)
    with pytest.raises(KeyboardInterrupt):
        compare([task], ["random"], tmp_path / "c", seeds=4, budget=6, callback=stop)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "c" / "cells").glob("[!.]*")}
    assert len(kept) >= 2
    assert all(path.suffix == ".parquet" for path in kept)
    found = compare([task], ["random"], tmp_path / "c", seeds=4, budget=6)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    # At most the search that ran when it was stopped, and the one after it, were begun twice.
    assert len(log.read_text()) <= (4 + 2) * 6
    again = compare([task], ["random"], tmp_path / "d", seeds=4, budget=6)
    assert again.results["val"].equals(found.results["val"])
    # Another budget is another search.
    found = compare([task], ["random"], tmp_path / "c", seeds=1, budget=5)
    assert found.results.num_rows == 5


def test_it_says_what_was_run_where_and_when(here, tmp_path, monkeypatch):
    methods, arguments = ["random", "local"], {"first_seed": 4, "budget": 2}
    compare([toys.known()], methods, tmp_path, seeds=1, workers=1, **arguments)
    first = json.loads((tmp_path / "run.json").read_text())
    assert (first["methods"], first["seeds"], first["first_seed"]) == (methods, 1, 4)
    assert (first["budget"], first["workers"]) == (2, 1)
    [task] = first["tasks"]
    assert (task["name"], task["objectives"]) == (toys.known().name, ["val=max"])
    assert first["command"] is None  # The task was made here: no command line names it.
    assert first["machine"]["cores"] >= 1
    assert {"processor", "system"} < set(first["machine"])
    for package in ("torch", "numpy", "scipy", "optuna"):
        assert first["versions"][package] == importlib.metadata.version(package)
    assert first["versions"]["optiproxy"] == optiproxy.__version__
    assert first["versions"]["python"] == platform.python_version()
    [here] = first["searches"]
    assert (here["searches"], here["machine"]) == (2, first["machine"])
    assert (here["methods"], here["versions"]) == (sorted(methods), first["versions"])
    assert here["commit"] == first["commit"]
    assert here["first"] <= here["last"] <= first["date"]
    # Two searches more on another machine; one that is kept has lost what it said.
    kept = next((tmp_path / "cells").iterdir())
    pq.write_table(pq.read_table(kept).replace_schema_metadata(None), kept)
    monkeypatch.setattr(environment, "processor", lambda: "another")
    found = compare([toys.known()], methods, tmp_path, seeds=2, workers=1, **arguments)
    second = json.loads((tmp_path / "run.json").read_text())
    assert second["machine"]["processor"] == "another"
    counts = {(of["machine"] or {}).get("processor"): of["searches"] for of in second["searches"]}
    assert counts == {None: 1, first["machine"]["processor"]: 1, "another": 2}
    assert found.results.schema.metadata is None


def test_kept_searches_have_the_commit_that_made_them(here, tmp_path, monkeypatch):
    for commit, methods in (("early", ["random"]), ("late", ["random", "local"])):
        found = {"commit": commit, "uncommitted_changes": False}
        monkeypatch.setattr(environment, "commit", lambda found=found: found)
        compare([toys.known()], methods, tmp_path, seeds=1, budget=2, workers=1)
    run = json.loads((tmp_path / "run.json").read_text())
    assert [(of["commit"], of["methods"]) for of in run["searches"]] == [
        ("early", ["random"]), ("late", ["local"])
    ]  # fmt: skip


def test_unknown_scores_in_a_method_are_told_before_the_first_search(here, tmp_path):
    with pytest.raises(InvalidValueError, match="features: got 'nothing'"):
        compare([toys.known()], ["random", "optiproxy[features=nothing]"], tmp_path, seeds=1)
    assert not list(tmp_path.glob("cells/*"))


def test_searches_of_a_changed_task_or_method_are_made_again(here, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    method = "own.py:Mine"
    own = tmp_path / "own.py"
    own.write_text("from optiproxy.baselines import RandomSearch\nclass Mine(RandomSearch): pass\n")
    file = tmp_path / "mine.py"
    file.write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({'a': [1, 2, 3]})\n"
        "task = op.Task('mine', space, lambda arch: arch['a'], objectives='x=max')\n"
    )

    def said(seeds, *, new, **options):
        """What is said, and how many searches were made `new`."""
        caplog.clear()
        made: list[int] = []
        methods = ["random", method]
        out = tmp_path / "out"
        compare([f"{file}:task"], methods, out, seeds=seeds, budget=2,
                callback=lambda done, total: made.append(done), **options)  # fmt: skip
        assert len(made) == new
        return [record.getMessage() for record in caplog.records]

    assert said(2, new=4) == said(2, new=0) == []
    file.write_text(file.read_text() + "# another evaluator\n")
    [kept] = said(2, new=0, keep_stale=True)
    assert kept == "mine: changed since 4 searches were made, which are kept (--keep-stale)"
    [again] = said(3, new=6)
    assert again == "mine: changed since 4 searches were made, which are made again"
    assert said(3, new=0) == []
    own.write_text(own.read_text() + "# another method\n")
    [again] = said(3, new=3)
    assert again == "own.py:Mine: changed since 3 searches were made, which are made again"


def test_tasks_with_unlike_metrics_failures_and_no_known_optimum(here, tmp_path):
    moody = toys.task(toys.moody)
    found = compare([moody, toys.known()], ["random"], tmp_path, seeds=2, budget=8)
    rows = found.results.to_pylist()
    assert all(math.isnan(r["regret"]) for r in rows if r["task"] == "toy")
    failed = [r for r in rows if r["val"] is None]
    assert failed
    assert not any(r["feasible"] for r in failed)
    assert math.isnan(found.summary[0].hit_rate)


@pytest.mark.slow
def test_each_search_has_one_thread(tmp_path):
    task = toys.task(lambda arch: {"val": 1.0, "threads": os.environ["OMP_NUM_THREADS"]})
    found = compare([task], ["random"], tmp_path, seeds=1, budget=1)
    assert found.results["threads"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": ["randon"]}, "did you mean 'random'"),
        ({"methods": []}, "methods"),
        ({"methods": ["random", "random"]}, "each once"),
        ({"seeds": 0}, "seeds"),
        ({"first_seed": -1}, "first seed"),
        ({"budget": 0}, "budget"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_input_runs_nothing(tmp_path, change, said):
    arguments = {"methods": ["random"], "seeds": 1, "budget": 2, **change}
    with pytest.raises(InvalidValueError, match=said):
        compare([toys.known()], arguments.pop("methods"), tmp_path / "c", **arguments)
    assert not (tmp_path / "c").exists()


def test_short_trainings_are_not_compared_with_full_ones(tmp_path):
    def evaluate(arch, epochs):
        return arch["a"] * epochs

    task = Task(
        "short", Chain({"a": [1, 2, 3]}), evaluate, objectives="x=max", fidelities=(1, 5)
    ).replaced(low_fidelity=1)
    with pytest.raises(InvalidValueError, match="tasks: short: low fidelity: got 1; compare full"):
        compare([task], ["random"], tmp_path / "out", seeds=1, budget=2)
    assert not (tmp_path / "out").exists()


def test_limits_that_no_row_of_a_table_meets_are_told(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("a,val\n1,5\n2,7\n")
    table = optiproxy.tasks.Table(Chain({"a": [1, 2]}), path, key=["a"], columns=["val"])
    with pytest.raises(
        InvalidValueError, match="no row of few meets it; the nearest values are val 5"
    ):
        compare([table], ["random"], tmp_path / "out", constraints="val<=3")
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_for_the_results(tmp_path):
    (tmp_path / "notes").touch()
    for place in ("notes", "notes/here"):
        with pytest.raises(InvalidValueError, match="it is a file, or in one"):
            compare([toys.known()], ["random"], tmp_path / place)


@pytest.mark.slow
def test_a_worker_that_dies_is_told(tmp_path):
    task = toys.task(lambda arch: os.abort())
    with pytest.raises(StudyError, match="a worker process died"):
        compare([task], ["random"], tmp_path, seeds=1, budget=2)


def test_budgets():
    assert budgets(100) == [25, 50, 100]
    assert budgets(10) == [3, 5, 10]
    assert budgets(1) == [1]


def test_a_method_with_a_model_of_ones_choice(tmp_path):
    task = toys.task()
    cells = [Cell(task, method, 0, 12) for method in ("optiproxy:mlp", "optiproxy:gp", "optiproxy")]
    assert len({cell.file(tmp_path) for cell in cells}) == 3
    mlp, gp, default = (cell.run() for cell in cells)
    assert set(mlp["method"].to_pylist()) == {"optiproxy:mlp"}
    # Alike in the random queries, and not in those that the model led.
    assert mlp["val"][:10] == gp["val"][:10]
    assert mlp["val"] != gp["val"]
    assert gp["val"] == default["val"]


def test_every_query_keeps_its_architecture_cost_and_failure(here, tmp_path):
    task = toys.task(toys.moody)
    rows = compare([task], ["random"], tmp_path, seeds=2, budget=12).results.to_pylist()
    for row in rows:
        arch = task.space.architecture(json.loads(row["architecture"]))
        assert task.space.architecture(row["text"]) == arch
        assert (row["failed"] is None) == (arch["norm"] is None)
        assert row["query_cost"] == 1
        assert row["cpu_seconds"] >= 0
        assert row["query_seconds"] >= 0
    assert [row["spent"] for row in rows] == 2 * list(range(1, 13))
    assert {row["failure_kind"] for row in rows} == {None, "oom", "nan"}


def test_the_summary_has_what_validation_chose(here, tmp_path):
    found = compare([toys.known()], ["random"], tmp_path, seeds=3, budgets=[5, 20])
    with (tmp_path / "summary.csv").open() as file:
        summary = list(csv.DictReader(file))
    assert [row["budget"] for row in summary] == ["5", "20"]
    for row in summary:
        rows = [r for r in found.results.to_pylist() if r["query"] <= int(row["budget"])]
        best = [max((r for r in rows if r["seed"] == s), key=lambda r: r["val"]) for s in range(3)]
        assert float(row["test"]) == pytest.approx(np.mean([r["test"] for r in best]))
        assert float(row["test_std"]) == pytest.approx(np.std([r["test"] for r in best], ddof=1))
    assert found.results.num_rows == 3 * 20


def test_all_methods_may_propose_alike(here, tmp_path):
    methods = ["climber", "random"]
    compare([toys.known()], methods, tmp_path, seeds=2, budget=7)
    run = json.loads((tmp_path / "run.json").read_text())
    # The last batch is cut by the budget.
    assert run["batches"] == {"climber": [1, 3], "random": [1]}
    compare([toys.known()], methods, tmp_path, seeds=1, budget=6, batch=2)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["batches"] == {"climber": [2], "random": [2]}
    assert run["batch"] == 2
    assert set(run["seconds"]["known"]["climber"]) == {"0"}
    assert {"commit", "uncommitted_changes", "packages"} <= set(run)


def test_at_equal_cost_cheap_queries_are_more(here, tmp_path):
    """A query costs its width, 8 to 32, instead of one."""
    found = compare(
        [toys.task()], ["random", "climber"], tmp_path, seeds=2, cost="cost", cost_budget=100
    )
    assert (found.by, found.unit) == ("spent", "cost")
    assert [row.budget for row in found.summary[:3]] == [25, 50, 100]
    rows = found.results.to_pylist()
    for method in ("random", "climber"):
        for seed in (0, 1):
            own = [r for r in rows if (r["method"], r["seed"]) == (method, seed)]
            assert [r["query_cost"] for r in own] == [r["cost"] for r in own]
            assert own[-1]["spent"] >= 100 > own[-2]["spent"]
    for row in found.summary:
        ends = [
            max(
                (r for r in rows if (r["method"], r["seed"]) == (row.method, seed)
                 and r["spent"] <= row.budget),
                key=lambda r: r["query"],
            )["best"]
            for seed in (0, 1)
        ]  # fmt: skip
        assert row.mean == pytest.approx(np.mean(ends))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"budgets": [0, 5]}, "budgets: got .0, 5."),
        ({"budgets": [5, 20], "budget": 10}, "none above the budget of 10 queries"),
        ({"cost": "val"}, "cost_budget: got None"),
        ({"cost_budget": 3}, "give a cost, too"),
        ({"batch": 0}, "batch: got 0"),
        ({"methods": ["optiproxy[n_inti=5]"]}, "setting: got 'n_inti'; did you mean 'n_init'"),
        ({"methods": ["optiproxy[n_init=1]"]}, "n_init: got 1"),
        ({"methods": ["optiproxy[n_init=few]"]}, "give a number, such as the default, 10"),
        ({"methods": ["random[n_init"]}, "give a name, or name.setting=value"),
        ({"methods": ["study_toys:Cimber"]}, "did you mean 'Climber'"),
        ({"methods": ["study_toys:SPACE"]}, "name a subclass of optiproxy.search.Optimizer"),
    ],
)
def test_options_that_can_not_be_meant_run_nothing(tmp_path, change, said):
    arguments = {"methods": ["random"], "seeds": 1, **change}
    with pytest.raises(InvalidValueError, match=said):
        compare([toys.known()], arguments.pop("methods"), tmp_path / "c", **arguments)
    assert not (tmp_path / "c").exists()


def test_settings_of_a_method_make_another_search(tmp_path):
    short = "optiproxy:gp[n_init=5,acquisition=mean+optimism]"
    cells = [Cell(toys.task(), method, 0, 9) for method in (short, "optiproxy:gp")]
    assert len({cell.file(tmp_path) for cell in cells}) == 2
    five, ten = (cell.run() for cell in cells)
    assert five["val"] != ten["val"]
    assert set(five["method"].to_pylist()) == {short}


def test_a_study_takes_a_method_of_ones_own():
    study = Study(toys.task(), method="study_toys:Climber", seed=1)
    study.run(6)
    other = Study(toys.task(), method="climber", seed=1)
    other.run(6)
    assert [q.architecture for q in study.queries] == [q.architecture for q in other.queries]


def test_no_cell_of_a_csv_is_a_formula():
    from optiproxy.study.comparison import csv_files

    for value, cell in (("=1+1", "'=1+1"), ("@x", "'@x"), ("-x", "'-x"), (-1.5, -1.5), ("a", "a")):
        assert csv_files._cell(value) == cell
