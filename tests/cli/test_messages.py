"""What is said: after Ctrl-C, of databases and disks, and of names that a terminal would obey."""

from __future__ import annotations

import errno
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import optiproxy as op
from optiproxy.cli import app
from optiproxy.errors import StudyError
from optiproxy.study import Study
from optiproxy.study._storage.open import storage_errors


def study(storage: Any, **options: Any) -> Study:
    space = op.spaces.Chain({"a": [1, 2, 3], "\x1b[31mred": ["x", "\x1b]0;title\x07"]})
    task = op.Task("toy\x1b[2J", space, lambda arch: float(arch["a"]), objectives={"m": "max"})
    return Study(task, method="random", storage=storage, **options)


STOPPED_IN_A_TEXT = """
from optiproxy.cli import app

def run(arguments):
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return app.INTERRUPTED

app.run = run
app.main()
"""


def test_the_exit_code_is_ours_wherever_ctrl_c_came(tmp_path: Path) -> None:
    (tmp_path / "stopped.py").write_text(STOPPED_IN_A_TEXT)
    command = [sys.executable, "-m", "stopped"]  # Of a script Python minds its exit code.
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == app.INTERRUPTED


@pytest.mark.slow
@pytest.mark.parametrize("command", ["search", "compare"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_stopped_before_it_runs_says_how_to_go_on(start, command: str, number: int) -> None:
    process = start(command, "mnist1d", "--budget", 5)
    time.sleep(1.5)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == app.INTERRUPTED
    assert "go on with: optiproxy" in said or "the same command again" in said


def test_ctrl_c_is_answered_with_the_command(monkeypatch, capsys) -> None:
    def stopped(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("optiproxy.tasks.load", stopped)
    assert app.run(["search", "mnist1d", "--name", "a b"]) == app.INTERRUPTED
    said = capsys.readouterr().err
    assert said == "stopped; go on with: optiproxy search mnist1d --name 'a b'\n"


def test_control_characters_of_names_are_shown_escaped(folder: Path, capsys) -> None:
    from optiproxy.cli._say import say
    from optiproxy.cli._summary import summary

    made = study("toy.journal", name="n\x1b[1m")
    made.run(6)
    say(summary(made))
    assert app.run(["show", "n\x1b[1m", "--storage", "toy.journal"]) == app.FAILED
    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed
    assert "\\x1b[1m" in printed
    assert "toy\\x1b[2J" in printed


def test_a_database_s_error_says_what_is_the_matter(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    for text, meant in (
        ("database or disk is full", "the disk is full"),
        ("attempt to write a readonly database", "it can only be read"),
        ("server closed the connection unexpectedly", "the connection is lost"),
        ("database is locked", "another program holds its lock"),
    ):
        with pytest.raises(StudyError, match=rf"can't be used: {meant} \({text}"):
            _raise_as_optuna_does(url, text)
    for number, meant in ((errno.ENOSPC, "the disk is full"), (errno.EROFS, "it can only be read")):
        with pytest.raises(StudyError, match=meant), storage_errors(tmp_path / "x"):
            raise OSError(number, "said by the system")


def _raise_as_optuna_does(url: str, text: str) -> None:
    import optuna
    from sqlalchemy.exc import OperationalError

    with storage_errors(url):
        try:
            raise OperationalError("INSERT", {}, sqlite3.OperationalError(text))
        except OperationalError as error:
            raise optuna.exceptions.StorageInternalError("exceeding max length?") from error


def test_storages_that_would_mislead_are_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StudyError, match=r"would be a journal file; write sqlite:///.*runs\.db"):
        study(tmp_path / "runs.db")
    url = f"sqlite:///{tmp_path}/runs.db"
    study(url, name="n").run(1)
    with pytest.raises(StudyError, match=r"is a database; write sqlite:///"):
        study(tmp_path / "runs.db")
    with pytest.raises(StudyError, match="in the memory of one process"):
        Study.load("n", "sqlite://")
    assert study("sqlite://").storage is None
    assert study("sqlite:///~/runs.db", name="n").queries
    study("~/home.journal").run(1)
    assert (tmp_path / "home.journal").is_file()


@pytest.mark.parametrize("text", ["sqlite:/x.db", "sqlite:x.db", "postgresql:/user@host/x"])
def test_a_url_without_its_slashes_is_no_path(text: str) -> None:
    scheme, _, rest = text.partition(":")
    with pytest.raises(StudyError, match=f"write {scheme}:///{rest.lstrip('/')}"):
        Study.load("name", text)


def test_a_mistyped_budget_is_corrected_by_the_next_run(tmp_path: Path) -> None:
    made = study(tmp_path / "s.journal")
    made.run(100_000)  # The space has six.
    assert made.budget == 100_000
    made.run(5)
    assert made.budget == len(made.queries) == 6
    made.run(10)
    assert made.budget == 10


def test_the_home_folder_in_an_option(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    arguments = ["mine.py:task", "--method", "random", "--budget", "1", "--json"]
    assert app.run(["search", *arguments, "--storage=~/h.journal"]) == 0
    assert (folder / "h.journal").is_file()
