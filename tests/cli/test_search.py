"""``optiproxy search`` and ``resume``: the answer, the summary, the files, and going on."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
import time

import pytest

from optiproxy.cli._run_study import default_storage
from optiproxy.cli.app import run
from optiproxy.study import Study


def course(answer):
    return [(entry["architecture"], entry["metrics"]) for entry in answer["trajectory"]]


def test_json_is_one_object_whatever_the_evaluator_prints(answer):
    found = answer("search", "mine.py:task", "--budget", 8, "--method", "random", "--seed", 3)
    assert list(found) == [
        "task", "method", "proxy", "seed", "budget", "queries", "best", "trajectory", "pareto",
        "seconds",
    ]  # fmt: skip
    assert (found["task"], found["method"], found["proxy"]) == ("mine", "random", None)
    assert (found["seed"], found["budget"], found["queries"]) == (3, 8, 8)
    assert [entry["query"] for entry in found["trajectory"]] == list(range(1, 9))
    for entry in found["trajectory"]:
        assert set(entry) == {
            "query", "architecture", "metrics", "feasible", "cost", "worker",
        }  # fmt: skip
        assert set(entry["architecture"]) == {"depth", "width", "norm"}
        assert set(entry["metrics"]) == {"val", "test", "params"}
        assert entry["feasible"] is True
    best = max(found["trajectory"], key=lambda entry: entry["metrics"]["val"])
    assert found["best"] == {k: best[k] for k in ("architecture", "metrics")}
    assert found["pareto"] == []
    assert found["seconds"]["total"] >= found["seconds"]["oracle"] > 0


def test_a_table_stays_in_memory_and_a_training_is_stored(answer, folder):
    answer("search", "mine.py:table", "--budget", 3, "--method", "random")
    assert [path.name for path in folder.glob("*.journal")] == []
    answer("search", "mine.py:table", "--budget", 3, "--method", "random", "--storage", "t.journal")
    answer("search", "mine.py:task", "--budget", 3, "--method", "random")
    assert {path.name for path in folder.glob("*.journal")} == {
        "t.journal", "mine-random-0.journal",
    }  # fmt: skip


def test_options_reach_the_search(answer):
    found = answer(
        "search", "mine.py:table", "--budget", 20, "--method", "random",
        "--objective", "val=max", "--objective", "params=min", "--constraint", "params<=24000",
    )  # fmt: skip
    assert len(found["pareto"]) >= 1
    assert found["best"]["metrics"]["params"] <= 24000
    assert {e["feasible"] for e in found["trajectory"]} == {True, False}
    for entry in found["trajectory"]:
        assert entry["feasible"] == (entry["metrics"]["params"] <= 24000)


def test_the_summary_and_the_files(folder, capfd):
    import torch

    search = ["search", "mine.py:task", "--budget", "12", "--method", "random"]
    assert run(search) == 0
    assert "network" not in capfd.readouterr().out  # Its evaluator kept none.
    (folder / "mine-random-0.journal").unlink()
    assert run([*search, "--retrain"]) == 0
    out, err = capfd.readouterr()
    assert "./mine-random-0.journal" in err.splitlines()[0]
    assert "12/12 queries, best val" in err
    for line in (
        "space    Chain(3 choices, 32 architectures)", "goal     val=max",
        "method   random, seed 0", "budget   12 queries, 1 at a time",
        "time     known after the first evaluations",
    ):  # fmt: skip
        assert line in err.splitlines()
    assert out.startswith("\nmine: 12 queries by random, seed 0\nbest: ")
    for text in (
        "(only reported)", "the median of the 12 random architectures", "time: ",
        "mine-random-0.journal", "mine-random-0.html", "mine-random-0.png", "mine-random-0.pt",
    ):  # fmt: skip
        assert text in out
    assert (folder / "mine-random-0.png").read_bytes().startswith(b"\x89PNG")
    kept = torch.load(folder / "mine-random-0.pt", weights_only=True)
    assert set(kept) == {"state_dict", "weights", "architecture", "task", "metrics"}
    assert kept["weights"] == "trained"
    assert kept["state_dict"]["weight"].shape == (1, kept["architecture"]["width"])
    names = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    stem = "mine-random-0"
    assert names == {"mine.py", *(f"{stem}.{end}" for end in ("journal", "html", "png", "pt"))}


def test_what_a_search_will_take_is_estimated_from_what_it_took(folder, capfd, monkeypatch):
    monkeypatch.setenv("MINE_SECONDS", "0.1")
    assert run(["search", "mine.py:task", "--budget", "2", "--method", "random"]) == 0
    capfd.readouterr()
    monkeypatch.setenv("MINE_SECONDS", "0")
    more = ["--budget", "4", "--time-limit", "5m", "--hours", "1"]
    assert run(["resume", "mine-random-0", *more]) == 0
    err = capfd.readouterr().err
    assert re.search(r"time     about \d+ ms: 2 evaluations of 1\d\d ms\n", err)
    assert "4 queries, 1 at a time, at most 5m each, at most 1 h in all\n" in err


def test_a_time_limit_that_does_not_hold_is_told(folder, capfd):
    limited = "from mine import OPTIONS, evaluate, op, space\n"
    limited += "task = op.Task('limited', space, evaluate, time_limit='5m', **OPTIONS)\n"
    (folder / "limited.py").write_text(limited)
    command = ["search", "limited.py:task", "--method", "random", "--json", "--budget"]
    assert run([*command, "1"]) == 0
    err = capfd.readouterr().err
    assert "1 queries, 1 at a time, at most 5m each\n" in err
    assert "does not hold" not in err
    assert run([*command, "2", "--in-process"]) == 0
    err = capfd.readouterr().err
    assert "2 queries, 1 at a time\n" in err
    assert "the time limit of 5m does not hold" in err


def test_what_was_found_is_one_screen(folder, capfd):
    (folder / "big.py").write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({f'layer{i}': [1, 2, 3] for i in range(60)})\n"
        "evaluate = lambda arch: {'a': arch['layer0'] + arch['layer1'] / 9,\n"
        "                         'b': arch['layer0'] + arch['layer2'] / 9}\n"
        "task = op.Task('big', space, evaluate, objectives=['a=max', 'b=min'], in_memory=True)\n"
    )
    assert run(["search", "big.py:task", "--budget", "40", "--method", "random"]) == 0
    out = capfd.readouterr().out
    assert "… and 44 more lines" in out
    lines = out.splitlines()
    assert len(lines) < 45
    # The best architecture is whole, so that it can be copied; those of the front are cut.
    assert sum(len(line) > 200 for line in lines) == 1


def test_several_objectives_leave_a_figure_of_the_front(folder, capfd):
    goals = ["--objective", "val=max", "--objective", "params=min"]
    assert run(["search", "mine.py:task", "--budget", "12", "--method", "random", *goals]) == 0
    out = capfd.readouterr().out
    assert "mine-random-0-front.png" in out
    # The front is told along the first objective, best first.
    values = [float(value) for value in re.findall(r"^  val (\S+), params", out, re.M)]
    assert len(values) > 1
    assert values == sorted(values, reverse=True)
    assert (folder / "mine-random-0-front.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_command_goes_on_and_resume_extends(answer):
    command = ("search", "mine.py:task", "--method", "evolution")
    first = answer(*command, "--budget", 6)
    again = answer(*command, "--budget", 6)
    assert course(again) == course(first)
    assert again["seconds"] == first["seconds"]
    more = answer("resume", "mine-evolution-0", "--budget", 12)
    assert more["budget"] == 12
    whole = answer(*command, "--budget", 12, "--name", "other")
    assert course(more) == course(whole)
    assert answer("resume", "mine-evolution-0")["queries"] == 12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "method"),
    [
        (signal.SIGINT, "evolution"),
        (signal.SIGTERM, "evolution"),
        (signal.SIGKILL, "optiproxy"),
    ],
)
def test_stopped_and_resumed(start, answer, folder, monkeypatch, stop, method):
    monkeypatch.setenv("MINE_SECONDS", "0.1")
    command = ["search", "mine.py:task", "--budget", 12, "--method", method]
    process = start(*command)
    journal = folder / f"mine-{method}-0.journal"
    end = time.monotonic() + 60
    while not journal.exists() or journal.read_text().count('"optiproxy:seconds"') < 5:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(stop)
    _, err = process.communicate(timeout=30)
    if stop is not signal.SIGKILL:
        assert process.returncode == 130
        assert f"go on with: optiproxy resume mine-{method}-0" in err
        assert "Traceback" not in err
    monkeypatch.setenv("MINE_SECONDS", "0")
    resumed = answer("resume", f"mine-{method}-0")
    assert resumed["queries"] == resumed["budget"] == 12
    whole = answer(*command, "--storage", "whole.journal")
    assert course(resumed) == course(whole)


@pytest.mark.slow
def test_two_workers(answer):
    found = answer("search", "mine.py:task", "--budget", 8, "--method", "random", "--workers", 2)
    assert found["queries"] == 8
    assert len({json.dumps(e["architecture"]) for e in found["trajectory"]}) == 8


def test_all_failed(answer, folder, capfd):
    found = answer("search", "mine.py:failing", "--budget", 11, "--method", "random", code=1)
    assert found["best"] is None
    assert found["trajectory"][0]["failed"] == "ValueError: the data are gone"
    assert found["trajectory"][0]["metrics"] == {}
    assert run(["search", "mine.py:failing", "--budget", "3", "--method", "random"]) == 1
    out, _ = capfd.readouterr()
    assert "no evaluation succeeded" in out
    assert "failed: 3 of 3 evaluations: ValueError: the data are gone" in out


def test_nothing_feasible_and_a_used_up_space(folder, capfd):
    arguments = ["--method", "random", "--budget", "40"]
    assert run(["search", "mine.py:table", *arguments, "--constraint", "params<=10"]) == 0
    out, err = capfd.readouterr()
    assert "none of the 32 measured ones has params <= 10" in out
    assert "the nearest params is 8,000" in out
    assert "not kept: --storage ./table-random-0.journal stores it" in out
    assert "note: the space is used up" in err


def test_a_limit_that_nothing_meets_by_its_exact_metric(folder, capfd):
    (folder / "strict.py").write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({'a': [1, 2, 3]})\n"
        "size = op.Metric('size', lambda arch: arch['a'], exact=True)\n"
        "task = op.Task('strict', space, lambda arch: 1e302, objectives='val=max',\n"
        "               in_memory=True, constraints='size<=0', metrics=[size])\n"
    )
    assert run(["search", "strict.py:task"]) == 1
    out, err = capfd.readouterr()
    assert "none that has size <= 0 could be proposed" in out
    assert "no architecture within size <= 0 was found (the nearest size is 1): change" in err
    both = ["--constraint", "size<=1.5", "--constraint", "size>=1.2"]
    assert run(["search", "strict.py:task", *both]) == 1
    assert "was found (some meet each, none all)" in capfd.readouterr().err
    assert run(["search", "strict.py:task", "--constraint", "size<=1"]) == 0
    out = capfd.readouterr().out
    assert "val   1e+302" in out
    assert "size  1 <= 1\n" in out


def test_letters_of_all_languages_stay_in_file_names():
    assert default_storage("täsk/1 – 搜索") == "./täsk-1-搜索.journal"


def test_a_reason_of_several_lines_is_told_in_one(folder, capfd):
    (folder / "lines.py").write_text(
        "import optiproxy as op\n"
        "def evaluate(arch):\n"
        "    raise RuntimeError('no kernel\\n  for this\\ndevice')\n"
        "task = op.Task('lines', op.spaces.Chain({'a': [1, 2]}), evaluate, objectives='v=max')\n"
    )
    assert run(["search", "lines.py:task", "--method", "random"]) == 1
    out, err = capfd.readouterr()
    said = "RuntimeError: no kernel for this device"
    assert f"failed: 2 of 2 evaluations: {said}\n" in out
    assert f"2 of them: {said})\n" in out
    assert f"2 of them: {said})\n" in err


LOUD = """
import os
import optiproxy as op
from torch import nn

print("reading the data set", flush=True)
os.write(1, b"a library written in C\\n")


def train(arch, seed):
    raise RuntimeError("out of memory")


task = op.Task(
    "loud", op.spaces.Chain({"a": [1, 2]}), lambda arch: float(arch["a"]), objectives="v=max",
    build=lambda arch: nn.Identity(), train=train,
)
"""


def test_a_file_that_prints_when_it_is_read(folder, answer, capfd):
    (folder / "loud.py").write_text(LOUD)
    found = answer("search", "loud.py:task", "--method", "random")
    assert course(answer("resume", "loud-random-0")) == course(found)
    assert run(["report", "loud-random-0", "--out", "r.html"]) == 0
    assert capfd.readouterr().out == "r.html\n"


@pytest.mark.slow
def test_what_was_found_is_told_although_the_network_can_not_be_trained_again(folder, capfd):
    (folder / "loud.py").write_text(LOUD)
    assert run(["search", "loud.py:task", "--method", "random", "--retrain"]) == 1
    out, err = capfd.readouterr()
    assert 'best: {"a": 2}' in out
    assert "loud-random-0.png" in out
    assert "error: RuntimeError: out of memory" in err


@pytest.mark.parametrize(
    "named",
    [
        "--method=own.py:Own", "--proxy=own.py:Model",
        "--method=own_methods:Own", "--proxy=own_package.models:Model",
    ],
)  # fmt: skip
def test_a_method_or_proxy_of_one_s_own_is_found_from_another_folder(
    folder, tmp_path, monkeypatch, named
):
    (folder / "own_package").mkdir()
    (folder / "own_package" / "__init__.py").touch()
    for file in ("own.py", "own_methods.py", "own_package/models.py"):
        (folder / file).write_text(
            "from optiproxy.baselines import RandomSearch as Own\n"
            "from optiproxy.proxies import GaussianProcess as Model\n"
        )
    path = list(sys.path)

    def forget():
        """As in another process."""
        monkeypatch.setattr(sys, "path", list(path))
        for name in [name for name in sys.modules if name.startswith("own_")]:
            del sys.modules[name]

    where = ["--storage", str(folder / "s.journal")]
    command = ["search", "mnist1d-table", named, "--name", "n", "--budget"]
    assert run([*command, "2", *where]) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    forget()
    assert run(["resume", "n", "--budget", "4", *where]) == 0
    forget()
    shutil.copytree(folder, elsewhere, dirs_exist_ok=True)  # As on another machine.
    shutil.rmtree(folder)
    assert run(["resume", "n", "--budget", "6", "--storage", "s.journal"]) == 0
    assert len(Study.load("n", "s.journal").queries) == 6
    forget()


def test_evaluations_that_confirm_the_best_are_told_before_and_after(folder, capfd):
    (folder / "noisy.py").write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({'a': [1, 2, 3], 'b': [1, 2, 3]})\n"
        "def evaluate(arch, seed):\n"
        "    return float(arch['a'] + seed % 2)\n"
        "task = op.Task('noisy', space, evaluate, objectives='x=max', noise='repeat')\n"
    )
    search = ["search", "noisy.py:task", "--budget", "6", "--confirm", "2", "--method", "random"]
    assert run(search) == 0
    out, err = capfd.readouterr()
    assert "budget   6 evaluations, the last 2 to confirm the best, 1 at a time" in err.splitlines()
    assert out.startswith("\nnoisy: 4 queries and 2 repeats by random, seed 0\n")
    assert run(["status", "noisy-random-0"]) == 0
    said = "4 queries, 2 repeats, 0 stopped early, 0 failed: 6 of a budget of 6\ndone\n"
    out, _ = capfd.readouterr()
    assert said.splitlines()[0] in out
    assert run(["resume", "noisy-random-0", "--budget", "7"]) == 0
    out, err = capfd.readouterr()
    assert "1 evaluation of" in err
    assert out.startswith("\nnoisy: 5 queries and 2 repeats by random, seed 0\n")
