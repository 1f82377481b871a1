"""Published tables of short and full trainings."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from optiproxy import tasks
from optiproxy.errors import DataError
from optiproxy.study import Study
from optiproxy.study._budget import LOW_SHARE


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


def test_spikenas_reports_the_curves_of_its_trainings(published: Path) -> None:
    """At the fidelities of the other task, whose columns are in another table."""
    task, other = tasks.get("spikenas-curves-cifar10"), tasks.get("spikenas-cifar10")
    for arch in task.space.sample(5, seed=0):
        evaluation = task.query(arch)
        assert evaluation.metrics == other.query(arch).metrics
        curve = dict(evaluation.curve)
        assert list(curve) == list(range(1, 101))
        for epochs in (1, 5, 10, 25, 50):
            short = other.query(arch, epochs=epochs).metrics
            assert short is not None
            assert curve[epochs] == pytest.approx(short["val_accuracy"], abs=1e-3)
        behind = task.query(arch, medians=dict.fromkeys(range(1, 101), 99.0))
        assert behind.stopped
        assert (behind.cost, len(behind.curve)) == (0.1, 10)
    assert task.optimum == other.optimum
    assert task.origin.tables == ("spikenas_cifar10", "spikenas_cifar10_val_curves")


@pytest.mark.slow
def test_a_search_of_running_trainings_stops_some(published: Path) -> None:
    study = Study(tasks.get("spikenas-curves-cifar10"), method="evolution")
    study.run(20, workers=2)
    stopped = [r for r in study.queries if r.stopped]
    assert stopped
    assert all(r.metrics is None and r.cost in (0.1, 0.25, 0.5) for r in stopped)
    assert 19 < sum(r.cost for r in study.queries) <= 20
    assert study.best is not None


def test_nb201_costs_has_the_seconds_of_short_trainings(published: Path) -> None:
    task = tasks.get("nb201-costs-cifar100")
    assert task.fidelities == (12, 200)
    arch = task.space.sample(1, seed=0)[0]
    short, full = (task.query(arch, epochs=n).metrics for n in task.fidelities)
    assert short is not None
    assert full is not None
    assert short["train_seconds"] == pytest.approx(full["train_seconds"] * task.cost(12))
    assert short["val_accuracy"] == tasks.get("nb201-12epochs-cifar100").query(arch).metrics[
        "val_accuracy"
    ]  # fmt: skip
    assert short["naswot"] == full["naswot"]


def test_nasbench_nlp_has_the_means_of_its_networks_curves(published: Path) -> None:
    task = tasks.get("nasbench-nlp-wikitext2")
    assert task.fidelities == (1, 5, 10, 25, 50)
    rows = pq.read_table(published / "nasbench_nlp_wikitext2.parquet").to_pylist()
    space = task.space.space  # type: ignore[attr-defined]
    archs = space.from_indices(
        space.canonical(space.to_indices([space.architecture(row["recipe"]) for row in rows]))
    )
    curves: dict[object, list[list[float]]] = {}
    for arch, row in zip(archs, rows, strict=True):
        curves.setdefault(arch, []).append(row["val_losses"])
    for arch, found in [*curves.items()][:60]:
        for epochs in task.fidelities:
            values = [
                c[epochs - 1] for c in found if len(c) >= epochs and c[epochs - 1] == c[epochs - 1]
            ]
            metrics = task.query(arch, epochs=epochs).metrics
            if not values:
                assert metrics is None
                continue
            assert metrics is not None
            assert metrics["val_loss"] == pytest.approx(sum(values) / len(values))
            assert ("test_loss" in metrics) == (epochs == 50)


def test_oncenas_has_ten_epochs(published: Path) -> None:
    task = tasks.get("oncenas-cifar10")
    assert task.fidelities == (10, 50)
    for arch in task.space.sample(5, seed=0):
        short, full = (task.query(arch, epochs=n).metrics for n in task.fidelities)
        assert short is not None
        assert full is not None
        assert short["val_accuracy"] == full["val_accuracy_10_epochs"] != full["val_accuracy"]
        assert short["latency_gpu"] == full["latency_gpu"]
        seconds = short["train_seconds"] / full["train_seconds"]
        assert seconds == pytest.approx(task.cost(10), abs=0.02)  # 0.181 to 0.209 in the table


@pytest.mark.parametrize(
    ("name", "epochs"), [("nasbench-nlp-wikitext2", 5), ("oncenas-cifar10", 10)]
)
def test_a_search_learns_from_the_short_trainings_of_a_sample(
    published: Path, name: str, epochs: int
) -> None:
    task = tasks.get(name).replaced(low_fidelity=epochs)
    study = Study(task, method="evolution")
    study.run(8)
    short = [r for r in study.queries if r.epochs == epochs]
    assert len(short) == int(LOW_SHARE * 8 / task.cost(epochs) + 1e-9)
    assert sum(r.epochs is None for r in study.queries) >= 5
    assert study.best is not None


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
