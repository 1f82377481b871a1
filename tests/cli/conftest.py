"""A folder of its own for each test, with the user's file ``mine.py`` in it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optiproxy.cli.app import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "a folder"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "mine.py", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("OPTIPROXY_DATA", raising=False)
    return folder


@pytest.fixture
def start(folder):
    """Starts the command in a process of its own."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "optiproxy", *map(str, arguments)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def answer(folder, capfd):
    """Runs a command in this process and reads the one JSON object of its standard output."""

    def answer(*arguments, code=0):
        capfd.readouterr()
        returned = run([*map(str, arguments), "--json"])
        out, err = capfd.readouterr()
        assert returned == code, err
        return json.loads(out)

    return answer


@pytest.fixture
def refused(folder, capsys):
    """Runs a command that must fail, in this process; returns what it says in one line."""

    def refused(*arguments, code=2):
        assert run([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.strip().splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("error: ")
        return lines[0]

    return refused
