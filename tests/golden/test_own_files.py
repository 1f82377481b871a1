"""Published figures of what is made from the authors' own files, where these have been added."""

from __future__ import annotations

import pytest

from optiproxy import tasks
from optiproxy.tables import store


def _here(table: str) -> None:
    found = store.status(table)
    if found.status != "here":
        pytest.skip(f"{table} is {found.status}: it is made from {found.table.original}")


def test_nasbench101_means() -> None:
    """Best mean validation and test accuracy, as its authors publish them: 95.05 and 94.32."""
    _here("nasbench101")
    task = tasks.get("nb101-cifar10")
    assert task.optimum == pytest.approx(95.06, abs=0.015)
    values = task.rows.values()
    assert len(values["val_accuracy"]) == 423_624
    assert values["test_accuracy"].max() == pytest.approx(94.32, abs=0.015)


@pytest.mark.parametrize(
    ("data_set", "validation"),
    [("cifar10", 91.6067), ("cifar100", 73.4933), ("imagenet16-120", 46.7667)],
)
def test_nb201_v1_0_optima(data_set: str, validation: float) -> None:
    """Those of the table that the paper's code has, which was made from the same edition."""
    _here("nb201_v1_0")
    assert tasks.get(f"nb201-v1-0-{data_set}").optimum == pytest.approx(validation, abs=0.01)


def test_transnas_counts() -> None:
    _here("transnas_bench_101")
    assert len(tasks.get("transnas-macro-jigsaw").space.all_indices) == 3256
    task = tasks.get("transnas-micro-class-scene")
    task.prepare()
    assert all(task.query(arch).metrics is not None for arch in task.space.enumerate())
