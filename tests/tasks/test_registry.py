"""The registered tasks: what is told of them, and what listing them does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optiproxy import tasks
from optiproxy.tasks import TASKS, Task


@pytest.mark.parametrize("name", TASKS.names())
def test_registered_task_is_complete(name: str) -> None:
    task = tasks.get(name)
    assert isinstance(task, Task)
    assert task.name == name
    assert set(task.needed) <= set(task.metrics)
    assert set(task.reported) <= set(task.metrics)
    assert task.description
    assert task.origin.source
    assert task.origin.licence
    assert task.origin.citation


def test_catalogue_tells_spaces_metrics_and_data(home: Path) -> None:
    rows = {row.name: row for row in tasks.catalogue()}
    assert set(rows) == set(TASKS.names())
    assert not any(row.problem for row in rows.values())
    nb201 = rows["nb201-cifar10"]
    assert nb201.architectures == 15625
    assert nb201.metrics == ("val_accuracy", "test_accuracy")
    assert nb201.objectives == ("val_accuracy=max",)
    assert nb201.reported == ("test_accuracy",)
    assert nb201.data == "missing"
    assert rows["mnist1d"].data == "built in"


def test_broken_table_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "nb201_accuracy.parquet").write_bytes(b"half")
    monkeypatch.setenv("OPTIPROXY_DATA", str(home))
    rows = {row.name: row for row in tasks.catalogue()}
    assert rows["nb201-cifar100"].data == "broken"


def test_task_that_can_not_be_loaded_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TASKS._entries, "theirs", "not_installed_3141:task")
    rows = {row.name: row for row in tasks.catalogue()}
    assert "not_installed_3141" in rows["theirs"].problem
    assert rows["mnist1d"].architectures == 15625


def test_listing_tasks_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from optiproxy import tasks\n"
        "tasks.catalogue(), tasks.data.listing()\n"
        "heavy = ('torch', 'pyarrow', 'optuna', 'mnist1d', 'matplotlib', 'pandas')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
