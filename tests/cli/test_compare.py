"""``optiproxy compare``: its files, what it prints, and what it claims of few seeds."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import signal
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optiproxy import report
from optiproxy.cli import _comparison_text as printed
from optiproxy.cli import compare as command
from optiproxy.cli.app import run
from optiproxy.spaces import Chain
from optiproxy.study import Comparison
from optiproxy.study.comparison.labels import labels
from optiproxy.study.comparison.run import Cell
from optiproxy.tasks import Task

FEW = "fewer than 20 seeds"
TOO_FEW = "no difference on a single task can be significant"


def _comparison(
    seeds: int, tasks: int = 1, gain: float = 1.0, names: tuple[str, str] = ("a", "b")
) -> Comparison:
    """Method `a` is better than `b` by `gain` on every seed of every task."""
    rows = [
        (f"task{task}", method, seed, 1, best, 100 - best, 0.25)
        for task in range(tasks)
        for method, shift in zip(names, (gain, 0.0), strict=True)
        for seed in range(seeds)
        for best in [50 + seed + shift]
    ]
    columns = ("task", "method", "seed", "query", "best", "regret", "optimizer_seconds")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(columns)})
    said = report.analyse(table, [1])
    return Comparison(table, said.summary, said.differences, said.ranks)


@pytest.mark.slow
def test_writes_its_files_and_prints_a_table_a_task(folder, capfd):
    (folder / "own.py").write_text("from optiproxy.baselines import LocalSearch as My_Local\n")
    methods = ["--methods", "random,own.py:My_Local"]
    arguments = ["mine.py:table", *methods, "--seeds", "2", "--budget", "8"]
    asked = ["--out", "out", "--workers", "1", "--report", "out/comparison.html"]
    assert run(["compare", *arguments, *asked]) == 0
    out, err = capfd.readouterr()
    page = (folder / "out/comparison.html").read_text("utf-8")
    assert "random has the best mean rank" in page or "My_Local has the best mean rank" in page
    assert "optiproxy compare mine.py:table" in page
    assert FEW in page
    assert "comparison.html" in err
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {
        "cells", "comparison.html", "results.parquet", "summary.csv", "tests.csv", "ranks.csv",
        "run.json",
        *(f"{name}.{suffix}" for name in ("convergence", "ranks") for suffix in command.FIGURES),
    }  # fmt: skip
    assert len(list((folder / "out" / "cells").iterdir())) == 4
    assert json.loads((folder / "out" / "run.json").read_text())["command"] == (
        "optiproxy compare mine.py:table --methods random,own.py:My_Local --seeds 2 --first-seed 0 "
        "--budget 8 --workers 1 --out out"
    )
    assert "Traceback" not in err
    for name in names - {"cells"}:
        assert f"out/{name}" in err
    lines = [line.strip() for line in out.splitlines()]
    # The optimum of a user's own task is unknown.
    assert lines[0] == "table: best ± std, search overhead; 2 seeds"
    assert "queries 2 4 8" in [" ".join(line.split()) for line in lines]
    assert [line.split()[0] for line in lines[3:8] if "±" in line] == ["random", "My_Local"]
    assert ",own.py:My_Local," in (folder / "out" / "summary.csv").read_text()
    assert len(re.findall(r"0\.\d+ ± \S+", out)) == 2 * 3
    assert FEW in out
    assert TOO_FEW in out
    # The rows of the table stand unfolded in 80 columns.
    assert max(map(len, lines[:8])) <= 80


@pytest.mark.slow
def test_several_objectives_are_told_as_a_share_of_the_hypervolume(folder, capfd):
    arguments = ["mnist1d-table", "--methods", "random,nsga2", "--seeds", "2", "--budget", "8"]
    goals = ["--objective", "val_accuracy=max", "--objective", "latency_ms=min"]
    assert run(["compare", *arguments, *goals, "--out", "out", "--workers", "1"]) == 0
    title = capfd.readouterr().out.splitlines()[0]
    assert title.startswith("mnist1d-table: share of the hypervolume missed ± std, whole front")
    missed = pq.read_table(folder / "out" / "results.parquet")["regret"].to_pylist()
    assert all(0 < share <= 1 for share in missed)


def finished(cells):
    """The searches that are kept; what a killed worker was writing begins with a dot."""
    return [path for path in cells.glob("*") if not path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_how_to_go_on_and_does(start, folder, monkeypatch, stop):
    monkeypatch.setenv("MINE_SECONDS", "0.1")
    arguments = ["mine.py:table", "--methods", "random,local", "--seeds", 3, "--budget", 8]
    command = ["compare", *arguments, "--out", "out", "--workers", 1]
    process, cells = start(*command), folder / "out" / "cells"
    end = time.monotonic() + 60
    while not finished(cells):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(stop)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("stopped; finished searches are kept, and the same")
    kept = {path: path.stat().st_mtime_ns for path in finished(cells)}
    assert 0 < len(kept) < 6
    monkeypatch.setenv("MINE_SECONDS", "0")
    assert start(*command).wait(60) == 0
    assert len(finished(cells)) == 6
    assert all(path.stat().st_mtime_ns == changed for path, changed in kept.items())


def test_what_a_search_warns_of_is_told_with_its_name(caplog):
    task = Task("broken", Chain({"a": [1, 2, 3]}), lambda arch: 1 / 0, objectives="x=max")
    Cell(task, "random", 7, 3).run()
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith("broken, random, seed 7: no evaluation succeeded (3 so far")


def test_methods_of_one_s_own_are_called_by_their_class():
    names = labels(
        [
            "mine.py:My_Method", "my_module.methods:Other[n=1]", "optiproxy:/b.py:Model[n_init=3]",
            "optiproxy:gp:path[n_init=5]", "random", "a/x.py:Same", "b/x.py:Same", "x.py:M:gp",
            "m.py:Many, synchronous",
        ]
    )  # fmt: skip
    assert list(names.values()) == [
        "My_Method", "Other[n=1]", "optiproxy:Model[n_init=3]", "optiproxy:gp:path[n_init=5]",
        "random", "a/x.py:Same", "b/x.py:Same", "M:gp", "Many, synchronous",
    ]  # fmt: skip
    found = _comparison(2, names=("a", "~/my_methods.py:My_Method")).labelled()
    assert set(found.results["method"].to_pylist()) == {"a", "My_Method"}
    assert [row.method for row in found.summary] == ["a", "My_Method"]
    assert [row.method_b for row in found.differences] == ["My_Method"]
    assert {row.method for row in found.ranks} == {"a", "My_Method"}
    assert r"My\_Method & " in report.summary_table(found.summary, "latex")


@pytest.mark.slow
def test_one_method_is_told_without_a_comparison(folder, capfd):
    arguments = ["mine.py:table", "--methods", "random", "--seeds", "2", "--budget", "2"]
    assert run(["compare", *arguments, "--out", "out", "--workers", "1"]) == 0
    out, err = capfd.readouterr()
    assert not (folder / "out" / "ranks.png").exists()
    assert "ranks.png" not in err
    assert "signed-rank" not in out
    assert "mean ranks" not in out


def test_a_line_for_each_significant_difference():
    lines = list(printed.statements(_comparison(20)))
    assert lines[0] == "task0, 1 queries: a better than b (mean difference 1, p < 1e-4)"
    assert lines[1].startswith("(p: exact signed-rank test")
    assert lines[2].startswith("mean ranks, 1 queries: a 1.00, b 2.00 (critical difference 0.44")
    assert len(lines) == 3
    [line, *_] = printed.statements(_comparison(20, gain=-1))
    assert line == "task0, 1 queries: a worse than b (mean difference -1, p < 1e-4)"
    lines = list(printed.statements(_comparison(20, tasks=2)))
    assert [line.split(",")[0] for line in lines[:3]] == ["task0", "task1", "all 2 tasks"]
    assert "a better than b (the better mean on 2 of 2, p <" in lines[2]
    [line, *_] = printed.statements(_comparison(20, gain=0))
    assert line == "a does not differ significantly from any other method"


@pytest.mark.parametrize(
    ("seeds", "said"), [(5, [FEW, TOO_FEW]), (6, [FEW]), (19, [FEW]), (20, [])]
)
def test_few_seeds_are_told(seeds, said):
    """Six seeds on one side have p = 2 / 64: the least that one comparison can show."""
    notes = [line for line in printed.statements(_comparison(seeds)) if line.startswith("note:")]
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))


def test_cells_of_the_table(capsys):
    printed.print_comparison(_comparison(20))
    out = capsys.readouterr().out
    assert out.startswith("task0: regret ± std, optimum found, search overhead; 20 seeds\n")
    # Regrets of a: 49 down to 30.
    assert "39.5 ± 5.92" in out
    assert "0 %, 0.25 s" in out
    row = printed._cell(_comparison(20).summary[0], known=True)
    assert row == ("39.5 ± 5.92", "0 %, 0.25 s")


def test_median_queries_stand_beside_the_budgets(capsys):
    printed.print_comparison(_comparison(20))  # The best regret is 30: nobody comes near.
    assert "median queries" in capsys.readouterr().out
    row = dataclasses.replace(
        _comparison(2).summary[0], budget=100, queries_to_optimum=math.inf,
        queries_to_near_optimum=31.0,
    )  # fmt: skip
    assert printed._medians(row) == ("over 100", "31 to 0.1 %")


def test_a_model_that_is_none_is_told_before_anything_runs(folder, refused):
    arguments = ["compare", "mine.py:table", "--methods"]
    assert "did you mean 'mlp'" in refused(*arguments, "random,optiproxy:mpl")
    assert "the method 'random' has none" in refused(*arguments, "random:gp")
    assert not (folder / "comparison").exists()


def test_nothing_feasible_is_one_dash():
    row = dataclasses.replace(_comparison(2).summary[0], seconds=1, mean=math.nan, std=math.nan)
    assert printed._cell(row, known=True) == ("–", "1 s")
    first, *_ = printed.caution(dataclasses.replace(_comparison(20), summary=(row,)))
    assert first == "note: –: not every seed had a result that is no failure and keeps the limits"
    assert not list(printed.caution(_comparison(20)))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00123, "0.0012 s"), (2.94, "2.9 s"), (123.4, "123 s"), (9.96, "10 s")]
)
def test_seconds_are_written_out(seconds, text):
    row = dataclasses.replace(_comparison(2).summary[0], seconds=seconds, mean=math.pi)
    assert printed._cell(row, known=False) == ("3.14159 ± 0.707", text)
