"""Published tables of short and full trainings."""

from __future__ import annotations

from pathlib import Path

import pytest

from optiproxy import tasks
from optiproxy.errors import DataError


def test_nb201_has_twelve_epochs(published: Path) -> None:
    """The best validation accuracies after 12 and after 200 epochs, as published."""
    task = tasks.get("nb201-cifar10")
    assert task.fidelities == (12, 200)
    short = task.replaced(low_fidelity=12)
    short.prepare()
    values = {12: [], 200: []}
    for arch in task.space.enumerate():
        for epochs, found in values.items():
            found.append(short.evaluate(arch, epochs=epochs)["val_accuracy"])
    assert max(values[12]) == pytest.approx(84.892, abs=1e-3)
    assert max(values[200]) == pytest.approx(91.6067, abs=1e-4)
    assert short.optimum == max(values[200])
    arch = task.space.sample(1, seed=0)[0]
    in_full = task.query(arch).metrics
    assert in_full == short.query(arch, epochs=200).metrics
    assert in_full != short.query(arch, epochs=12).metrics
    assert short.cost(12) == 0.06


def test_spikenas_has_a_curve(published: Path) -> None:
    task = tasks.get("spikenas-cifar10").replaced(low_fidelity=25)
    task.prepare()
    arch = task.space.sample(1, seed=3)[0]
    course = [task.query(arch, epochs=n).metrics for n in task.fidelities]
    assert task.fidelities == (1, 5, 10, 25, 50, 100)
    assert all(metrics is not None for metrics in course)
    assert len({metrics["val_accuracy"] for metrics in course if metrics}) == 6
    assert [("test_accuracy" in metrics) for metrics in course if metrics] == [False] * 5 + [True]


def test_a_short_table_is_needed_for_short_trainings_alone(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nb201_accuracy.parquet").symlink_to(published / "nb201_accuracy.parquet")
    monkeypatch.setenv("OPTIPROXY_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    task = tasks.get("nb201-cifar10")
    task.prepare()
    with pytest.raises(DataError, match="nb201_accuracy_12epochs"):
        task.replaced(low_fidelity=12).prepare()
