"""Training-free scores of networks are kept beside a stored study."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import pytest

import optiproxy as op
from optiproxy.study import Study

torch = pytest.importorskip("torch")

CODE = """
import optiproxy as op
import torch
from sklearn.datasets import load_digits
from torch import nn
from widths import head

BUILT = []


def network(choose):
    BUILT.append(1)
    layers, width = [], 4
    for i in range(4):
        after = choose(f"width{i}", [4, 8, 12])
        layers += [nn.Linear(width, after), nn.ReLU()]
        width = after
    choose.float("rate", 1e-4, 1e-1, log=True)
    return nn.Sequential(*layers, head(width))
"""
HEAD = "from torch import nn\n\n\ndef head(width):\n    return nn.Linear(width, 2, bias=BIAS)\n"


@pytest.fixture
def user(tmp_path, monkeypatch):
    """Imports the user's modules anew, as another process would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = ("mine_scored", "widths")

    def imported(bias=True):
        (tmp_path / "mine_scored.py").write_text(CODE)
        (tmp_path / "widths.py").write_text(HEAD.replace("BIAS", str(bias)))
        for name in names:
            sys.modules.pop(name, None)
        return import_module("mine_scored")

    yield imported
    for name in names:
        sys.modules.pop(name, None)


def size(model):
    return {"val": float(sum(p.numel() for p in model.parameters()) % 97)}


def searched(module, storage, scored):
    """A search of three queries, and how many networks it scored."""
    task = op.Task(
        "scored",
        module.network,
        size,
        objectives="val=max",
        example_input=lambda: torch.zeros(1, 4),
        features=["naswot", "parameters"],
    )
    before = len(scored)
    study = Study(task, storage=storage)
    study.run(len(study.queries) + 3)
    return study, len(scored) - before


@pytest.fixture
def scored(monkeypatch):
    """A list that grows with each score that is computed."""
    from optiproxy.scores import SCORES

    calls, own = [], SCORES.get

    def counted(name):
        score = own(name)

        def call(*arguments, **keywords):
            calls.append(name)
            return score(*arguments, **keywords)

        return call

    monkeypatch.setattr(SCORES, "get", counted)
    return calls


def test_the_next_process_reads_them(tmp_path, user, scored):
    place = tmp_path / "s.journal"
    study, first = searched(user(), place, scored)
    # The network does not depend on the learning rate: each is scored once.
    assert 0 < first <= 2 * 3**4
    content = json.loads((tmp_path / "scored-optiproxy-0-scores.json").read_text())
    assert len(content["scores"]) >= study.scored[0] > 0
    again, second = searched(user(), place, scored)
    assert second < first / 2
    assert study.scored[0] <= again.scored[0]
    whole, _ = searched(user(), tmp_path / "whole.journal", scored)
    whole.run(6)
    assert [r.architecture for r in whole.queries] == [r.architecture for r in again.queries]


def test_scores_of_other_code_are_not_used(tmp_path, user, scored):
    place = tmp_path / "s.journal"
    _, first = searched(user(), place, scored)
    _, changed = searched(user(bias=False), place, scored)
    assert changed > first / 2
    (tmp_path / "scored-optiproxy-0-scores.json").write_text("{")
    _, broken = searched(user(bias=False), place, scored)
    assert broken > first / 2


def test_a_study_in_memory_keeps_nothing(tmp_path, user, scored, monkeypatch):
    monkeypatch.chdir(tmp_path)
    searched(user(), None, scored)
    assert not list(tmp_path.glob("*.json"))


def test_networks_are_the_same_by_what_they_compute():
    from optiproxy.scores.identity import network_digest

    def made(width=3, p=0.1, seed=0, tied=False):
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Dropout(p))
        model.append(torch.nn.Linear(2, width))
        if tied:
            model[2].weight = model[0].weight
        return model

    same = network_digest(made())
    assert same == network_digest(made())
    for other in ({"width": 4}, {"p": 0.2}, {"seed": 1}, {"tied": True}):
        assert network_digest(made(**other)) not in (same, None)
    hidden = made()
    hidden.function = lambda x: x
    assert network_digest(hidden) is None
