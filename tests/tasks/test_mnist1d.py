"""The embedded task: its data, its networks, and a real training."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from optiproxy import tasks
from optiproxy.errors import DataError, EvaluationFailed
from optiproxy.hardware import count_flops, count_parameters
from optiproxy.spaces import Architecture
from optiproxy.study import Study
from optiproxy.tasks import evaluation_seed
from optiproxy.tasks.mnist1d import OPERATIONS, build, data, training
from optiproxy.tasks.mnist1d.training import accuracy, fit

TASK = tasks.get("mnist1d")
CONVOLUTIONS = TASK.space.architecture(dict.fromkeys(TASK.space.names, "conv_3"))


def _arch(**operations: str) -> Architecture:
    """Edge ``e02`` is 0>2; what is not named is "none"."""
    named = {f"{edge[1]}>{edge[2]}": name for edge, name in operations.items()}
    return TASK.space.architecture({**dict.fromkeys(TASK.space.names, "none"), **named})


# ---- data ----


@pytest.fixture
def small(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few examples, and an empty cache; the path of what is kept."""
    import platformdirs

    monkeypatch.setattr(data, "_SIZES", (40, 20, 20))
    data.load.cache_clear()
    monkeypatch.setattr(data, "load", data.load.__wrapped__)
    return platformdirs.user_cache_path("optiproxy", appauthor=False) / "mnist1d-2.npz"


def test_parts_are_apart_and_of_all_digits() -> None:
    found = data.load()
    parts = [found.training, found.validation, found.test]
    assert [part.x.shape for part in parts] == [(4000, 1, 40), (2000, 1, 40), (1000, 1, 40)]
    assert all(part.x.dtype == np.float32 and part.y.dtype == np.int64 for part in parts)
    assert all(np.bincount(part.y, minlength=10).min() > 0.08 * len(part.y) for part in parts)
    examples = [example.tobytes() for part in parts for example in part.x]
    assert len(set(examples)) == 7000


def test_training_and_test_are_the_published_split() -> None:
    import mnist1d.data

    states = random.getstate(), np.random.get_state()
    made = mnist1d.data.make_dataset(mnist1d.data.get_dataset_args())
    random.setstate(states[0])
    np.random.set_state(states[1])
    found = data.load()
    assert np.array_equal(found.training.x[:, 0], made["x"].astype(np.float32))
    assert np.array_equal(found.test.x[:, 0], made["x_test"].astype(np.float32))
    assert np.array_equal(found.test.y, made["y_test"])


def test_data_are_the_same_on_every_generation_and_kept(small: Path) -> None:
    first = data.load()
    assert small.is_file()
    kept = data.load()
    x, y = data.generate()
    assert np.array_equal(first.training.x, kept.training.x)
    assert np.array_equal(first.training.x, x[:40])
    assert np.array_equal(kept.test.y, y[60:])


@pytest.mark.parametrize("damage", ["truncated", "altered", "other", "no file"])
def test_damaged_cache_is_generated_again(small: Path, damage: str) -> None:
    first = data.load()
    content = bytearray(small.read_bytes())
    if damage == "truncated":
        small.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        content[len(content) // 2] ^= 1
        small.write_bytes(content)
    elif damage == "other":
        np.savez(small, x=np.zeros(3), y=np.zeros(3))
    else:
        small.unlink()
    again = data.load()
    assert first.training.x.shape == (40, 1, 40)
    assert np.array_equal(first.training.x, again.training.x)
    assert np.array_equal(first.test.x, again.test.x)


def test_cache_that_can_not_be_written_is_done_without(small: Path, home: Path) -> None:
    (home / ".cache").write_text("a file where a folder should be")
    (home / "Library").write_text("likewise, on macOS")
    assert len(data.load().training.y) == 40


def test_generation_leaves_the_global_generators(small: Path) -> None:
    random.seed(5)
    np.random.seed(5)
    expected = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    data.generate()
    assert (random.random(), np.random.random()) == expected


def test_missing_package_says_what_to_install(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(DataError, match="pip install mnist1d"):
        data.load()


# ---- networks ----


def test_every_operation_makes_a_network_of_its_own() -> None:
    x = torch.randn(4, 1, 40, generator=torch.Generator().manual_seed(0))
    outputs = []
    for name in OPERATIONS:
        torch.manual_seed(0)
        network = build(_arch(e01="conv_3", e13=name, e03="conv_3")).eval()
        outputs.append(network(x))
        assert outputs[-1].shape == (4, 10)
        assert outputs[-1].dtype == torch.float32
    differences = [(a - b).abs().max() for i, a in enumerate(outputs) for b in outputs[:i]]
    assert min(differences) > 1e-4


def test_edges_that_lead_nowhere_cost_nothing() -> None:
    alone = build(_arch(e03="conv_3"))
    for dead in ({"e01": "conv_3"}, {"e13": "conv_3", "e12": "conv_3"}):
        network = build(_arch(e03="conv_3", **dead))
        assert count_parameters(network) == count_parameters(alone)


def test_cell_is_the_sum_of_its_paths() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 20)
    cell = build(_arch(e01="conv_3", e02="skip", e12="max_pool_3", e13="skip", e23="conv_3")).first
    cell.eval()
    node1 = cell.edges["0_1"](x)
    node2 = x + cell.edges["1_2"](node1)
    assert torch.equal(cell(x), node1 + cell.edges["2_3"](node2))


def test_cell_without_a_path_gives_zeros() -> None:
    network = build(_arch(e01="conv_3", e23="conv_3")).eval()
    x = torch.randn(3, 1, 40)
    assert torch.equal(network(x), network.head.bias.expand(3, 10))


def test_counts_are_those_of_the_formula() -> None:
    network = build(CONVOLUTIONS)
    convolution = 8 * 8 * 3 + 16  # weights and batch norm
    assert count_parameters(network) == 8 * 3 + 16 + 12 * convolution + 90
    per_position = 2 * 8 * 8 * 3
    flops = 2 * 8 * 3 * 20 + 6 * per_position * (20 + 10) + 2 * 80
    assert count_flops(network, torch.zeros(1, 1, 40)) == flops


def test_counts_are_known_without_a_network() -> None:
    for arch in TASK.space.sample(40, seed=3):
        network = build(arch)
        assert TASK.exact["params"](arch) == count_parameters(network)
        assert TASK.exact["flops"](arch) == count_flops(network, torch.zeros(1, 1, 40))


# ---- training ----


@pytest.mark.slow
def test_real_training_is_fixed_by_its_seed_and_learns() -> None:
    """Two of ten epochs; measured: 63 to 73 % where chance is 10 %."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    network, metrics = fit(CONVOLUTIONS, 1, epochs=2)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)  # The user's own random numbers have no part in it.
    again, repeated = fit(CONVOLUTIONS, 1, epochs=2)
    _, other = fit(CONVOLUTIONS, 2, epochs=2)

    assert metrics == repeated
    assert list(metrics) == ["val_accuracy", "test_accuracy"]
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert other["val_accuracy"] != metrics["val_accuracy"]
    assert metrics["val_accuracy"] > 40
    assert metrics["val_accuracy"] != metrics["test_accuracy"]
    assert not network.training


@pytest.mark.slow
def test_trained_network_is_the_evaluated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line writes: a plain file whose network has the reported accuracy."""
    monkeypatch.setattr(training, "fit", lambda arch, seed, epochs: fit(arch, seed, epochs=1))
    evaluation = TASK.query(CONVOLUTIONS, seed=7)
    assert evaluation.metrics is not None
    assert sorted(evaluation.metrics) == sorted(TASK.metrics)
    assert evaluation.metrics["latency_ms"] > 0
    assert evaluation.measured["latency_ms"]["runtime"] == "torch"
    assert TASK.train is not None
    trained = TASK.train(CONVOLUTIONS, evaluation_seed(7, CONVOLUTIONS))
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    network = TASK.build(CONVOLUTIONS)
    network.load_state_dict(torch.load(file, weights_only=True))
    found = accuracy(network.eval(), data.load().test)
    assert found == evaluation.metrics["test_accuracy"]


def test_training_stops_at_its_time_limit() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(EvaluationFailed, match=r"longer than 0\.05 s"):
        fit(CONVOLUTIONS, 0, epochs=10, time_limit_s=0.05)
    assert torch.get_num_threads() == threads


def test_divergence_is_a_failed_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LEARNING_RATE", 1e30)
    evaluation = TASK.query(CONVOLUTIONS)
    assert evaluation.metrics is None
    assert "diverged" in evaluation.reason


def test_a_limit_spares_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "fit", None)
    evaluation = TASK.replaced(constraints="params<=1000").query(CONVOLUTIONS)
    assert evaluation.dropped == "params is 2626, not params <= 1000"
    # A device that the user names is the one that counts.
    named = TASK.replaced(constraints="latency_ms<=0", measure="torch").query(CONVOLUTIONS)
    assert named.dropped
    assert set(named.metrics or {}) >= {"latency_ms", "size_mb", "peak_memory_mb", "params"}


def test_short_trainings_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(arch: Architecture, seed: int, *, epochs: int) -> object:
        asked.append(epochs)
        return None, {"val_accuracy": 50.0, "test_accuracy": 50.0}

    monkeypatch.setattr(training, "fit", counted)
    task = TASK.replaced(low_fidelity=2)
    task.query(CONVOLUTIONS, epochs=2)
    task.query(CONVOLUTIONS)
    assert asked == [2, 10]


# ---- the table that is shipped ----


def test_the_shipped_table_needs_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTIPROXY_DATA", raising=False)
    table = tasks.get("mnist1d-table")
    assert table.space.count == 400
    assert table.optimum == table.values("val_accuracy").max() > 95
    (arch,) = table.space.sample(1)
    short, full = (table.replaced(low_fidelity=2).query(arch, epochs=e).metrics for e in (2, None))
    assert short is not None
    assert full is not None
    assert short["train_seconds"] < full["train_seconds"]
    assert short["params"] == full["params"] == count_parameters(table.build(arch))
    study = Study(table.replaced(low_fidelity=2, constraints="latency_ms<=50%"))
    study.run(6)
    assert study.best is not None
    assert study.best.metrics["latency_ms"] <= 0.5 * table.values("latency_ms").max()
    assert {r.epochs for r in study.queries} == {2, None}


@pytest.mark.slow
def test_the_shipped_table_has_what_the_task_gives() -> None:
    """On the machine that made it to the last digit; here within what rounding makes of it."""
    table = tasks.get("mnist1d-table")
    arch = table.space.sample(1, seed=3)[0]
    listed = table.query(arch).metrics
    assert listed is not None
    _, found = fit(arch, 0, epochs=10)
    assert found["val_accuracy"] == pytest.approx(listed["val_accuracy"], abs=5)
