"""Tasks by name, by module and by path: found, refused, and sent to other processes."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optiproxy import tasks
from optiproxy.errors import DataError, InvalidValueError
from optiproxy.tasks import Task

MINE = '''
"""A user's module, with everything that pickle does not like."""
import optiproxy as op
from beside import OFFSET

SPACE = op.spaces.Chain({"a": [1, 2, 3], "b": ["x", "y"]})

class Own:
    pass

def evaluate(arch, seed):
    if arch["a"] == 3:
        raise RuntimeError("three is too many")
    return {"score": arch["a"] + OFFSET, "seed": seed, "own": isinstance(Own(), Own)}

task = op.Task("mine", SPACE, evaluate, objectives={"score": "max"})

def make():
    factor = 7
    return op.Task("made", SPACE, lambda arch: factor * arch["a"], objectives="score=max")

def not_a_task():
    return 3

def needs_something(arch):
    return task

def breaks():
    raise KeyError("inside")

def opens_a_table():
    return op.tasks.Table(SPACE, "missing.parquet", key="k", columns=["c"])

def bad_space():
    return op.Task("bad", op.spaces.Chain({}), evaluate, objectives="score=max")
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder, the current directory, with a module whose name nobody else has."""
    here = tmp_path / "a user's folder"
    (here / "below").mkdir(parents=True)
    for place in (here, here / "below"):
        (place / "mine_3141.py").write_text(MINE)
        (place / "beside.py").write_text("OFFSET = 10\n")
    (here / "raises_3141.py").write_text("raise ValueError('at import')\n")
    (here / "exits_3141.py").write_text("import sys\nsys.exit(3)\n")
    (here / "half_3141.py").write_text("def task(:\n")
    (here / "needs_3141.py").write_text("import not_installed_3141\n")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield here
    for name in set(sys.modules) - before:
        if "3141" in name or name == "beside":
            del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "name", "score"),
    [
        ("mine_3141:task", "mine", 12),
        ("mine_3141:make", "made", 14),
        ("mine_3141.py:task", "mine", 12),
        ("./mine_3141.py:make", "made", 14),
        ("below/mine_3141.py:task", "mine", 12),
    ],
)
def test_task_is_loaded_by_module_or_path(folder: Path, text: str, name: str, score: int) -> None:
    task = tasks.load(text)
    assert task.name == name
    evaluation = task.query(task.space.architecture({"a": 2, "b": "x"}))
    assert evaluation.metrics is not None
    assert evaluation.metrics["score"] == score


def test_absolute_path_is_loaded_from_anywhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert tasks.load(f"{folder / 'mine_3141.py'}:task").name == "mine"


def test_file_is_read_again(folder: Path) -> None:
    assert tasks.load("mine_3141.py:task").name == "mine"
    (folder / "mine_3141.py").write_text(MINE.replace('"mine"', '"changed"'))
    assert tasks.load("mine_3141.py:task").name == "changed"


def test_registered_name_is_loaded() -> None:
    assert tasks.load("nb201-cifar10").name == tasks.get("nb201-cifar10").name == "nb201-cifar10"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nb201-cifar", "did you mean 'nb201-cifar10'.*or give your own, my_module:task"),
        ("", "give a name of `optiproxy tasks`"),
        ("mine_3141", "name what is in the module: mine_3141:task"),
        ("mine_3141.py", r"name what is in the file: mine_3141\.py:task"),
        ("mine_3141:", "my_module:task"),
        (":task", "my_module:task"),
        ("mine_314:task", "module: got 'mine_314'; did you mean 'mine_3141'"),
        ("mine_3141.inner:task", "got 'mine_3141.inner'"),
        ("mine_314.py:task", r"there is no file .*did you mean 'mine_3141\.py'"),
        ("nowhere/mine_3141.py:task", "there is no file .*nowhere"),
        ("mine_3141:tsk", "attribute of mine_3141: got 'tsk'; did you mean 'task'"),
        ("mine_3141.py:tsk", "did you mean 'task'"),
        ("mine_3141:SPACE", "it is a Chain; name a Task, or a function without arguments"),
        ("mine_3141:needs_something", "it is a function; name a Task"),
        ("mine_3141:not_a_task", "it returned a int; name a Task"),
        ("mine_3141:bad_space", "task 'mine_3141:bad_space': search space: .*at least one choice"),
    ],
)
def test_what_can_not_be_found_is_told(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        tasks.load(text)


@pytest.mark.parametrize(
    ("text", "message", "cause"),
    [
        ("raises_3141:task", "raises_3141 raised ValueError: at import", ValueError),
        ("raises_3141.py:task", r"raises_3141\.py raised ValueError: at import", ValueError),
        ("exits_3141:task", "exits_3141 raised SystemExit: 3", SystemExit),
        ("half_3141:task", "half_3141 raised SyntaxError", SyntaxError),
        ("needs_3141:task", "No module named 'not_installed_3141'", ModuleNotFoundError),
        ("mine_3141:breaks", "breaks raised KeyError: 'inside'", KeyError),
    ],
)
def test_exception_in_the_module_is_told_and_kept(
    folder: Path, text: str, message: str, cause: type[BaseException]
) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        tasks.load(text)
    assert isinstance(caught.value.__cause__, cause)


def test_missing_table_of_a_module_stays_a_data_error(folder: Path) -> None:
    with pytest.raises(DataError, match=r"task 'mine_3141:opens_a_table': .*missing\.parquet"):
        tasks.load("mine_3141:opens_a_table")


def test_unknown_registered_name_does_not_become_a_path(folder: Path) -> None:
    with pytest.raises(InvalidValueError, match="did you mean 'mnist1d'"):
        tasks.get("mnist")


def test_evaluate_reads_task_and_architecture(folder: Path) -> None:
    by_text = tasks.evaluate("mine_3141.py:task", {"a": 1, "b": "y"}, seed=3)
    by_task = tasks.evaluate(tasks.load("mine_3141:task"), '{"a": 1, "b": "y"}', 3)
    assert by_text.metrics == by_task.metrics
    with pytest.raises(InvalidValueError, match="option of choice 'a'"):
        tasks.evaluate("mine_3141.py:task", {"a": 9, "b": "y"})


@pytest.fixture(scope="module")
def executor() -> Iterator[object]:
    from loky import ProcessPoolExecutor

    # Started in a folder of its own, as a worker that knows nothing of the user's.
    here = os.getcwd()
    os.chdir("/")
    workers = ProcessPoolExecutor(1)
    workers.submit(os.getpid).result()
    os.chdir(here)
    yield workers
    workers.shutdown(kill_workers=True)


@pytest.mark.parametrize(
    "text", ["mine_3141:task", "mine_3141:make", "mine_3141.py:task", "below/mine_3141.py:make"]
)
def test_loaded_task_is_evaluated_in_a_worker_process(
    folder: Path, executor: object, text: str
) -> None:
    task = tasks.load(text)
    for arch in task.space.enumerate():
        here = task.query(arch, seed=5)
        for call in (task.query, tasks.evaluate):
            arguments = (arch,) if call == task.query else (task, arch)
            there = executor.submit(call, *arguments, seed=5).result()  # type: ignore[attr-defined]
            assert (there.metrics, there.reason) == (here.metrics, here.reason)


def test_failure_in_a_worker_process_comes_back_as_a_failure(
    folder: Path, executor: object
) -> None:
    task = tasks.load("mine_3141.py:task")
    arch = task.space.architecture({"a": 3, "b": "x"})
    evaluation = executor.submit(task.query, arch).result()  # type: ignore[attr-defined]
    assert evaluation.reason == "RuntimeError: three is too many"


def test_what_was_asked_for_travels_along(folder: Path) -> None:
    task = tasks.load("mine_3141.py:task").replaced({"seed": "min"}, {"score": "<= 11"})
    sent: Task = pickle.loads(pickle.dumps(task))
    assert (sent.objectives, sent.constraints) == (task.objectives, task.constraints)
    loaded = tasks.load("mine_3141.py:task")
    assert [o.metric for o in loaded.objectives] == ["score"]


@pytest.mark.parametrize("text", ["mine_3141:task", "mine_3141.py:task"])
def test_a_worker_that_lives_on_loads_edited_files_anew(
    folder: Path, executor: object, text: str
) -> None:
    def loaded() -> Task:
        for name in ("mine_3141", "beside"):  # As a new search does.
            sys.modules.pop(name, None)
        return tasks.load(text)

    def score(task: Task) -> float:
        arch = task.space.architecture({"a": 1, "b": "x"})
        found = executor.submit(task.query, arch).result()  # type: ignore[attr-defined]
        return float(found.metrics["score"])

    first = loaded()
    assert score(first) == 11
    (folder / "beside.py").write_text("OFFSET = 2000\n")
    second = loaded()
    assert [score(second), score(first), score(second)] == [2001, 11, 2001]
    (folder / "mine_3141.py").write_text(MINE.replace('arch["a"] +', "100 *"))
    third = loaded()
    assert score(third) == 200_000
    (folder / "mine_3141.py").write_text(MINE)
    assert score(third) == 200_000  # What it began with.
    (folder / "beside.py").write_text("OFFSET = 70000\n")
    fourth = loaded()
    (folder / "mine_3141.py").write_text("# edited while it runs\n" + MINE)
    with pytest.raises(InvalidValueError, match=r"mine_3141.py is not .* run it again"):
        pickle.loads(pickle.dumps(fourth))
