"""Published figures of NAS-Bench-Graph, NAS-Bench-Macro and SpikeNAS-Bench."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optiproxy import tasks
from optiproxy.methods import METHODS

# Accuracies in %. Best of any architecture on the validation set and on the test set; the test
# figures are those of the tables' description, the validation ones were read off the files.
GRAPH = {
    "cora": (81.93, 83.13),
    "pubmed": (81.13, 78.60),
    "cs": (92.13, 91.26),
    "physics": (94.00, 93.00),
    "computers": (91.90, 85.58),
}
ROWS = {
    **{f"nasbench-graph-{data_set}": 26206 for data_set in GRAPH},
    "nasbench-macro": 6561,
    "spikenas-cifar10": 15625,
}


def _all(name: str) -> tuple[tasks.Task, dict[str, np.ndarray]]:
    task = tasks.get(name)
    found = [task.query(arch).metrics for arch in task.space.enumerate()]
    assert len(found) == ROWS[name]
    assert all(metrics is not None for metrics in found)
    return task, {m: np.array([f[m] for f in found if f]) for m in task.metrics}


@pytest.mark.slow
@pytest.mark.parametrize("data_set", GRAPH)
def test_graph_optima(published: Path, data_set: str) -> None:
    task, values = _all(f"nasbench-graph-{data_set}")
    best_validation, best_test = GRAPH[data_set]
    assert values["val_accuracy"].max() == pytest.approx(best_validation, abs=0.006)
    assert values["test_accuracy"].max() == pytest.approx(best_test, abs=0.006)
    assert task.optimum == values["val_accuracy"].max()
    # Milliseconds and millions: the slowest network is in Physics, 103 ms.
    assert 0.3 < values["latency_ms"].min() < values["latency_ms"].max() < 104
    assert 0.05 < values["params_m"].min() < values["params_m"].max() < 5
    fast = task.replaced(constraints={"latency_ms": "<= 3"})
    assert fast.optimum == values["val_accuracy"][values["latency_ms"] <= 3].max()


@pytest.mark.slow
def test_graph_space_is_the_table_s(published: Path) -> None:
    """The rule of `GnnDag.valid` lists what the table lists, on each data set."""
    import pyarrow.parquet as pq

    task = tasks.get("nasbench-graph-cora")
    table = pq.read_table(
        published / "nasbench_graph.parquet", columns=["dataset", *task.space.names]
    )
    listed: dict[str, set[tuple[str, ...]]] = {}
    for row in table.to_pylist():
        listed.setdefault(row.pop("dataset"), set()).add(tuple(row.values()))
    space = {tuple(arch.values()) for arch in task.space.enumerate()}
    assert set(listed) == set(GRAPH)
    assert all(archs == space for archs in listed.values())


def test_graph_row_is_that_of_the_published_hash(published: Path) -> None:
    """The benchmark's number 20407: tree 2, then the operations' numbers."""
    task = tasks.get("nasbench-graph-computers")
    arch = task.space.architecture("0-0-1-1|gat|sage|gat|fc")
    assert task.space.to_indices([arch])[0].tolist() == [2, 0, 4, 0, 7]
    assert task.query(arch).metrics == {
        "val_accuracy": pytest.approx(90.3, abs=1e-6),
        "test_accuracy": pytest.approx(85.58341743653443),
        "latency_ms": pytest.approx(4.313945770263672),
        "params_m": pytest.approx(0.083658),
    }


def test_macro_optimum(published: Path) -> None:
    task, values = _all("nasbench-macro")
    best = task.query(task.space.architecture("22212220")).metrics
    assert best == {
        "test_accuracy": pytest.approx(93.1267, abs=5e-5),
        "params": 1985514,
        "flops": 85164544,
    }
    assert task.optimum == best["test_accuracy"] == values["test_accuracy"].max()
    # The same network is listed twice: layers 7 and 8 change places where one is the identity.
    assert (values["test_accuracy"] == task.optimum).sum() == 2
    again = task.query(task.space.architecture("22212202")).metrics
    assert again == best


@pytest.mark.slow
def test_spikenas_optimum(published: Path) -> None:
    task, values = _all("spikenas-cifar10")
    assert task.optimum == pytest.approx(89.132, abs=5e-4) == values["val_accuracy"].max()
    assert values["test_accuracy"].max() == pytest.approx(89.30, abs=5e-3)
    # Architecture 12617 of the table.
    arch = task.space.architecture(
        "lif_low_conv3x3~0>1|lif_mid_conv3x3~0>2|lif_high_conv3x3~0>3"
        "|none~1>2|none~1>3|lif_high_conv3x3~2>3"
    )
    assert task.query(arch).metrics == {
        "val_accuracy": pytest.approx(88.388, abs=5e-4),
        "test_accuracy": pytest.approx(89.30, abs=5e-3),
        "params": 20131812,
    }


def test_spikenas_demo_network(published: Path) -> None:
    """Architecture 14862, as the benchmark's user guide prints what its search finds."""
    task = tasks.get("spikenas-cifar10")
    arch = task.space.architecture(
        "lif_low_conv3x3~0>1|lif_low_conv3x3~0>2|lif_high_conv3x3~0>3"
        "|lif_mid_conv3x3~1>2|lif_mid_conv3x3~1>3|lif_high_conv3x3~2>3"
    )
    assert task.query(arch).metrics == {
        "val_accuracy": pytest.approx(88.640, abs=5e-4),
        "test_accuracy": pytest.approx(88.500, abs=5e-4),
        "params": 21607908,
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["optiproxy", "evolution"])
@pytest.mark.parametrize("name", ["nasbench-graph-cora", "nasbench-macro", "spikenas-cifar10"])
def test_every_proposal_has_a_row(published: Path, name: str, method: str) -> None:
    task = tasks.get(name)
    opt = METHODS.get(method)(task.space, {task.objectives[0].metric: "max"}, seed=1)
    while len(opt.queries) < 30:
        archs = opt.ask(5)
        found = [task.query(arch).metrics for arch in archs]
        assert None not in found
        opt.tell(archs, [task.visible(metrics) for metrics in found if metrics])
    assert len({query.architecture for query in opt.queries}) == 30
    assert task.space.valid(opt.rows).all()
