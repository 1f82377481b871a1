"""The trainer of classifiers: it learns, repeats, stops, and goes on."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import optiproxy as op
from optiproxy.errors import EvaluationFailed, InvalidValueError
from optiproxy.train import classifier

X, Y = load_digits(return_X_y=True)
DATA = (X / 16, Y)


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))


def test_it_learns_digits() -> None:
    """Measured: 93.3 % and a loss of 0.26 after 10 epochs, 10 % by chance."""
    found = classifier(DATA, epochs=10, batch=32)(mlp(), seed=0)
    assert found["val_accuracy"] > 90
    assert found["val_loss"] < 0.4


def test_it_learns_in_mixed_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where the weights stay in 32 bits; measured: 93.3 %."""
    monkeypatch.setattr(op.train.Classifier, "_precision", lambda self: torch.bfloat16)
    seen = []

    class Watched(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = super().forward(x)
            seen.append(y.dtype)
            return y

    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), Watched(32, 10))
    assert classifier(DATA, epochs=10, batch=32)(model, seed=0)["val_accuracy"] > 88
    assert set(seen) == {torch.bfloat16}
    assert model[0].weight.dtype == torch.float32


def test_the_same_seed_trains_the_same_network_and_another_one_another() -> None:
    train_and_test = classifier(DATA, epochs=1)

    def loss(seed: int) -> float:
        return train_and_test(mlp(), seed=seed)["val_loss"]

    assert loss(1) == loss(1) != loss(2)


@pytest.mark.parametrize("processes", [0, 1])
def test_a_dataset_trains_as_its_arrays_do(processes: int) -> None:
    class Pairs(Dataset[Any]):
        def __len__(self) -> int:
            return 200

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            return torch.tensor(X[i] / 16, dtype=torch.float32), int(Y[i])

    arrays = classifier((X[:200] / 16, Y[:200]), epochs=2, batch=50)
    pairs = classifier(Pairs(), epochs=2, batch=50, loader_processes=processes)
    found = pairs(mlp(), seed=0)
    # Batches have other orders; the networks are about as good.
    assert found["val_accuracy"] == pytest.approx(arrays(mlp(), seed=0)["val_accuracy"], abs=25)
    assert found == pairs(mlp(), seed=0)


def test_validation_data_are_not_trained_on() -> None:
    seen: list[torch.Tensor] = []

    class Watch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen.append(x.flatten())
            return self.layer(x)

    data = np.arange(50.0)[:, None], np.arange(50) % 2
    classifier(data, epochs=3, batch=8, validation=0.3)(Watch(), seed=0)
    passes = torch.cat(seen).reshape(3, 35)
    assert all(len(set(row.tolist())) == 35 for row in passes)
    assert set(passes[0].tolist()) == set(passes[1].tolist()) == set(passes[2].tolist())
    assert passes[0].tolist() != passes[1].tolist()


def test_its_curve_is_reported_and_may_stop_it() -> None:
    curve: list[tuple[int, float]] = []
    found = classifier(DATA, epochs=3)(mlp(), report=lambda e, v: curve.append((e, v)))
    assert [epoch for epoch, _ in curve] == [1, 2, 3]
    assert curve[-1][1] == found["val_accuracy"] > curve[0][1]


def test_test_data_are_reported_alone() -> None:
    trainer = classifier((X[:1000], Y[:1000]), epochs=1, test=(X[1000:], Y[1000:]))
    task = op.Task("digits", lambda choose: nn.Linear(64, choose("classes", [10, 11])), trainer)
    assert task.reported == ("test_accuracy",)
    assert [objective.text for objective in task.objectives] == ["val_accuracy=max"]
    metrics = task.query(task.space.sample(1)[0]).metrics or {}
    assert {"val_accuracy", "val_loss", "test_accuracy", "params", "flops"} <= set(metrics)


def test_a_time_limit_and_a_loss_that_is_no_number_are_failures() -> None:
    with pytest.raises(EvaluationFailed, match=r"took longer than 0.001 s"):
        classifier(DATA, time_limit=0.001)(mlp())
    with pytest.raises(EvaluationFailed, match="diverged"):
        classifier(DATA, epochs=1, optimizer=lambda p: torch.optim.SGD(p, lr=1e30))(mlp())


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = classifier(DATA, epochs=4)(mlp(), seed=3)

    class Killed(Exception):
        pass

    def kill(epoch: int, value: float) -> None:
        if epoch == 2:
            raise Killed

    trainer = classifier(DATA, epochs=4, checkpoints=tmp_path / "kept")
    # Without dropout, whose generator is torch's own.
    with pytest.raises(Killed):
        trainer(_plain(), seed=3, report=kill, arch={"a": 1})
    epochs: list[int] = []
    resumed = trainer(_plain(), seed=3, report=lambda e, _: epochs.append(e), arch={"a": 1})
    assert epochs == [3, 4]
    assert resumed == classifier(DATA, epochs=4)(_plain(), seed=3)
    assert whole.keys() == resumed.keys()
    # A finished one is read back: the network is trained without a step.
    epochs.clear()
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    assert trainer(model, seed=3, report=lambda e, _: epochs.append(e), arch={"a": 1}) == resumed
    assert not epochs
    # Of another architecture, seed or length it is another one.
    assert trainer(_plain(), seed=4, arch={"a": 1})["val_loss"] != resumed["val_loss"]
    assert len(list((tmp_path / "kept").iterdir())) == 2


def _plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def test_data_may_be_loaded_by_a_function_once_in_each_process() -> None:
    calls = []

    def load() -> Any:
        calls.append(1)
        return DATA

    trainer = classifier(load, epochs=1)
    trainer(mlp())
    trainer(mlp())
    assert trainer.example_input().shape == (1, 64)
    assert len(calls) == 1
    assert len(pickle.dumps(classifier(_load, epochs=1))) < 2000


def _load() -> Any:
    return DATA


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (DATA, {"epochs": 0}, "classifier: epochs: got 0"),
        (DATA, {"batch": 0}, "classifier: batch: got 0"),
        (DATA, {"validation": 1.5}, "classifier: validation: got 1.5"),
        (DATA, {"time_limit": "soon"}, "classifier: time_limit: got 'soon'"),
        (DATA, {"loader_processes": -1}, "loader_processes: got -1"),
        ((X, Y[:5]), {}, "one label for each input"),
        ((X, Y.astype(str)), {}, "data: labels: got .*; give class numbers from 0"),
        ((X, Y + 0.5), {}, "data: labels: got .*; give class numbers from 0"),
        ((X, Y - 1), {}, "data: labels: got .*; give class numbers from 0"),
        (X, {}, "give .inputs, labels., or a Dataset"),
    ],
)
def test_mistakes_are_told(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"(?s){message}"):
        classifier(data, **options)(mlp())


def test_tensors_are_a_data_set() -> None:
    data = TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(Y))
    assert classifier(data, epochs=1)(mlp())["val_accuracy"] > 20


def test_an_interrupted_training_goes_on_from_the_checkpoint_in_its_folder(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def report(epoch: int, value: float) -> None:
        epochs.append(epoch)
        if len(epochs) == 3:
            raise Interrupted

    epochs: list[int] = []
    trainer = classifier(DATA, epochs=4)
    with pytest.raises(Interrupted):
        trainer(_plain(), seed=1, report=report, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    found = trainer(_plain(), seed=1, report=report, folder=tmp_path)
    assert epochs == [1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == []
    assert found == trainer(_plain(), seed=1)
