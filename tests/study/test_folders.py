"""Folders of queries: checkpoints survive what ends a training."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.study import Study


def task(evaluate, **options):
    space = op.spaces.Chain({"width": [1, 2, 3, 4]})
    options.setdefault("objectives", {"val": "max"})
    return op.Task("folders", space, evaluate, **options)


def written(arch, folder: Path):
    (folder / "log").write_text(str(arch["width"]))
    return {"val": float(arch["width"]), "size": float(arch["width"])}


@pytest.mark.slow
def test_a_training_goes_on_from_its_checkpoint(tmp_path):
    def evaluate(arch, folder: Path):
        epochs = [int(path.name) for path in folder.iterdir()]
        for epoch in range(max(epochs, default=0) + 1, 5):
            (folder / str(epoch)).touch()
            if epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        return {"val": 1.0, "resumed": float(len(epochs))}

    study = Study(task(evaluate), method="random", storage=tmp_path / "s.journal")
    study.run(1, workers=1)
    assert study.queries[0].metrics == {"val": 1.0, "resumed": 2.0}


def test_the_front_s_folders_are_kept(tmp_path):
    made = task(written, objectives={"val": "max", "size": "min"})
    study = Study(made, method="random", storage=tmp_path / "s.journal", name="a b")
    study.run(4)
    assert {r.query for r in study.queries if study.folder(r.query)} == {1, 2, 3, 4}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-b-queries", "s.journal"]


def test_a_failed_query_that_is_tried_again_begins_anew(tmp_path):
    found = []

    def evaluate(arch, folder: Path):
        found.append(sorted(path.name for path in folder.iterdir()))
        (folder / "half").touch()
        if len(found) == 1:
            raise ValueError("mended later")
        return 1.0

    study = Study(task(evaluate), method="random", storage=tmp_path / "s.journal")
    study.run(1)
    study.retry()
    study.run(1)
    assert found == [[], []]


def test_a_study_in_memory_has_folders_as_long_as_it_lives():
    study = Study(task(written), method="random")
    study.run(2)
    folder = study.folder(study.best.query)
    assert (folder / "log").read_text() == str(study.best.architecture["width"])
    root = folder.parent
    del study
    gc.collect()  # A study refers to itself.
    assert not root.exists()


def test_an_evaluator_without_a_folder_leaves_none(tmp_path):
    study = Study(task(lambda arch: 1.0), method="random", storage=tmp_path / "s.journal")
    study.run(2)
    assert study.folder(1) is None
    assert [p.name for p in tmp_path.iterdir()] == ["s.journal"]


def test_a_query_alone_gets_a_temporary_folder():
    seen = []

    def evaluate(arch, folder: Path):
        seen.append(folder)
        assert folder.is_dir()
        return 1.0

    made = task(evaluate)
    assert made.query(made.space.architecture({"width": 1})).metrics == {"val": 1.0}
    assert made.evaluate(made.space.architecture({"width": 1})) == 1.0
    assert not any(folder.exists() for folder in seen)
    assert len(seen) == 2


@pytest.mark.parametrize("keep", ["some", 0, -1, 1.5])
def test_what_is_kept_is_all_best_or_a_number(keep):
    with pytest.raises(InvalidValueError, match="keep: got"):
        Study(task(written), method="random").run(2, keep=keep)


def test_the_best_is_the_network_that_was_measured(tmp_path, caplog):
    torch = pytest.importorskip("torch")
    trainings = []

    def network(choose):
        return torch.nn.Linear(choose("width", [1, 2, 3]), 1)

    def train(model):
        trainings.append(model)
        with torch.no_grad():
            model.weight += len(trainings)  # Never the same again.
        return {"val": float(model.weight.detach().mean())}

    made = op.Task("nets", network, train, objectives={"val": "max"})
    for storage in (None, tmp_path / "s.journal"):
        study = Study(made, method="random", storage=storage)
        study.run(3)
        best, count = study.best, len(trainings)
        assert best.weights == study.folder(best.query) / "network.pt"
        assert float(best.module().weight.mean()) == best.metrics["val"]
        assert not best.module().training
        best.save(tmp_path / "best.pt")
        saved = torch.load(tmp_path / "best.pt", weights_only=True)
        assert saved["weights"] == "trained"
        assert float(saved["state_dict"]["weight"].mean()) == best.metrics["val"]
        other = study.evaluated(2)
        assert other.query == 2
        assert len(trainings) == count
    # Also when the study in memory is gone.
    study = Study(made, method="random")
    study.run(2)
    best = study.best
    del study
    gc.collect()
    assert float(best.module().weight.mean()) == best.metrics["val"]
    assert pickle.loads(pickle.dumps(replace(best, task=None))).folder == best.folder
    root = best.folder.parent
    del best, other
    gc.collect()
    assert not root.exists()
    assert not caplog.records


def test_without_kept_weights_it_is_trained_again_when_asked(tmp_path, caplog):
    torch = pytest.importorskip("torch")

    def train(arch, seed):
        return (
            torch.nn.Linear(arch["width"], 1)
            .requires_grad_(False)
            .apply(lambda layer: layer.weight.fill_(7.0))
        )

    made = task(
        lambda arch: {"val": 1.0}, train=train, build=lambda arch: torch.nn.Linear(arch["width"], 1)
    )
    study = Study(made, method="random")
    study.run(2)
    best = study.best
    assert best.weights is None
    initial = best.module()
    (said,) = caplog.messages
    assert "with its initial weights: none were kept (retrain=True" in said
    trained = best.module(retrain=True)
    assert torch.all(trained.weight == 7.0)
    for given, weights in (
        ({"model": initial}, "initial"),
        ({"model": trained}, "trained"),
        ({"retrain": True}, "trained"),
        ({}, "initial"),
    ):
        best.save(tmp_path / "best.pt", **given)
        assert torch.load(tmp_path / "best.pt", weights_only=True)["weights"] == weights
    untrained = Study(task(lambda arch: 1.0), method="random")
    untrained.run(1)
    with pytest.raises(InvalidValueError, match="has no `train`"):
        untrained.best.module(retrain=True)
