"""The command line as a whole: help, speed of its imports, errors in one line."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from importlib.metadata import EntryPoint

import pytest

import optiproxy
from optiproxy.cli import _plugins, app
from optiproxy.cli.app import run
from optiproxy.methods import METHODS
from optiproxy.proxies import PROXIES

COMMANDS = [
    "tasks", "search", "resume", "worker", "report", "watch", "export", "compare", "init", "data",
]  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["search", "--help"], []])
def test_help_loads_nothing_heavy(arguments):
    script = (
        f"import sys; from optiproxy.cli.app import run; code = run({arguments!r}); "
        "heavy = {'torch', 'optuna', 'numpy', 'pyarrow', 'matplotlib', 'scipy', 'pydantic'}; "
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == "0 []\n"


def test_help_teaches(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"optiproxy {command}" in out or command in out for command in COMMANDS)
    for command in (*COMMANDS[:-1], "data add", "data list"):
        assert run([*command.split(), "--help"]) == 0
        out = capsys.readouterr().out
        assert f"Usage: optiproxy {command}" in out
    assert run(["search", "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("--budget", "--method", "--proxy", "--seed", "--objective", "--constraint",
                   "--storage", "--name", "--workers", "--dask", "--json"):  # fmt: skip
        assert option in out
    # What is registered is told, but for extras.
    own = [name for name, target in METHODS._all().items() if target.startswith("optiproxy.")]
    for name in (*own, *PROXIES.names()):
        assert re.search(rf"\b{name}\b", out), name
    assert "--no-json" not in out
    assert "Examples:" in out


def test_nothing_asked_shows_how_to_start(capsys):
    assert run([]) == 0
    out = capsys.readouterr().out
    commands = re.findall(r"^  optiproxy (\w+)", out, re.M)
    assert commands == ["search", "watch", "init"]
    assert len(out.splitlines()) < 12


def test_the_options_of_a_search_are_grouped(capsys):
    assert run(["search", "--help"]) == 0
    out = capsys.readouterr().out
    groups = re.split(r"─ ([\w ]+) ─+╮", out)[1:]
    titles, bodies = groups[::2], groups[1::2]
    assert titles == ["Arguments", "What is searched", "Limits", "How", "Where"]
    for option, title in {"--objective": "What is searched", "--budget": "Limits",
                          "--time-limit": "Limits", "--proxy": "How", "--gpus": "How",
                          "--storage": "Where", "--json": "Where"}.items():  # fmt: skip
        assert f"│ {option} " in bodies[titles.index(title)]


def test_descriptions_flow_to_the_width_of_the_terminal(capsys):
    assert run(["search", "--help"]) == 0
    assert "torch on this machine, or a command for another device" in capsys.readouterr().out


def test_help_names_what_plug_ins_add(capsys, monkeypatch):
    point = EntryPoint("climb", "climbing:Climb", "optiproxy.methods")
    monkeypatch.setattr(
        _plugins, "entry_points", lambda group: [point] if group == point.group else []
    )
    assert run(["search", "--help"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Added by installed packages:\n\n  --method +climb\n", out)
    monkeypatch.setattr(_plugins, "entry_points", lambda group: [])
    assert run(["search", "--help"]) == 0
    assert "installed packages:" not in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell):
    script = app.make_app().generate_completion(shell=shell)
    for word in ("search", "watch", "compare", "--budget", "--constraint"):
        assert word.lstrip("-") in script


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == optiproxy.__version__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serch", "x"], 'Did you mean "search"?'),
        (["search", "mine.py:task", "--bugdet", "3"], "Did you mean --budget?"),
        (["search", "mine.py:task", "--budget", "many"], "--budget"),
        (["search", "mine.py:task", "--budget", "1.5"], '--budget: unable to convert "1.5"'),
        (["search"], "TASK"),
        (["search", "mine.py:task", "--budget", "0"], "budget: got 0; give a whole number of 1"),
        (["search", "mine.py:task", "--workers", "0"], "workers: got 0"),
        (["search", "mine.py:task", "--seed", "-1"], "seed: got -1"),
        (["search", "mine.py:task", "--method", "randon"], "did you mean 'random'?"),
        (["search", "mine.py:task", "--proxy", "gnc"], "did you mean 'gcn'"),
        (["search", "mine.py:task", "--method", "random", "--proxy", "gp"], "has none"),
        (["search", "mine.py:task", "--objective", "vall=max"], "did you mean 'val'"),
        (["search", "mine.py:task", "--objective", "val=up"], "max or min"),
        (["search", "mine.py:task", "--objective", "test=max"], "only reported"),
        (["search", "mine.py:task", "--constraint", "parms<=3"], "did you mean 'params'"),
        (["search", "mine.py:task", "--constraint", "params=3"], "METRIC<=NUMBER"),
        (["search", "nb201-cifar1O"], "did you mean 'nb201-cifar10'"),
        (["search", "mine.py:tsk"], "did you mean 'task'"),
        (["search", "nine.py:task"], "mine.py"),
        (["search", "mine.py"], "mine.py:task"),
        (["compare", "mine.py:table", "--methods", "random,randon"], "did you mean 'random'"),
        (["compare", "mine.py:table", "--seeds", "0"], "seeds"),
        (["compare", "mine.py:table", "--report", "no/c.html"], "its folder does not exist"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(refused, folder, arguments, said):
    assert said in refused(*arguments)
    assert [p.name for p in folder.iterdir() if p.name != "__pycache__"] == ["mine.py"]


def test_what_is_missing_is_told(refused, folder):
    assert "no file './nothing.journal'" in refused("resume", "nothing", code=1)
    assert "optiproxy data add" in refused("search", "nb201-cifar10", "--budget", "2", code=1)
    assert "no published table" in refused("data", "add", folder, code=1)
    assert not list(folder.glob("*.journal"))


def test_another_search_under_the_same_name_is_refused(refused, capsys):
    arguments = ["search", "mine.py:task", "--method", "random", "--budget", "2", "--name", "one"]
    assert run(arguments) == 0
    capsys.readouterr()
    assert "seed: 0 there, 1 here" in refused(*arguments, "--seed", "1", code=1)
    assert "did you mean 'one'" in refused("resume", "ona", "--storage", "one.journal", code=1)


def test_a_traceback_only_for_debug(monkeypatch, refused):
    def broken():
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(app, "make_app", lambda: lambda *a, **k: broken())
    said = refused("tasks", code=1)
    line = broken.__code__.co_firstlineno + 1
    place = f"{os.path.relpath(__file__)}, line {line}"
    assert said == f"error: ZeroDivisionError: division by zero ({place}; run again with --debug)"
    with pytest.raises(ZeroDivisionError):
        run(["tasks", "--debug"])


def test_a_missing_name_of_a_study_lists_those_of_the_folder(refused, folder):
    assert refused("report").endswith("parameter NAME requires an argument.")
    (folder / "edge.journal").touch()
    assert refused("report").endswith("requires an argument. In this folder: edge.journal")
    assert "edge" not in refused("search")


def test_an_error_of_ours_names_no_line(monkeypatch, refused):
    monkeypatch.setattr(app, "make_app", lambda: lambda *a, **k: exec("1 / 0"))
    said = "error: ZeroDivisionError: division by zero (unexpected; run again with --debug)"
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"all": "/"})
    assert refused("tasks", code=1) == said


def test_the_catalogues(capsys, folder):
    assert run(["tasks"]) == 0
    out = capsys.readouterr().out
    assert "mnist1d" in out
    assert "nb201-cifar100" in out
    assert "data: missing" in out
    assert run(["data", "list"]) == 0
    assert "nb201_accuracy" in capsys.readouterr().out


def test_a_reader_who_leaves_early():
    command = f"{shlex.quote(sys.executable)} -m optiproxy.cli data list | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
