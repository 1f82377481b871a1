"""NAS-Bench-201 with latencies: two tables joined, every device a task, limits at quantiles."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optiproxy import tasks
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Chain
from optiproxy.tables.nasbench201 import latency
from optiproxy.tables.nasbench201.cell import DATA_SETS
from optiproxy.tables.nasbench201.latency import DEVICES, SAMPLED
from optiproxy.tables.table import Table
from optiproxy.tasks import TASKS

SPACE = Chain({"depth": [1, 2, 3], "width": [16, 32]})
ARCHS = list(SPACE.enumerate())


def _table(path: Path, rows: list[int], column: str, values: list[float], **keywords: object):
    columns = {"arch": [SPACE.to_text(ARCHS[row]) for row in rows], column: values}
    pq.write_table(pa.table(columns), path)
    return Table(SPACE, path, key="arch", columns=[column], **keywords)


@pytest.fixture
def joined(tmp_path: Path) -> Table:
    accuracy = _table(tmp_path / "a.parquet", [0, 1, 2, 3, 5], "acc", [50, 60, 70, 80, 90.0])
    # In another order, without number 3 and with number 4.
    latency = _table(tmp_path / "l.parquet", [5, 4, 2, 1, 0], "ms", [9, 8, 5, 4, 3.0])
    return accuracy.joined(latency, name="both")


def test_rows_meet_by_architecture(joined: Table) -> None:
    found = [joined.query(arch).metrics for arch in ARCHS]
    assert found[:3] == [{"acc": 50, "ms": 3}, {"acc": 60, "ms": 4}, {"acc": 70, "ms": 5}]
    assert found[3] is None
    assert found[4] is None
    assert joined.metrics == ("acc", "ms")
    assert joined.values("ms").tolist() == [3, 4, 5, 9]
    assert joined.quantile("ms", 0.5) == 4.5
    assert pickle.loads(pickle.dumps(joined)).query(ARCHS[5]).metrics == {"acc": 90, "ms": 9}


def test_the_optimum_and_a_share_refer_to_the_joined_rows(joined: Table) -> None:
    assert joined.optimum == 90
    assert joined.replaced(constraints="ms<=5").optimum == 70
    half = joined.replaced(constraints="ms<=50%")
    assert [c.bound for c in half.resolved().constraints] == [4.5]
    assert half.optimum == 60


def test_a_named_task_joins_with_a_table_of_ones_own(published: Path, tmp_path: Path) -> None:
    """Its full trainings; in another process too, where a named task is found by its name."""
    task = tasks.get("nb201-cifar10").replaced(low_fidelity=12)
    arch = task.space.sample(1, seed=0)[0]
    pq.write_table(pa.table({"arch": [task.space.to_text(arch)], "ms": [5.0]}), tmp_path / "m")
    mine = Table(task.space, tmp_path / "m", key="arch", columns=["ms"])
    both = task.joined(mine, name="both")
    assert both.fidelities == ()
    full = task.query(arch).metrics
    assert full is not None
    for same in (both, pickle.loads(pickle.dumps(both))):
        assert same.name == "both"
        assert same.query(arch).metrics == {**full, "ms": 5.0}


def test_tables_that_do_not_join(joined: Table, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="metric: got 'acc'"):
        joined.joined(joined, name="twice")
    other = Chain({"depth": [1, 2]})
    pq.write_table(pa.table({"depth": [1, 2], "mb": [1.0, 2.0]}), tmp_path / "o.parquet")
    elsewhere = Table(other, tmp_path / "o.parquet", key=["depth"], columns=["mb"])
    with pytest.raises(InvalidValueError, match="join a table of"):
        joined.joined(elsewhere, name="apart")
    with pytest.raises(InvalidValueError, match="between 0 and 1"):
        joined.quantile("ms", 10)
    with pytest.raises(InvalidValueError, match="mb"):
        joined.values("mb")


def test_every_data_set_and_device_has_a_name() -> None:
    names = [name for name in TASKS.names() if name.startswith("hw-nb201-")]
    assert len(names) == len(DATA_SETS) * (len(DEVICES) + len(SAMPLED)) == 87
    assert TASKS.get("hw-nb201-imagenet16-120-titan_rtx_1")().name == names[2 * 27 + 6]
    devices = [name.removeprefix("hw-nb201-cifar10-") for name in names if "cifar10-" in name]
    assert devices == [*DEVICES, *SAMPLED]
    with pytest.raises(InvalidValueError, match="raspi4"):
        latency.task("cifar10", "raspi5")


def test_sampled_devices_say_so() -> None:
    task = latency.task("cifar100", "edgetpu")
    assert task.name == "hw-nb201-cifar100-edgetpu"
    assert "a sample of 1,740 architectures" in task.description
    assert task.space.count == 1740  # told without the table
    assert task.origin.tables == ("nb201_accuracy", "nb201_latency_sample1999")
    assert task.reported == ("test_accuracy",)
    spaces = {latency.task("cifar10", device).space.fingerprint for device in SAMPLED}
    assert len(spaces) == 2  # other lists of the same table


def test_published_values(published: Path) -> None:
    """Those of `nb201`, and the limits that HW-NAS-Bench's devices have at the quantiles."""
    task = tasks.get("hw-nb201-cifar10-raspi4")
    plain = tasks.get("nb201-cifar10")
    archs = task.space.sample(20, seed=1)
    for arch in archs:
        metrics = dict(task.query(arch).metrics or {})
        assert metrics.pop("latency_ms") > 0
        assert metrics == plain.query(arch).metrics
    assert task.optimum == plain.optimum
    limits = [task.quantile("latency_ms", q) for q in (0.1, 0.3, 0.6)]
    assert limits == pytest.approx([8.045, 19.286, 27.752], abs=0.01)
    shares = [np.mean(task.values("latency_ms") <= limit) for limit in limits]
    assert shares == pytest.approx([0.1, 0.3, 0.6], abs=0.001)
