"""Published figures: the optima of NAS-Bench-201, and the files' checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optiproxy import tasks
from optiproxy.tables import store

# Validation optimum and the test accuracy of that architecture, in %: NAS-Bench-201 v1.0, 200
# epochs, means over seeds.
OPTIMA = {
    "nb201-cifar10": (91.6067, 94.3733),
    "nb201-cifar100": (73.4933, 73.5133),
    "nb201-imagenet16-120": (46.7667, 45.4667),
}
# The best test accuracies in the tables; a search for validation accuracy need not reach them.
BEST_TEST = {
    "nb201-cifar10": 94.3733,
    "nb201-cifar100": 73.5133,
    "nb201-imagenet16-120": 47.3111,
}


@pytest.mark.parametrize("name", OPTIMA)
def test_optimum_is_the_published_one(published: Path, name: str) -> None:
    task = tasks.get(name)
    validation, test = OPTIMA[name]
    assert task.optimum == pytest.approx(validation, abs=5e-5)
    found = [task.query(arch).metrics for arch in task.space.enumerate()]
    assert len(found) == 15625
    assert all(metrics is not None for metrics in found)
    values = np.array([[m["val_accuracy"], m["test_accuracy"]] for m in found if m])
    best = values[:, 0].argmax()
    assert values[best] == pytest.approx([validation, test], abs=5e-5)
    assert values[:, 1].max() == pytest.approx(BEST_TEST[name], abs=5e-5)
    assert task.regret({"val_accuracy": values[best, 0]}) == 0


def test_row_of_a_published_architecture(published: Path) -> None:
    """Row 0 of the official index, as the benchmark's authors print it."""
    task = tasks.get("nb201-cifar10")
    arch = task.space.architecture(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    import pyarrow.parquet as pq

    table = pq.read_table(published / "nb201_accuracy.parquet").to_pylist()
    [row] = [row for row in table if row["arch"] == task.space.to_text(arch)]
    metrics = task.query(arch).metrics
    assert metrics is not None
    assert metrics["val_accuracy"] == row["cifar10_val_accuracy"]
    assert metrics["test_accuracy"] == row["cifar10_test_accuracy"]


def test_tables_that_are_here_are_whole(published: Path) -> None:
    rows = store.listing()
    assert len([row for row in rows if not row.table.original]) == 18
    assert [row.table.name for row in rows if row.status == "broken"] == []
    assert store.find("nb201_accuracy").is_file()


def test_rows_are_those_of_the_catalogue(published: Path) -> None:
    import pyarrow.parquet as pq

    for row in store.listing():
        if row.path is not None and row.path.suffix == ".parquet" and row.table.rows:
            assert pq.ParquetFile(row.path).metadata.num_rows == row.table.rows, row.table.name


def test_truncated_published_table_is_refused(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optiproxy.errors import DataError

    content = bytearray((published / "nb201_accuracy.parquet").read_bytes())
    monkeypatch.setenv("OPTIPROXY_DATA", str(tmp_path))
    copy = tmp_path / "nb201_accuracy.parquet"
    copy.write_bytes(content[:-1000])
    with pytest.raises(DataError, match="cut short or altered"):
        tasks.get("nb201-cifar10").prepare()
    content[5000] ^= 1
    copy.write_bytes(content)
    with pytest.raises(DataError, match="cut short or altered"):
        tasks.get("nb201-cifar10").prepare()
