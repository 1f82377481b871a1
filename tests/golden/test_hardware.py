"""Published figures of the tables with devices: HW-NAS-Bench's cells, and HW-GPT-Bench."""

from __future__ import annotations

import numpy as np
import pytest

from optiproxy import tasks
from optiproxy.tables import store


def _here(table: str) -> None:
    found = store.status(table)
    if found.status != "here":
        pytest.skip(f"{table} is {found.status}")


def test_hw_nas_bench_first_cell() -> None:
    """As the README of the benchmark prints it."""
    _here("hw_nas_bench_nb201")
    printed = {
        ("edgegpu", "latency_ms"): 5.807418537139893, ("edgegpu", "energy_mj"): 24.226614330768584,
        ("raspi4", "latency_ms"): 10.481976820010459, ("edgetpu", "latency_ms"): 0.9571811309997429,
        ("pixel3", "latency_ms"): 3.6058499999999998, ("eyeriss", "latency_ms"): 3.645620000000001,
        ("eyeriss", "energy_mj"): 0.6872827644999999, ("fpga", "latency_ms"): 2.57296,
        ("fpga", "energy_mj"): 18.01072,
    }  # fmt: skip
    first = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|" + (
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    for (device, metric), value in printed.items():
        task = tasks.get(f"hwnas-cifar10-{device}")
        found = task.query(task.space.architecture(first)).metrics
        assert found is not None
        assert found[metric] == pytest.approx(value)


@pytest.mark.parametrize(
    ("device", "limit", "cells", "best"),
    [
        ("edgegpu", 2, 814, 40.600), ("edgegpu", 4, 3541, 44.800), ("edgegpu", 6, 11236, 46.400),
        ("raspi4", 2, 1151, 35.467), ("raspi4", 4, 5495, 43.633), ("raspi4", 6, 8328, 45.167),
        ("pixel3", 2, 4163, 41.300), ("pixel3", 4, 10039, 45.967), ("pixel3", 6, 13798, 46.489),
        ("edgetpu", 1, 7847, 46.767), ("eyeriss", 1, 3513, 45.167), ("fpga", 1, 8826, 44.367),
    ],
)  # fmt: skip
def test_the_paper_s_twelve_tasks(device: str, limit: float, cells: int, best: float) -> None:
    """Cells that the device runs in less than the limit, and the best validation accuracy of them.

    The paper's limits are strict and ours are not: no cell's latency is the limit itself.
    """
    _here("hw_nas_bench_nb201")
    task = tasks.get(f"hwnas-imagenet16-120-{device}").replaced(constraints=f"latency_ms<={limit}")
    rows = task.objective_values()
    assert rows is not None
    assert len(rows) == cells
    assert task.optimum == pytest.approx(best, abs=5e-4)
    assert isinstance(task, tasks.Table)
    assert not (task.values("latency_ms") == limit).any()


def test_the_edge_tpu_runs_not_every_cell() -> None:
    _here("hw_nas_bench_nb201")
    latency = tasks.get("hwnas-cifar10-edgetpu").rows.values()["latency_ms"]
    assert np.isnan(latency).sum() == 4699


def test_hwgpt_s() -> None:
    """The best perplexity, and figures of its network; 10,000 different ones are listed."""
    _here("hwgpt_s")
    task = tasks.get("hwgpt-s-a100")
    assert task.space.count == len(task.space.all_indices) == 10_000
    assert task.optimum == pytest.approx(22.1591, abs=1e-4)
    layers = [
        (4, 2), (8, 3), (4, 3), (12, 3), (12, 3), (8, 4), (12, 4), (12, 4), (12, 4), (12, 4),
        (8, 4), (8, 4),
    ]  # fmt: skip
    best = task.space.architecture(
        {"embed_dim": 768, "n_layer": 12, "bias": False}
        | {f"head_{i}": heads for i, (heads, _) in enumerate(layers)}
        | {f"mlp_{i}": ratio for i, (_, ratio) in enumerate(layers)}
    )
    found = task.query(best).metrics
    assert found == pytest.approx({
        "perplexity": 22.159135818481445, "accuracy": 41.771700978279114, "latency_ms": 28.9915,
        "params": 173566464, "flops": 2211792814080,
    })  # fmt: skip
    assert set(task.exact) == {"params", "flops"}
    other = tasks.get("hwgpt-s-cpu-meta").query(best).metrics
    assert other is not None
    assert other["latency_ms"] == 3240.0
    assert task.replaced(constraints="latency_ms<=10").optimum == pytest.approx(41.6376, abs=1e-4)


def test_hwgpt_s_has_no_choices_of_layers_that_a_network_lacks() -> None:
    _here("hwgpt_s")
    task = tasks.get("hwgpt-s-p100")
    shallow = [arch for arch in task.space.sample(50, seed=0) if arch["n_layer"] == 10]
    assert shallow
    assert all(arch["head_10"] is arch["mlp_11"] is None for arch in shallow)
    assert all(task.query(arch).metrics is not None for arch in shallow)
