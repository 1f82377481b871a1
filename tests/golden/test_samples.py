"""Published figures of the tables that are samples, and of NAS-Bench-201's further tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from optiproxy import tasks
from optiproxy.errors import InvalidValueError
from optiproxy.methods import METHODS
from optiproxy.spaces import Pool
from optiproxy.tables.averaged_rows import AveragedRows

SAMPLES = {
    "accel-nasbench": 5125,
    "hw-nb201-cifar10-edgetpu": 1740,
    "hw-nb201-imagenet16-120-edgegpu": 1999,
    "nasbench-mr-seg": 2507,
    "nasbench-nlp-wikitext2": 265,
    "nb101-sample": 97,
    "oncenas-cifar10": 526,
}
# Best score of any network, as the tables' description gives it (the segmentation's and the
# classification's) or as it was read off the file.
SETTINGS = {
    "cls-50-1000": 86.16, "cls-50-100": 57.24, "cls-10-1000": 90.4, "cls-10c": 67.96,
    "seg": 79.10, "seg-4x": 68.74, "video": 28.292, "video-p": 40.391,
}  # fmt: skip


@pytest.fixture
def table(published: Path):
    def read(name: str):
        return pq.read_table(published / f"{name}.parquet")

    return read


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_a_pool_of_its_networks(published: Path, name: str) -> None:
    task = tasks.get(name)
    task.prepare()
    assert isinstance(task.space, Pool)
    rows = task.space.all_indices
    assert len(rows) == SAMPLES[name] == task.space.count
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert len(task.space.sample(3)) == 3
    found = [task.query(arch) for arch in task.space.enumerate()]
    values = [f.metrics[task.objectives[0].metric] for f in found if f.metrics is not None]
    best = max(values) if task.objectives[0].sign > 0 else min(values)
    assert task.optimum == best
    assert task.regret({task.objectives[0].metric: best}) == 0
    # Only the networks whose every training failed have no value.
    assert len(rows) - len(values) == (2 if name == "nasbench-nlp-wikitext2" else 0)


@pytest.mark.parametrize("setting", SETTINGS)
def test_multi_resolution_settings(published: Path, setting: str) -> None:
    task = tasks.get(f"nasbench-mr-{setting}")
    assert task.optimum == pytest.approx(SETTINGS[setting], abs=5e-4)
    text = "128,128,2,4,128,2,4,4,128,128,2,4,4,4,128,128,128,2,4,4,4,4,128,128,128,128,128"
    metrics = task.query(task.space.architecture(text)).metrics
    assert metrics is not None
    assert metrics["params_m"] == 28.290994
    if setting == "seg":
        assert metrics == {
            "val_miou": 76.09, "val_macc": 83.87, "val_aacc": 96.1, "params_m": 28.290994,
            "flops_g": 13.727426866,
        }  # fmt: skip


def test_accel_nasbench_best_row(published: Path, table) -> None:
    task = tasks.get("accel-nasbench")
    rows = table("accel_nasbench")
    assert rows.num_rows == 5138
    assert max(rows["val_top1"].to_pylist()) == pytest.approx(67.052, abs=5e-4)
    assert task.optimum == pytest.approx(67.052, abs=5e-4)
    best = max(rows.to_pylist(), key=lambda row: row["val_top1"])
    arch = task.space.architecture({name: best[name] for name in task.space.names})
    metrics = task.query(arch).metrics
    assert metrics is not None
    assert metrics["val_accuracy"] == best["val_top1"]
    assert metrics["latency_vck190_ms"] == best["latency_vck190_ms"]
    # 92 cells of the devices are empty.
    devices = [c for c in rows.column_names if c.startswith(("latency", "throughput"))]
    assert sum(rows[c].null_count for c in devices) == 92


def test_networks_that_were_measured_again_are_averaged(published: Path, table) -> None:
    task = tasks.get("accel-nasbench")
    keys: dict[tuple[object, ...], list[float]] = {}
    for row in table("accel_nasbench").to_pylist():
        key = tuple(row[name] for name in task.space.names)
        keys.setdefault(key, []).append(row["val_top1"])
    again = {key: values for key, values in keys.items() if len(values) > 1}
    assert sum(map(len, again.values())) - len(again) == 13
    for key, values in again.items():
        arch = task.space.architecture(dict(zip(task.space.names, key, strict=True)))
        metrics = task.query(arch).metrics
        assert metrics is not None
        assert metrics["val_accuracy"] == pytest.approx(np.mean(values))


def test_oncenas_epochs_and_order_of_inputs(published: Path, table) -> None:
    task = tasks.get("oncenas-cifar10")
    rows = table("oncenas_darts_545")
    assert rows.num_rows == 545
    first = rows.slice(0, 1).to_pylist()[0]
    metrics = task.query(task.space.architecture(first["architecture"])).metrics
    assert metrics is not None
    assert metrics["val_accuracy"] == pytest.approx(92.04)
    assert metrics["val_accuracy_10_epochs"] == pytest.approx(79.76)
    assert task.optimum == pytest.approx(94.37, abs=5e-3)
    # Two epochs' ranks agree as the table's description says (0.833, of the 545 rows).
    early, late = (np.argsort(np.argsort(rows[c].to_numpy())) for c in
                   ("valid_accuracy_10_epochs", "test_accuracy_50_epochs"))  # fmt: skip
    assert np.corrcoef(early, late)[0, 1] == pytest.approx(0.833, abs=5e-3)


def test_recurrent_networks_losses(published: Path, table) -> None:
    task = tasks.get("nasbench-nlp-wikitext2")
    rows = table("nasbench_nlp_wikitext2")
    status = rows["status"].to_pylist()
    assert (len(status), status.count("OK")) == (345, 341)
    # By number; 291 by text, and 265 when other orders of the same nodes are the same network.
    assert len(set(rows["recipe_id"].to_pylist())) == 344
    assert len(set(rows["recipe"].to_pylist())) == 291
    losses = [x for x in rows["final_val_loss"].to_pylist() if x is not None]
    assert min(losses) == pytest.approx(4.569, abs=5e-4)
    # The best training is of a network that was trained once, so it is the optimum too.
    assert task.optimum == pytest.approx(4.569, abs=5e-4)
    assert task.objectives[0].direction == "min"


@pytest.mark.slow
def test_recipes_that_are_one_network_agree(published: Path, table) -> None:
    """As many parameters each, and losses that differ as those of two trainings do."""
    space = tasks.get("nasbench-nlp-wikitext2").space
    assert isinstance(space, Pool)
    runs: dict[bytes, list[tuple[int, float | None]]] = {}
    for row in table("nasbench_nlp_wikitext2").to_pylist():
        arch = space.space.architecture(row["recipe"])
        key = space.space.canonical(space.space.to_indices([arch])).tobytes()
        runs.setdefault(key, []).append((row["num_params"], row["final_val_loss"]))
    assert {len({params for params, _ in found}) for found in runs.values()} == {1}
    losses = [[loss for _, loss in found if loss is not None] for found in runs.values()]
    spread = [max(found) - min(found) for found in losses if len(found) > 1]
    assert np.median(spread) < 0.02


def test_edge_devices_of_nb201(published: Path, table) -> None:
    """Latencies of the file, accuracies of ``nb201-*``; the sample is of the best alone."""
    rows = table("nb201_latency_sample1999").to_pylist()
    plain = tasks.get("nb201-cifar10")
    gpu, tpu = (tasks.get(f"hw-nb201-cifar10-{device}") for device in ("edgegpu", "edgetpu"))
    full = tasks.get("hw-nb201-cifar10-raspi4")
    for row in rows[::40]:
        arch = plain.space.architecture(row["arch"])
        metrics = gpu.query(arch).metrics
        assert metrics is not None
        assert metrics == {**plain.query(arch).metrics, "latency_ms": row["edgegpu_latency_ms"]}
        # The sample and the table of all architectures have this device in common.
        other = full.query(arch).metrics
        assert other is not None
        assert other["latency_ms"] == row["raspi4_latency_ms"]
        listed = tpu.space.valid(tpu.space.to_indices([arch]))[0]
        assert listed == (row["edgetpu_latency_ms"] is not None)
        if not listed:
            with pytest.raises(InvalidValueError):
                tpu.space.architecture(arch)
    assert gpu.values("test_accuracy").min() >= 92.42
    assert gpu.values("latency_ms").min() == pytest.approx(3.31, abs=5e-3)
    assert gpu.values("latency_ms").max() == pytest.approx(10.81, abs=5e-3)
    limit = gpu.quantile("latency_ms", 0.1)
    assert np.mean(gpu.values("latency_ms") <= limit) == pytest.approx(0.1, abs=1e-3)
    limited = gpu.replaced(constraints={"latency_ms": f"<= {limit!r}"})
    assert limited.optimum is not None
    assert gpu.optimum == plain.optimum > limited.optimum  # NAS-Bench-201's best is in the sample


def test_nb101_sample(published: Path, table) -> None:
    task = tasks.get("nb101-sample")
    rows = table("nb101_sample")
    assert rows.num_rows == 143
    assert max(rows["cifar10_accuracy_108_epochs"].to_pylist()) == pytest.approx(94.281, abs=5e-4)
    assert task.optimum is not None
    assert task.optimum <= 94.281


@pytest.mark.parametrize(
    ("data_set", "validation", "test"),
    [("cifar10", 84.892, 89.16), ("cifar100", 61.32, 61.18), ("imagenet16-120", 38.667, 38.267)],
)
def test_twelve_epochs(published: Path, data_set: str, validation: float, test: float) -> None:
    task = tasks.get(f"nb201-12epochs-{data_set}")
    assert task.optimum == pytest.approx(validation, abs=6e-4)
    values = task.rows.values()
    assert len(values["test_accuracy"]) == 15625
    assert values["test_accuracy"].max() == pytest.approx(test, abs=6e-4)


@pytest.mark.parametrize("data_set", ["cifar10", "cifar100", "imagenet16-120"])
def test_costs_are_beside_the_same_accuracies(published: Path, data_set: str) -> None:
    plain, task = tasks.get(f"nb201-{data_set}"), tasks.get(f"nb201-costs-{data_set}")
    assert task.optimum == plain.optimum
    for arch in plain.space.sample(5, seed=3):
        both = task.query(arch).metrics
        one = plain.query(arch).metrics
        assert both is not None
        assert one is not None
        assert both.items() >= one.items()
        assert {"params_m", "train_seconds", "naswot", "logsynflow"} <= set(both)
    # The formula of the network: 16 channels, 5 cells a stage; the smallest has no operation.
    smallest = task.space.architecture("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    largest = task.space.architecture(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    low, high = (task.query(arch).metrics["params_m"] for arch in (smallest, largest))  # type: ignore[index]
    assert 0.07 < low < 0.09
    assert 1.5 < high < 1.6


def test_single_trainings_are_drawn_by_the_seed(published: Path, table) -> None:
    task = tasks.get("nb201-runs-cifar10")
    rows = table("nb201_seed_runs")
    assert rows.num_rows == 39419
    numbers = rows["arch_index"].to_numpy()
    counts = np.bincount(numbers)
    assert len(counts) == 15625
    assert np.bincount(counts).tolist() == [0, 0, 7456, 8169]
    archs = table("nb201_accuracy")["arch"].to_pylist()
    for number in (0, 7, 15624):
        measured = set(rows["cifar10_val_accuracy"].to_numpy()[numbers == number].tolist())
        arch = task.space.architecture(archs[number])
        drawn = {task.query(arch, seed=s).metrics["val_accuracy"] for s in range(40)}  # type: ignore[index]
        assert drawn == measured
    arch = task.space.architecture(archs[7])
    assert task.query(arch, seed=5).metrics == task.query(arch, seed=5).metrics
    assert tasks.get("nb201-runs-cifar100").metrics == ("valtest_accuracy", "mean_accuracy")
    every = [task.query(task.space.architecture(a)).metrics for a in archs[:200]]
    means = np.bincount(numbers, rows["cifar10_val_accuracy"].to_numpy()) / counts
    assert [m["mean_accuracy"] for m in every] == pytest.approx(means[:200].tolist())  # type: ignore[index]
    assert task.optimum == pytest.approx(means.max())
    assert task.regret(every[3]) == pytest.approx(means.max() - means[3])  # type: ignore[arg-type]


def test_the_mean_of_trainings_is_the_table_s(published: Path, table) -> None:
    """For the architectures of the same seeds, as many as the description counts: 9,183."""
    rows = table("nb201_seed_runs")
    numbers = rows["arch_index"].to_numpy()
    totals = np.bincount(numbers, rows["cifar10_val_accuracy"].to_numpy())
    means = totals / np.bincount(numbers)
    given = table("nb201_accuracy")["cifar10_val_accuracy"].to_numpy()
    assert (np.abs(means - given) < 1e-3).sum() == pytest.approx(9183, abs=30)


def test_a_pool_goes_to_another_process_without_its_table(published: Path) -> None:
    import pickle

    task = tasks.get("nb101-sample")
    task.prepare()
    again = pickle.loads(pickle.dumps(task))
    arch = again.space.sample(1)[0]
    assert again.query(arch).metrics == task.query(arch).metrics
    assert again.space.fingerprint == task.space.fingerprint
    listed = task.rows
    assert isinstance(listed, AveragedRows)
    assert len(pickle.dumps(listed)) < 20_000


@pytest.mark.parametrize(
    ("name", "method"),
    [
        pytest.param("nb101-sample", "optiproxy", marks=pytest.mark.slow),
        *((name, "evolution") for name in SAMPLES),
    ],
)
def test_a_search_asks_for_listed_networks_alone(published: Path, name: str, method: str) -> None:
    task = tasks.get(name)
    task.prepare()
    objective = task.objectives[0]
    direction = {objective.metric: objective.direction}
    opt = METHODS.get(method)(task.space, direction, seed=1)
    while len(opt.queries) < 20:
        archs = opt.ask(5)
        found = [task.query(arch) for arch in archs]
        assert not any("no row" in evaluation.reason for evaluation in found)
        opt.tell(archs, [f.metrics and task.visible(f.metrics) for f in found])
    assert len({query.architecture for query in opt.queries}) == 20
    assert task.space.valid(opt.rows).all()
