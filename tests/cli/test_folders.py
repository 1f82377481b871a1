"""The networks that an evaluator keeps, delivered without another training."""

from __future__ import annotations

import pytest
import torch

from optiproxy.cli.app import run
from optiproxy.study import Study

TASK = """
from pathlib import Path
import optiproxy as op

space = op.spaces.Chain({"width": [1, 2, 3, 4]})


def build(arch):
    from torch import nn
    return nn.Linear(arch["width"], 1)


def evaluate(arch, folder: Path):
    import torch
    model = build(arch)
    with torch.no_grad():
        model.weight.fill_(arch["width"])  # "trained"
    if not (folder.parent / "forgetful").exists():
        torch.save(model.state_dict(), folder / "network.pt")
    return float(arch["width"])


def train(arch, seed):
    raise RuntimeError("a second training")


task = op.Task("keeps", space, evaluate, build=build, train=train, objectives="val=max")
"""


@pytest.mark.slow
def test_the_network_that_was_trained_is_delivered(folder, capfd):
    (folder / "keeps.py").write_text(TASK)
    assert (
        run(["search", "keeps.py:task", "--budget", "4", "--method", "random", "--name", "k"]) == 0
    )
    out, _ = capfd.readouterr()
    assert out.index("best: ") < out.index("network  k.pt")
    kept = torch.load("k.pt", weights_only=True)
    assert kept["weights"] == "trained"
    assert kept["state_dict"]["weight"].tolist() == [[4.0] * 4]
    study = Study.load("k", "k.journal")
    assert [p.name for p in (folder / "k-queries").iterdir()] == [f"query-{study.best.query:04d}"]
    assert study.folder(study.best.query) == folder / "k-queries" / f"query-{study.best.query:04d}"
    assert run(["export", "k", "--out", "again.pt"]) == 0
    assert "trained" in capfd.readouterr().out
    other = next(r.query for r in study.queries if r.query != study.best.query)
    assert study.folder(other) is None
    assert run(["export", "k", "--out", "other.pt", "--query", str(other)]) == 0
    assert "initial weights" in capfd.readouterr().out
    assert torch.load("other.pt", weights_only=True)["weights"] == "initial"


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "kept"), [("all", {1, 2, 3, 4}), ("2", {3, 4}), ("best", {4})])
def test_whose_folders_are_kept(folder, keep, kept):
    (folder / "keeps.py").write_text(TASK)
    arguments = ["--budget", "4", "--method", "random", "--name", "k", "--keep", keep]
    assert run(["search", "keeps.py:task", *arguments, "--in-process"]) == 0
    study = Study.load("k", "k.journal")
    folders = {r.architecture["width"] for r in study.queries if study.folder(r.query)}
    assert folders == kept


def test_what_is_kept_is_all_best_or_a_number(folder, refused):
    (folder / "keeps.py").write_text(TASK)
    for keep in ("none", "0", "-1"):
        assert "keep: got" in refused("search", "keeps.py:task", "--keep", keep)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(folder, capfd):
    (folder / "keeps.py").write_text(TASK)
    arguments = ["--budget", "1", "--method", "random", "--name", "k", "--in-process"]
    assert run(["search", "keeps.py:task", *arguments]) == 0
    study = Study.load("k", "k.journal")
    torch.save({"weight": torch.zeros(9, 9)}, study.folder(1) / "network.pt")
    assert run(["export", "k", "--out", "again.pt"]) == 1
    assert "is not for this network" in capfd.readouterr().err
